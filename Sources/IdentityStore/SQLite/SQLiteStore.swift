import Dispatch
import GRDB
package import IdentityEngine
import Synchronization

/// The store in one SQLite file: one connection that writes, and several that read.
///
/// GRDB carries the connections, each on a queue of its own, so that no call blocks a thread of Swift's. The caller
/// sees to it that one process owns a file at a time, by `DataDirectoryLock`; others may read and commit beside it
/// (`SQLiteOptions.Access`).
package final class SQLiteStore: Store {
    private let connection: DatabaseQueue
    let options: SQLiteOptions
    /// Whether this process has the file for itself until it ends, because the disk had no room for what processes
    /// share of the write-ahead log.
    package let isAlone: Bool
    let writeHealth = WriteHealth()
    private let writer: SQLiteWriter
    private let readers: SQLiteReaders
    /// A connection that nothing but `probe` uses.
    private let probes: SQLiteReaders
    private let isClosed = Mutex(false)

    /// Opens a store, and makes it where there is none and the process owns the place.
    ///
    /// - Parameters:
    ///   - path: the file's path. Its directory exists.
    ///   - options: how to use the file.
    /// - Throws: `StoreError`: `incompatible` where the file is not a store, is a newer version's, or is an earlier
    ///   one's that the process does not own.
    package init(path: String, options: SQLiteOptions = SQLiteOptions()) throws(StoreError) {
        let writer = SQLiteWriter(options, health: writeHealth)
        do {
            (connection, isAlone) = try SQLiteFile.withRoom {
                options.access == .owning
                    ? try SQLiteFile.openOwned(path, options) : try SQLiteFile.openBeside(path, options)
            }
            if options.access != .reading {
                try connection.writeWithoutTransaction { db in
                    try SQLiteStore.configureWriter(db, options)
                    try writer.open(db)
                }
            }
            readers = try SQLiteReaders(
                path: path, count: options.readerCount, waitingLimit: options.waitingReadLimit,
                configuration: SQLiteStore.configuration(options))
            probes = try SQLiteReaders(
                path: path, count: 1, waitingLimit: options.waitingReadLimit,
                configuration: SQLiteStore.configuration(options))
            self.options = options
        } catch {
            throw StoreError(sqlite: error)
        }
        self.writer = writer
    }

    package func commit(
        _ group: [EventBatch], by rules: [ProjectID: MergeRules], nowMilliseconds: Int64
    ) async throws(StoreError) -> [CommitResult] {
        try await write { writer, db throws(StoreError) in
            try writer.commit(group, by: rules, nowMilliseconds: nowMilliseconds, in: db)
        }
    }

    package func settle(_ project: ProjectID, atMilliseconds time: Int64) async throws(StoreError) {
        try await writeInTransaction { db throws(StoreError) in
            try SQLiteStore.settle(project, atMilliseconds: time, db)
        }
    }

    /// Within a transaction of the caller.
    static func settle(_ project: ProjectID, atMilliseconds time: Int64, _ db: Database) throws(StoreError) {
        let statement = try PreparedStatement(cached: Statements.settleTime, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, time)
        try statement.run()
    }

    package func read<Value: Sendable>(
        _ body: @escaping @Sendable (any StoreSnapshot) throws(StoreError) -> Value
    ) async throws(StoreError) -> Value {
        try await onReader { db throws(StoreError) in try body(SQLiteSnapshot(db)) }
    }

    /// Reads on a connection of its own, which nothing that takes long ever has.
    package func probe() async throws(StoreError) {
        try await onReader(of: probes) { db throws(StoreError) in
            _ = try SQLiteSnapshot(db).lastSequence(of: ProjectID(0))
        }
    }

    package func reset() async throws(StoreError) {
        try await writeInTransaction { db throws(StoreError) in
            for table in Schema.contentTables { try PreparedStatement("DELETE FROM \(table)", in: db).run() }
        }
    }

    package func reset(_ project: ProjectID) async throws(StoreError) {
        try await writeInTransaction { db throws(StoreError) in
            // What has been given stays given: other projects' keys and rows go on from there.
            try PreparedStatement(cached: Statements.keepLastKey, in: db).run()
            try PreparedStatement(cached: Statements.keepLastBatch, in: db).run()
            for sql in Statements.resetProject {
                let statement = try PreparedStatement(sql, in: db)
                try statement.bind(1, project.rawValue)
                try statement.run()
            }
        }
    }

    package func close() async throws(StoreError) {
        let wasClosed = isClosed.withLock { isClosed in
            defer { isClosed = true }
            return isClosed
        }
        if wasClosed { throw .closed }
        let result: Result<Void, StoreError> = await withCheckedContinuation { continuation in
            // Closing waits for the reads and the writes that run, which no thread of Swift's should.
            DispatchQueue.global().async { [connection, options, writer, readers, probes] in
                let result: Result<Void, StoreError>
                do {
                    // The last connection to close folds the write-ahead log into the file; one that only reads
                    // cannot.
                    if options.access == .owning {
                        try readers.close()
                        try probes.close()
                    }
                    connection.writeWithoutTransaction { _ in writer.close() }
                    try connection.close()
                    if options.access != .owning {
                        try readers.close()
                        try probes.close()
                    }
                    result = .success(())
                } catch {
                    result = .failure(StoreError(sqlite: error))
                }
                continuation.resume(returning: result)
            }
        }
        try result.get()
    }
}

