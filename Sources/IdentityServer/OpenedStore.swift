import IdentityStore
import Logging

/// The store that a configuration names, opened, with the key of its secrets.
struct OpenedStore {
    let store: any Store
    /// The same where it is in files.
    let files: SQLiteStore?
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
            files = nil
            secretKey = SecretKey()
            directory = nil
            lock = nil
            return
        }
        let folder = try DataDirectory(path: path)
        if configuration.sandbox.isEnabled { try folder.markAsSandbox() } else { try folder.refuseSandboxMark() }
        lock = try await Self.lock(path, timeout: lockTimeout, logger)
        directory = folder
        for path in try folder.close() {
            logger.warning(
                "others could read a part of the data directory; they no longer can", metadata: ["path": "\(path)"])
        }
        if !configuration.store.isDurable {
            logger.warning("store.synchronous is normal: a loss of power may take back acknowledged events")
        }
        var options = SQLiteOptions()
        options.synchronous = configuration.store.isDurable ? .full : .normal
        let opened = try SQLiteStore(path: folder.storePath, options: options)
        if opened.isAlone {
            logger.warning(
                """
                the disk of the data directory is full: what is stored is read, and commands cannot use the directory \
                until this server is started again with some space free
                """)
        }
        store = opened
        files = opened
        secretKey = try await folder.ownedSecretKey(of: opened)
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
