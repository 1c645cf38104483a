import GRDB

extension SQLiteStore {
    static func configuration(_ options: SQLiteOptions) -> Configuration {
        var configuration = Configuration()
        configuration.label = "selfsame"
        configuration.foreignKeysEnabled = false
        // GRDB traps where a transaction is left open, which a disk that fails in the rollback can bring about.
        configuration.allowsUnsafeTransactions = true
        configuration.busyMode = .timeout(Double(options.busyTimeoutMilliseconds) / 1_000)
        let cacheSize = options.readerCacheSizeBytes / 1_024
        configuration.prepareDatabase { db in
            // Has an effect only before the first table, and not after the change to a write-ahead log.
            try db.execute(sql: "PRAGMA page_size = \(Schema.pageSizeBytes)")
            try db.execute(sql: "PRAGMA cache_size = -\(cacheSize)")
        }
        return configuration
    }

    /// Refuses a file that is not a store, or that a newer version wrote.
    static func refuseForeign(_ db: Database) throws {
        let application = try Int64.fetchOne(db, sql: "PRAGMA application_id")
        let isEmpty = try Int64.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") == 0
        guard isEmpty || application == Schema.applicationID else {
            throw StoreError(.incompatible, "The file is not a store of selfsame. Name another data directory.")
        }
        guard try isEmpty || !Schema.migrator.hasBeenSuperseded(db) else {
            throw StoreError(
                .incompatible,
                "A newer version of selfsame wrote this store. Run that version, or restore an older backup.")
        }
    }

    /// Sets up the writing connection, once it is open.
    ///
    /// GRDB's own set-up of the write-ahead log sets `synchronous` to NORMAL, and would undo what was set before.
    /// Since all that is acknowledged rests on that setting, it is read back.
    static func configureWriter(_ db: Database, _ options: SQLiteOptions) throws {
        try db.execute(sql: "PRAGMA synchronous = \(options.synchronous.rawValue)")
        try db.execute(sql: "PRAGMA cache_size = -\(options.writerCacheSizeBytes / 1_024)")
        try db.execute(sql: "PRAGMA temp_store = MEMORY")
        // What is deleted is overwritten with zeros (see SQLiteErasure for what this leaves). It cannot be on for the
        // time of a deletion only: pages that are freed before would keep what they held.
        _ = try Int64.fetchOne(db, sql: "PRAGMA secure_delete = ON")
        // These answer with a row.
        _ = try Int64.fetchOne(db, sql: "PRAGMA wal_autocheckpoint = \(options.foldedPages)")
        _ = try Int64.fetchOne(db, sql: "PRAGMA journal_size_limit = \(options.journalSizeLimitBytes)")
        if let count = options.maxPageCount { _ = try Int64.fetchOne(db, sql: "PRAGMA max_page_count = \(count)") }

        let synchronous = try Int64.fetchOne(db, sql: "PRAGMA synchronous")
        guard synchronous == options.synchronous.rawValue else {
            throw StoreError(
                .unexpected, "The store cannot be made to wait for the disk, so that nothing could be acknowledged.",
                cause: "PRAGMA synchronous is \(synchronous.map { "\($0)" } ?? "unknown")")
        }
    }

    static func setting(_ name: String, of db: Database) throws(StoreError) -> String {
        try PreparedStatement("PRAGMA \(name)", in: db).first { statement in statement.text(0) } ?? ""
    }
}
