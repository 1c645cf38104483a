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
    var keyPath: String { path + "/secret.key" }
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

    /// Takes the folder and its files away from other users of the machine, for the process that has its lock.
    ///
    /// - Returns: what others could read until now.
    /// - Throws: `ConfigurationError` where it cannot be taken away from them.
    package func close() throws -> [String] {
        var found: [String] = []
        for path in [path] + ownPaths {
            guard let mode = Self.mode(of: path), mode & 0o077 != 0 else { continue }
            guard unsafe chmod(path, mode & 0o700) == 0 else {
                throw ConfigurationError(
                    "\(path) can be read by others and belongs to another user, so that it cannot be closed to them; "
                        + "run chmod go= on it as its owner, or name another data directory")
            }
            found.append(path)
        }
        return found
    }

    /// Everything that a server makes in the folder, whether it is there or not.
    private var ownPaths: [String] {
        let store = ["", "-wal", "-shm", "-journal"].map { storePath + $0 }
        let retrievals = (try? FileManager.default.contentsOfDirectory(atPath: retrievalsPath)) ?? []
        return store + [keyPath, firstProjectPath, newSecretsPath, path + "/lock", sandboxMarkPath, retrievalsPath]
            + retrievals.map { retrievalsPath + "/" + $0 }
    }

    private static func mode(of path: String) -> mode_t? {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        return status.st_mode & 0o7777
    }

    /// Allows the sandbox to empty this folder's store only where it made the store itself.
    ///
    /// - Throws: `ConfigurationError` where the folder holds anything and bears no mark of the sandbox.
    package func markAsSandbox() throws {
        if FileManager.default.fileExists(atPath: sandboxMarkPath) { return }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        // A mark that was not finished is one: the folder was empty.
        guard names.allSatisfy({ $0 == "sandbox" + DurableFile.pendingSuffix }) else {
            throw ConfigurationError(
                "\(path) is not empty and was not made by a sandbox, which may delete all that it holds; "
                    + "name an empty directory")
        }
        try write("This directory belongs to a Selfsame sandbox, which empties it.\n", to: sandboxMarkPath)
    }

    /// - Throws: `ConfigurationError` where the folder bears the sandbox's mark, so that nobody keeps real data there.
    package func refuseSandboxMark() throws {
        if FileManager.default.fileExists(atPath: sandboxMarkPath) {
            throw ConfigurationError(
                "\(path) belongs to a sandbox; start it with --sandbox, or name another data directory")
        }
    }

    /// Writes a file of the folder, whole or not at all, where only the owner can read it.
    ///
    /// - Throws: `ConfigurationError` where it cannot be written.
    func write(_ text: String, to path: String) throws {
        do {
            try DurableFile.write(Array(text.utf8), to: path)
        } catch {
            throw ConfigurationError("\(path) cannot be written: \(error)")
        }
    }
}

/// The first project's keys, which are written down once.
extension DataDirectory {
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

    /// Whether the file of the first project's keys is there without its last line, as a crash of an earlier version
    /// left it.
    package var isFirstProjectFileCutOff: Bool {
        guard let text = firstProjectText else { return false }
        return !text.hasSuffix("\n") || !text.contains("\nsecret: ")
    }

    private var firstProjectText: String? {
        FileManager.default.contents(atPath: firstProjectPath).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Puts a new secret into the first project's file, if that file is of the same project or was cut off.
    package func updateFirstProject(_ project: ProjectRecord, secret: String) throws {
        guard let text = firstProjectText, text.hasPrefix("project: \(project.id)\n") || isFirstProjectFileCutOff
        else { return }
        try writeFirstProject(project, secret: secret)
    }

    /// Writes the first project's keys where only the owner can read them.
    package func writeFirstProject(_ project: ProjectRecord, secret: String) throws {
        try write(Self.firstProjectText(project, secret: secret), to: firstProjectPath)
    }

    static func firstProjectText(_ project: ProjectRecord, secret: String) -> String {
        "project: \(project.id)\ntoken: \(project.token)\nsecret: \(secret)\n"
    }
}
