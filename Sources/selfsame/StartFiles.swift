import Foundation
import IdentityServer
import Logging

/// The files that tell scripts where a server is: of its port, and that it answers.
///
/// Each is whole when it appears, and is gone when the server has ended. One that a killed server left is taken away
/// before the next one listens, so that nobody takes it for this one's.
struct StartFiles: Sendable {
    private let portPath: String?
    private let readyPath: String?

    /// - Parameter settings: where the files are to be.
    /// - Throws: `ConfigurationError` where one of them could not be written.
    init(_ settings: Configuration.Server) throws {
        portPath = settings.portFile
        readyPath = settings.readyFile
        for path in [readyPath, portPath].compactMap({ $0 }) {
            try? FileManager.default.removeItem(atPath: path)
            guard FileManager.default.createFile(atPath: Self.part(of: path), contents: nil, attributes: Self.mode)
            else { throw ConfigurationError("\(path) cannot be written; check its directory") }
        }
    }

    /// Writes both, the port first.
    func write(_ announcement: Announcement, logger: Logger) {
        do {
            if let portPath { try Self.write(Data("\(announcement.port)\n".utf8), to: portPath) }
            guard let readyPath else { return }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            try Self.write(try encoder.encode(announcement) + Data("\n".utf8), to: readyPath)
        } catch {
            logger.error("a file that says where the server is cannot be written", metadata: ["error": "\(error)"])
        }
    }

    func remove() {
        for path in [readyPath, portPath].compactMap({ $0 }) {
            try? FileManager.default.removeItem(atPath: path)
            try? FileManager.default.removeItem(atPath: Self.part(of: path))
        }
    }

    /// For the owner only: a sandbox's secrets are in it.
    private static var mode: [FileAttributeKey: Any] { [.posixPermissions: 0o600] }

    private static func part(of path: String) -> String { path + ".part" }

    private static func write(_ bytes: Data, to path: String) throws {
        let part = part(of: path)
        guard FileManager.default.createFile(atPath: part, contents: bytes, attributes: mode),
            unsafe rename(part, path) == 0
        else { throw CocoaError(.fileWriteUnknown) }
    }
}
