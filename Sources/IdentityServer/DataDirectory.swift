import Foundation
package import IdentityStore

/// The folder that holds everything a server keeps: the SQLite file, the key of its secrets, and the first project's
/// secret.
package struct DataDirectory: Sendable {
    package let path: String

    /// The SQLite file.
    package var storePath: String { path + "/selfsame.sqlite" }
    /// The files of retrievals.
    package var retrievalsPath: String { path + "/retrievals" }
    package var firstProjectPath: String { path + "/first-project.txt" }
    private var keyPath: String { path + "/secret.key" }
    private var sandboxMarkPath: String { path + "/sandbox" }

    /// Makes the folder if it is not there, readable by its owner only.
    ///
    /// - Throws: `ConfigurationError` where it cannot be made, or is a file.
    package init(path: String) throws {
        self.path = path
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw ConfigurationError(
                "the data directory \(path) cannot be made; check store.directory and its permissions")
        }
    }

    /// A folder that must be there with a store in it, for commands that only read.
    ///
    /// - Throws: `ConfigurationError` where there is no store.
    package init(existing path: String) throws {
        self.path = path
        guard FileManager.default.fileExists(atPath: storePath) else {
            throw ConfigurationError("\(path) holds no store; name the data directory of a server with --data")
        }
    }

    /// The key of the folder's secrets, which is made together with the store and never after.
    ///
    /// - Throws: `ConfigurationError` where there is a store but no key that can be read: without it, every secret is
    ///   lost.
    package func secretKey() throws -> SecretKey {
        let hasStore = FileManager.default.fileExists(atPath: storePath)
        if hasStore, !FileManager.default.isReadableFile(atPath: keyPath) {
            throw ConfigurationError(
                "\(keyPath) is missing or cannot be read, and without it no secret of this store works; "
                    + "restore it from your backup, or check its permissions")
        }
        return try SecretKey(contentsOf: keyPath)
    }

    /// Allows the sandbox to empty this folder's store only where it made the store itself.
    ///
    /// - Throws: `ConfigurationError` where the folder holds anything and bears no mark of the sandbox.
    package func markAsSandbox() throws {
        if FileManager.default.fileExists(atPath: sandboxMarkPath) { return }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        guard names.isEmpty else {
            throw ConfigurationError(
                "\(path) is not empty and was not made by a sandbox, which may delete all that it holds; "
                    + "name an empty directory")
        }
        try PrivateFile.write("This directory belongs to a Selfsame sandbox, which empties it.\n", to: sandboxMarkPath)
    }

    /// - Throws: `ConfigurationError` where the folder bears the sandbox's mark, so that nobody keeps real data there.
    package func refuseSandboxMark() throws {
        if FileManager.default.fileExists(atPath: sandboxMarkPath) {
            throw ConfigurationError(
                "\(path) belongs to a sandbox; start it with --sandbox, or name another data directory")
        }
    }

    /// Whether the first project's keys are still where they were written.
    package var hasFirstProjectFile: Bool { FileManager.default.fileExists(atPath: firstProjectPath) }

    /// The first project's secret, if the file is there and is of that project.
    func firstProjectSecret(of project: ProjectRecord) -> String? {
        guard let bytes = FileManager.default.contents(atPath: firstProjectPath) else { return nil }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        guard lines.contains("project: \(project.id)"), let line = lines.first(where: { $0.hasPrefix("secret: ") })
        else { return nil }
        return String(line.dropFirst("secret: ".count))
    }

    /// Puts a new secret into the first project's file, if that file is of the same project.
    package func updateFirstProject(_ project: ProjectRecord, secret: String) throws {
        guard let text = FileManager.default.contents(atPath: firstProjectPath),
            String(decoding: text, as: UTF8.self).hasPrefix("project: \(project.id)\n")
        else { return }
        try writeFirstProject(project, secret: secret)
    }

    /// Writes the first project's keys where only the owner can read them.
    package func writeFirstProject(_ project: ProjectRecord, secret: String) throws {
        try PrivateFile.write(
            "project: \(project.id)\ntoken: \(project.token)\nsecret: \(secret)\n", to: firstProjectPath)
    }
}
