import Foundation
package import IdentityStore

/// The key of a store's secrets: where it is, when one is made, and what a lost one ends.
extension DataDirectory {
    /// What `selfsame key replace` writes the new secrets to.
    package var newSecretsPath: String { path + "/new-secrets.txt" }

    /// The key of the store's secrets, for the process that has the folder's lock: made where the store has no secret
    /// yet, and never where it has one.
    ///
    /// What a replacement of the key had left to do is done first.
    ///
    /// - Throws: `ConfigurationError` where the store has secrets, and their key is not there, cannot be read, or is
    ///   another's.
    package func ownedSecretKey(of store: SQLiteStore) async throws -> SecretKey {
        try await finishReplacement(of: store)
        guard try await !hasSecrets(store) else { return try await secretKey(of: store) }
        let key: SecretKey
        if let kept = try? SecretKey(contentsOf: keyPath) {
            key = kept
        } else {
            key = SecretKey()
            try write(key.text, to: keyPath)
        }
        if try await store.keyMark() != key.mark { try await store.setKeyMark(key.mark) }
        return key
    }

    /// The key of the store's secrets, which is never made here.
    ///
    /// - Throws: `ConfigurationError`.
    package func secretKey(of store: SQLiteStore) async throws -> SecretKey {
        let key: SecretKey
        do {
            key = try SecretKey(contentsOf: keyPath)
        } catch let error as ConfigurationError {
            throw lost(error.message)
        }
        let mark = try await store.keyMark()
        guard mark == 0 || mark == key.mark else { throw lost("\(keyPath) is not the key of this store") }
        return key
    }

    private func hasSecrets(_ store: SQLiteStore) async throws -> Bool {
        if try await !store.projects().isEmpty { return true }
        return try await !store.accounts().isEmpty
    }

    private func lost(_ reason: String) -> ConfigurationError {
        ConfigurationError(
            "\(reason), and without it no secret of this store works. Restore it from a backup; or have "
                + "`selfsame key replace --data \(path)` make a new key, which ends every secret and writes new ones "
                + "to a file. The events and identities in the store are not affected")
    }
}
