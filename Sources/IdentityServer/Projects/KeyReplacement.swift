import Foundation
import IdentityEngine
package import IdentityStore

/// A new key for a store's secrets, with a new secret for everything that has one (`selfsame key replace`).
///
/// The digests that the store has belong to the old key, so that every secret ends with it. What is new is written
/// beside its place first; then one commit changes all digests and the mark of the key; then the files get their names.
/// A crash before the commit leaves everything as it was, and after it the next start finishes.
package struct KeyReplacement: Sendable {
    private let directory: DataDirectory
    private let store: SQLiteStore
    private let nowMilliseconds: Int64
    /// The projects, in the order of their numbers.
    private let projects: [ProjectRecord]
    /// The accounts, in the order of their names.
    private let accounts: [AccountRecord]
    /// Secrets that the configuration file gives, which are not made here.
    private let configured: ConfiguredSecrets

    private struct ConfiguredSecrets {
        var projects: [ProjectID: String]
        var accounts: [DistinctID: String]
    }

    /// Looks what a replacement would end; nothing is changed.
    ///
    /// - Parameters:
    ///   - directory: the data directory, whose lock the process has.
    ///   - store: its store, which the process owns.
    ///   - configuration: the server's configuration, for the secrets that its file gives.
    ///   - nowMilliseconds: the time.
    /// - Throws: `ConfigurationError` or `StoreError`.
    package init(
        in directory: DataDirectory, of store: SQLiteStore, by configuration: Configuration, nowMilliseconds: Int64
    ) async throws {
        try SecretRules.check(configuration)
        try await directory.finishReplacement(of: store)
        self.directory = directory
        self.store = store
        self.nowMilliseconds = nowMilliseconds
        projects = try await store.projects()
        accounts = try await store.accounts()
        configured = ConfiguredSecrets(
            projects: Dictionary(uniqueKeysWithValues: configuration.projects.map { ($0.id, $0.secret) }),
            accounts: Dictionary(
                uniqueKeysWithValues: configuration.accounts.map { (DistinctID($0.username), $0.secret) }))
    }

    /// The projects whose secrets end: those to which the configuration file gives none.
    package var endingProjects: [ProjectRecord] { projects.filter { configured.projects[$0.id] == nil } }

    /// The accounts whose secrets end: those to which the configuration file gives none.
    package var endingAccounts: [AccountRecord] {
        accounts.filter { configured.accounts[DistinctID($0.username)] == nil }
    }

    /// Whether the store's key is there, so that nothing has to end.
    package func keyFits() async -> Bool { (try? await directory.secretKey(of: store)) != nil }

    /// Replaces the key and every secret.
    ///
    /// - Returns: the path of the file with the new secrets, which only its owner can read.
    /// - Throws: `ConfigurationError` or `StoreError`; the old key and secrets are in force then.
    package func run() async throws -> String {
        let key = SecretKey()
        var lines = [
            "# Made by `selfsame key replace` at \(Timestamp.text(milliseconds: nowMilliseconds)).",
            "# Every earlier secret of this store has ended.",
            "# Hand these out, and delete this file.",
        ]
        var projectDigests: [ProjectID: [UInt8]] = [:]
        var accountDigests: [(username: String, digest: [UInt8])] = []
        var firstProjectText: String?
        for project in projects {
            let given = configured.projects[project.id]
            let secret = given ?? SecretKey.makeSecret()
            projectDigests[project.id] = key.digest(of: secret)
            lines += [
                "", "project: \(project.id)", "name: \(project.name.escapingControls(except: []))",
                "token: \(project.token)", "secret: \(given == nil ? secret : Self.unchanged)",
            ]
            if given == nil, directory.isFirstProject(project.id) {
                firstProjectText = DataDirectory.firstProjectText(project, secret: secret)
            }
        }
        for account in accounts {
            let given = configured.accounts[DistinctID(account.username)]
            let secret = given ?? SecretKey.makeSecret()
            accountDigests.append((account.username, key.digest(of: secret)))
            lines += [
                "", "account: \(account.username.escapingControls(except: []))",
                "secret: \(given == nil ? secret : Self.unchanged)",
            ]
        }
        let secrets = lines.joined(separator: "\n") + "\n"
        try directory.writeReplacement(secrets: secrets, firstProject: firstProjectText, key: key)
        do {
            try await store.replaceSecrets(projects: projectDigests, accounts: accountDigests, keyMark: key.mark)
        } catch {
            try await directory.finishReplacement(of: store)
            throw error
        }
        try await directory.finishReplacement(of: store)
        return directory.newSecretsPath
    }

    private static let unchanged = "(as in the configuration file)"
}

extension DataDirectory {
    /// What a replacement of the key writes, in the order in which the files get their names.
    private var replacementPaths: [String] { [newSecretsPath, firstProjectPath, keyPath] }

    fileprivate func isFirstProject(_ id: ProjectID) -> Bool {
        guard let text = FileManager.default.contents(atPath: firstProjectPath) else { return false }
        return String(decoding: text, as: UTF8.self).hasPrefix("project: \(id)\n")
    }

    /// Writes what a replacement makes beside its places.
    fileprivate func writeReplacement(secrets: String, firstProject: String?, key: SecretKey) throws(StoreError) {
        try DurableFile.writePending(Array(secrets.utf8), of: newSecretsPath)
        if let firstProject { try DurableFile.writePending(Array(firstProject.utf8), of: firstProjectPath) }
        try DurableFile.writePending(Array(key.text.utf8), of: keyPath)
    }

    /// Gives the files of a replacement their names where the store has the new key's mark; otherwise takes them away.
    func finishReplacement(of store: SQLiteStore) async throws {
        let mark = try await store.keyMark()
        let pendingKey = try? SecretKey(contentsOf: keyPath + DurableFile.pendingSuffix)
        let isCommitted = mark != 0 && pendingKey?.mark == mark
        for path in replacementPaths {
            let pending = path + DurableFile.pendingSuffix
            guard FileManager.default.fileExists(atPath: pending) else { continue }
            if isCommitted { try DurableFile.complete(path) } else { try DurableFile.remove(pending) }
        }
    }
}