extension SQLiteStore {
    /// What the writing connection says of one of its settings, `synchronous` for example.
    ///
    /// - Parameter name: the name of a pragma, from the source only: it becomes part of a statement.
    /// - Returns: the value as text.
    /// - Throws: `StoreError`.
    package func writerSetting(_ name: StaticString) async throws(StoreError) -> String {
        try await write { _, db throws(StoreError) in try SQLiteStore.setting("\(name)", of: db) }
    }

    /// How SQLite goes about one of the store's statements.
    ///
    /// - Parameter sql: the statement, from `Statements`.
    /// - Returns: the lines of `EXPLAIN QUERY PLAN`.
    /// - Throws: `StoreError`.
    func plan(of sql: String) async throws(StoreError) -> [String] {
        try await onReader { db throws(StoreError) in
            let statement = try PreparedStatement("EXPLAIN QUERY PLAN " + sql, in: db)
            return try statement.all { statement in statement.text(3) }
        }
    }

    /// Runs a body in a transaction of the writing connection.
    func writeInTransaction(
        _ body: @escaping @Sendable (Database) throws(StoreError) -> Void
    ) async throws(StoreError) {
        try await write { writer, db throws(StoreError) in
            try writer.inTransaction(db) { _ throws(StoreError) in try body(db) }
        }
    }

    func write<Value: Sendable>(
        _ body: @escaping @Sendable (SQLiteWriter, Database) throws(StoreError) -> Value
    ) async throws(StoreError) -> Value {
        if isClosed.withLock({ $0 }) { throw .closed }
        let result: Result<Value, StoreError> = await withCheckedContinuation { continuation in
            // Not GRDB's async `write`, which gives up when the task is cancelled: nobody would know whether it was
            // done.
            connection.asyncWriteWithoutTransaction { [writer] db in
                continuation.resume(returning: Result { () throws(StoreError) in try body(writer, db) })
            }
        }
        return try result.get()
    }

    func onReader<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws(StoreError) -> Value
    ) async throws(StoreError) -> Value { try await onReader(of: readers, body) }

    private func onReader<Value: Sendable>(
        of readers: SQLiteReaders, _ body: @escaping @Sendable (Database) throws(StoreError) -> Value
    ) async throws(StoreError) -> Value {
        if isClosed.withLock({ $0 }) { throw .closed }
        let result: Result<Value, StoreError> = await withCheckedContinuation { continuation in
            do throws(StoreError) {
                try readers.run { [self] db in
                    continuation.resume(
                        returning: Result { () throws(StoreError) in
                            // Connections close after the mark is set, so that where there is none this one is open.
                            if isClosed.withLock({ $0 }) { throw .closed }
                            return try SQLiteStore.inSnapshot(db) { () throws(StoreError) in try body(db) }
                        })
                }
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }
        return try result.get()
    }

    /// Runs a body in a read transaction: it begins with the first read, and sees what was committed by then.
    private static func inSnapshot<Value>(
        _ db: Database, _ body: () throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        // Nothing is lost with a read that could not be ended.
        if db.isInsideTransaction { try PreparedStatement(cached: Statements.rollback, in: db).run() }
        try PreparedStatement(cached: Statements.beginReading, in: db).run()
        let result = Result(catching: body)
        // Where reading fails, SQLite may have ended it by itself; the next read looks again.
        if db.isInsideTransaction { try? PreparedStatement(cached: Statements.commit, in: db).run() }
        return try result.get()
    }
}
