import Foundation
import IdentityServer
import Logging

/// The files that tell scripts where a server is: of its port, and that it answers.
///
/// Each is whole when it appears, and is gone when the server has ended. The server has a lock on each while it runs,
/// so that one that a killed server left is known and taken away at the next start, and one of a running server stays.
struct StartFiles: Sendable {
    private let port: File?
    private let ready: File?

    /// Takes away what a killed server left, so that nobody takes it for this one's.
    static func removeLeftovers(_ settings: Configuration.Server) {
        for path in [settings.readyFile, settings.portFile].compactMap({ $0 }) where !File.isInUse(path) {
            try? FileManager.default.removeItem(atPath: path)
        }
    }

    /// - Parameter settings: where the files are to be.
    /// - Throws: `ConfigurationError` where one of them could not be written.
    init(_ settings: Configuration.Server) throws {
        port = try settings.portFile.map { try File($0) }
        ready = try settings.readyFile.map { try File($0) }
    }

    /// Writes both, the port first.
    func write(_ announcement: Announcement, logger: Logger) {
        do {
            if let number = announcement.port { try port?.write(Data("\(number)\n".utf8)) }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            try ready?.write(try encoder.encode(announcement) + Data("\n".utf8))
        } catch {
            logger.error("a file that says where the server is cannot be written", metadata: ["error": "\(error)"])
        }
    }

    /// Takes away what this process wrote.
    func remove() {
        ready?.remove()
        port?.remove()
    }

    /// One of them, which is written beside its place first.
    private struct File: Sendable {
        private let path: String
        /// Open, and locked, for as long as the process runs.
        private let descriptor: CInt

        private var part: String { path + ".part" }

        init(_ path: String) throws {
            self.path = path
            let part = path + ".part"
            try? FileManager.default.removeItem(atPath: part)
            // For the owner only: a sandbox's secrets are in it.
            descriptor = unsafe open(part, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw ConfigurationError("\(path) cannot be written; check its directory") }
            _ = flock(descriptor, LOCK_EX | LOCK_NB)
        }

        /// Whether a running server wrote the file.
        static func isInUse(_ path: String) -> Bool {
            let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            guard descriptor >= 0 else { return false }
            defer { close(descriptor) }
            return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
        }

        func write(_ bytes: Data) throws {
            try FileHandle(fileDescriptor: descriptor, closeOnDealloc: false).write(contentsOf: bytes)
            guard unsafe rename(part, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
        }

        func remove() {
            var own = stat()
            guard unsafe fstat(descriptor, &own) == 0 else { return }
            for place in [path, part] {
                var found = stat()
                guard unsafe stat(place, &found) == 0, found.st_ino == own.st_ino, found.st_dev == own.st_dev else {
                    continue
                }
                try? FileManager.default.removeItem(atPath: place)
            }
        }
    }
}
