import GRDB
import GRDBSQLite

/// The file of a store: how it comes to be, and what a start that was cut short may have left in its place.
///
/// A new file is made beside its place with all its tables, is complete without its write-ahead log, and then gets its
/// name. So the place has no store or a whole one, whenever the process ends. Earlier versions made the file in its
/// place, and could leave one without tables; such a file is made anew.
enum SQLiteFile {
    /// What SQLite keeps beside a file: the write-ahead log and its index, and the journal of the time before there is
    /// a write-ahead log.
    private static let companions = ["-wal", "-shm", "-journal"]
    /// What a write-ahead log has before its first page.
    private static let logHeaderBytes = 32

    /// Opens the one connection that writes, with all tables of this version, where the caller has the lock of the
    /// data directory.
    static func openOwned(_ path: String, _ options: SQLiteOptions) throws -> DatabaseQueue {
        try removePending(path)
        if DurableFile.sizeBytes(path) ?? 0 == 0 { try make(path, options) }
        var connection = try DatabaseQueue(path: path, configuration: SQLiteStore.configuration(options))
        if try isUnfinished(connection) {
            try connection.close()
            try make(path, options)
            connection = try DatabaseQueue(path: path, configuration: SQLiteStore.configuration(options))
        }
        try connection.writeWithoutTransaction { db in
            try SQLiteStore.refuseForeign(db)
            // A copy that SQLite made by VACUUM has no write-ahead log. Where there is one, nothing is written.
            try startLog(db)
        }
        try Schema.migrator.migrate(connection)
        return connection
    }

    /// Opens a connection beside a process that may have the lock: nothing but rows is ever written.
    static func openBeside(_ path: String, _ options: SQLiteOptions) throws -> DatabaseQueue {
        guard DurableFile.sizeBytes(path) != 0 else { throw StoreError.emptyFile }
        // A connection that writes would fold the log in where it is closed as the last one, though the file is
        // refused.
        var configuration = SQLiteStore.configuration(options)
        configuration.readonly = true
        let reader = try DatabaseQueue(path: path, configuration: configuration)
        if try isUnfinished(reader) { throw StoreError.unfinished }
        try reader.writeWithoutTransaction { db in
            try SQLiteStore.refuseForeign(db)
            guard try Schema.migrator.hasCompletedMigrations(db) else { throw StoreError.earlierVersion }
        }
        if options.access == .reading { return reader }
        let connection = try DatabaseQueue(path: path, configuration: SQLiteStore.configuration(options))
        try reader.close()
        return connection
    }

    /// Opens connections, and where the disk has no room for the index of the write-ahead log, opens them so that it
    /// is kept in memory.
    ///
    /// The process then has the file for itself until it ends: others find it busy.
    ///
    /// - Returns: what was opened, and whether for this process alone.
    static func withRoom<Opened>(_ open: () throws -> Opened) throws -> (Opened, isAlone: Bool) {
        do {
            return (try open(), false)
        } catch let error as DatabaseError where isOutOfRoom(error) {
            let usual = sqlite3_vfs_find(nil)
            guard let alone = sqlite3_vfs_find("unix-excl"), alone != usual else { throw error }
            // Every connection of the process must be of the same kind, those that are opened later too.
            sqlite3_vfs_register(alone, 1)
            do {
                return (try open(), true)
            } catch {
                sqlite3_vfs_register(usual, 1)
                throw error
            }
        }
    }

    private static func isOutOfRoom(_ error: DatabaseError) -> Bool {
        error.resultCode == .SQLITE_FULL || error.extendedResultCode.rawValue == StoreError.noRoomForIndex
    }

    /// Makes a file with all tables beside its place, and gives it its name when the disk has it.
    private static func make(_ path: String, _ options: SQLiteOptions) throws {
        // SQLite would throw the log of an empty file away, and with it what only the log may have.
        guard DurableFile.sizeBytes(path + "-wal") ?? 0 <= logHeaderBytes || DurableFile.sizeBytes(path) ?? 0 > 0 else {
            throw StoreError.lostFile
        }
        let pending = path + DurableFile.pendingSuffix
        try removePending(path)
        do {
            let connection = try DatabaseQueue(path: pending, configuration: SQLiteStore.configuration(options))
            try connection.writeWithoutTransaction { db in try startLog(db) }
            try Schema.migrator.migrate(connection)
            try connection.writeWithoutTransaction { db in _ = try db.checkpoint(.truncate) }
            try connection.close()
            try DurableFile.sync(pending)
            // A journal or a log of the file that was there before would be taken for the new one's.
            for companion in companions { try DurableFile.remove(path + companion) }
            try DurableFile.syncDirectory(of: path)
            try DurableFile.complete(path)
        } catch {
            try? removePending(path)
            throw error
        }
    }

    /// Takes away what a start that was cut short left beside the place.
    private static func removePending(_ path: String) throws(StoreError) {
        let pending = path + DurableFile.pendingSuffix
        for name in [pending] + companions.map({ pending + $0 }) { try DurableFile.remove(name) }
    }

    /// Turns the write-ahead log on, which cannot be done in a transaction.
    private static func startLog(_ db: Database) throws {
        guard try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL") == "wal" else {
            throw StoreError(.unexpected, "The store's file cannot have a write-ahead log. Use a local file system.")
        }
    }

    /// Whether a file has nothing but, perhaps, the empty list of the migrations that were to come.
    private static func isUnfinished(_ connection: DatabaseQueue) throws -> Bool {
        try connection.writeWithoutTransaction { db in
            let tables = try String.fetchSet(db, sql: "SELECT name FROM sqlite_master WHERE type <> 'index'")
            if tables.isEmpty { return true }
            guard tables == ["grdb_migrations"] else { return false }
            return try Schema.migrator.appliedIdentifiers(db).isEmpty
        }
    }
}

extension StoreError {
    /// SQLite's code where the disk has no room for the index of the write-ahead log (`SQLITE_IOERR_SHMSIZE`).
    static let noRoomForIndex = SQLITE_IOERR | 19 << 8

    static var unfinished: StoreError {
        StoreError(
            .incompatible, "The store was never finished, because the first start was cut short. Start the server.")
    }

    static var emptyFile: StoreError {
        StoreError(.incompatible, "The store's file is empty. Restore a backup, or let the server make it anew.")
    }

    static var earlierVersion: StoreError {
        StoreError(
            .incompatible,
            "An earlier version of selfsame wrote this store. Start the server of this version on it once, which "
                + "brings it up to date.")
    }

    static var lostFile: StoreError {
        StoreError(
            .corrupt,
            "The store's file is missing or empty, but its write-ahead log (-wal) is not. Restore the data directory "
                + "from a backup.")
    }
}
