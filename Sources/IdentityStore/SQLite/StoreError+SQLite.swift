import GRDB
import GRDBSQLite

extension StoreError {
    /// What a failure of GRDB or SQLite means for a caller.
    init(sqlite error: any Error) {
        switch error {
        case let error as StoreError: self = error
        case let error as DatabaseError:
            self.init(sqliteCode: error.extendedResultCode.rawValue, message: error.message ?? "")
        default: self.init(.unexpected, "The store failed in a way that it does not know.", cause: "\(error)")
        }
    }

    /// What a result code of SQLite means for a caller.
    ///
    /// - Parameters:
    ///   - sqliteCode: the code, extended or not.
    ///   - message: SQLite's own words, for the log.
    init(sqliteCode: Int32, message: String) {
        let cause = "SQLite \(sqliteCode): \(message)"
        switch sqliteCode == Self.noRoomForIndex ? SQLITE_FULL : sqliteCode & 0xff {
        case SQLITE_FULL, SQLITE_NOMEM:
            self.init(
                .full, "The disk that holds the store is full, so nothing was stored. Free some space.", cause: cause)
        case SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PERM:
            self.init(
                .inputOutput, "The store's file cannot be read or written. Check the disk and the file's permissions.",
                cause: cause)
        case SQLITE_BUSY, SQLITE_LOCKED:
            self.init(.busy, "Another process holds the store. Stop it, or try again.", cause: cause)
        case SQLITE_NOTADB:
            self.init(.incompatible, "The file is not a store of selfsame. Name another data directory.", cause: cause)
        case SQLITE_CORRUPT:
            self.init(.corrupt, "The store's file is damaged. Restore it from a backup.", cause: cause)
        case SQLITE_CONSTRAINT, SQLITE_MISMATCH:
            // What is written follows from what was read: two rows that cannot be both there contradict each other.
            self = .damaged(cause)
        default:
            self.init(.unexpected, "The store failed in a way that it does not know.", cause: cause)
        }
    }
}
