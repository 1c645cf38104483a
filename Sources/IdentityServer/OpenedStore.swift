import IdentityStore
import Logging

/// The store that a configuration names, opened, with the key of its secrets.
struct OpenedStore {
    let store: any Store
    let secretKey: SecretKey
    let directory: DataDirectory?
    let lock: DataDirectoryLock?

    /// - Parameters:
    ///   - configuration: names the store.
    ///   - lockTimeout: how long another process may have the data directory.
    ///   - logger: hears of what may be a surprise.
    /// - Throws: `ConfigurationError` or `StoreError`.
    init(_ configuration: Configuration, lockTimeout: Duration, _ logger: Logger) async throws {
        guard let path = configuration.store.directory else {
            store = MemoryStore(sizeLimitBytes: configuration.store.memoryLimitBytes)
            secretKey = SecretKey()
            directory = nil
            lock = nil
            return
        }
        let folder = try DataDirectory(path: path)
        if configuration.sandbox.isEnabled { try folder.markAsSandbox() } else { try folder.refuseSandboxMark() }
        lock = try await Self.lock(path, timeout: lockTimeout, logger)
        directory = folder
        secretKey = try folder.secretKey()
        if !configuration.store.isDurable {
            logger.warning("store.synchronous is normal: a loss of power may take back acknowledged events")
        }
        var options = SQLiteOptions()
        options.synchronous = configuration.store.isDurable ? .full : .normal
        store = try SQLiteStore(path: folder.storePath, options: options)
    }

    /// Takes the lock of a data directory, when the process that has it lets it go.
    private static func lock(_ path: String, timeout: Duration, _ logger: Logger) async throws -> DataDirectoryLock {
        let deadline = ContinuousClock.now.advanced(by: timeout)
        var isWaiting = false
        while true {
            do throws(StoreError) {
                return try DataDirectoryLock(directory: path)
            } catch {
                guard error.code == .busy, ContinuousClock.now < deadline else { throw error }
            }
            if !isWaiting {
                isWaiting = true
                logger.notice("another process has the data directory; waiting until it lets go")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}
