import GRDB
package import IdentityEngine

/// What a store knows of the key under which the digests of its secrets were made.
extension SQLiteStore {
    /// The mark of the key, as the server gave it; 0 where none was given yet.
    ///
    /// It is what `PRAGMA user_version` says of the file, so that it is there before and after any content.
    package func keyMark() async throws(StoreError) -> Int32 {
        try await onReader { db throws(StoreError) in
            Int32(try SQLiteStore.setting("user_version", of: db)) ?? 0
        }
    }

    /// Has the store know its key from now on.
    package func setKeyMark(_ mark: Int32) async throws(StoreError) {
        try await writeInTransaction { db throws(StoreError) in try SQLiteStore.write(keyMark: mark, db) }
    }

    /// Replaces the digest of every secret together with the mark of the key.
    ///
    /// - Parameters:
    ///   - projects: the new digests, by project.
    ///   - accounts: the names of accounts and their new digests.
    ///   - keyMark: the mark of the new key.
    /// - Throws: `StoreError`: `conflict` where the store has other projects or accounts than these.
    package func replaceSecrets(
        projects: [ProjectID: [UInt8]], accounts: [(username: String, digest: [UInt8])], keyMark: Int32
    ) async throws(StoreError) {
        try await writeInTransaction { db throws(StoreError) in
            let counting = try PreparedStatement(Statements.countSecrets, in: db)
            guard try counting.first({ $0.integer(0) }) ?? 0 == projects.count + accounts.count else {
                throw StoreError(.conflict, "A project or an account was made meanwhile. Replace the key again.")
            }
            for (project, digest) in projects {
                let statement = try PreparedStatement(cached: Statements.updateProjectSecret, in: db)
                try statement.bind(1, project.rawValue)
                try statement.bind(2, digest)
                try statement.run()
            }
            for (username, digest) in accounts {
                let statement = try PreparedStatement(cached: Statements.updateAccountSecret, in: db)
                try statement.bind(1, username)
                try statement.bind(2, digest)
                try statement.run()
            }
            try SQLiteStore.write(keyMark: keyMark, db)
        }
    }

    static func write(keyMark: Int32, _ db: Database) throws(StoreError) {
        try PreparedStatement("PRAGMA user_version = \(keyMark)", in: db).run()
    }
}
