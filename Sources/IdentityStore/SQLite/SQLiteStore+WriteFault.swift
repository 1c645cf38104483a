import GRDB
import Synchronization

/// Whether commits go through.
final class WriteHealth: Sendable {
    enum State: Sendable {
        /// Nothing was committed or tried yet.
        case unknown
        /// Commits go through, or went through until now.
        case stored
        /// Why the last commit or trial failed, and when.
        case failed(StoreError, at: ContinuousClock.Instant)
    }

    private let current = Mutex(State.unknown)

    var state: State { current.withLock { $0 } }

    /// Takes note of a commit that went through.
    ///
    /// After a failure it says little: what is small may find room where the rest does not.
    func noteStored() {
        current.withLock { state in
            if case .unknown = state { state = .stored }
        }
    }

    /// Takes note of a trial that went well.
    func noteRoom() { current.withLock { $0 = .stored } }

    /// Takes note of a failure that lies in the disk or in another process, and of no other.
    func noteFailure(_ error: StoreError) {
        guard error.isRetryable else { return }
        current.withLock { $0 = .failed(error, at: .now) }
    }
}

extension SQLiteStore {
    /// How much room a disk must have that is not called full.
    private static let trialBytes: Int64 = 1 << 20
    /// How long the answer of a trial holds that failed.
    private static let restAfterFailure = Duration.milliseconds(500)

    /// While commits fail, it is tried whether they would again: by pages that are written to the write-ahead log and
    /// taken back, and by a commit that changes nothing.
    package func writeFault() async -> StoreError? {
        switch writeHealth.state {
        case .stored: return nil
        case .failed(let error, let time) where time.duration(to: .now) < Self.restAfterFailure: return error
        case .unknown, .failed: break
        }
        do throws(StoreError) {
            try await write { [writeHealth] writer, db throws(StoreError) in
                do throws(StoreError) {
                    try SQLiteStore.tryRoom(writer, db)
                    try writer.inTransaction(db) { _ throws(StoreError) in
                        let mark = Int32(try SQLiteStore.setting("user_version", of: db)) ?? 0
                        try SQLiteStore.write(keyMark: mark, db)
                    }
                    writeHealth.noteRoom()
                } catch {
                    writeHealth.noteFailure(error)
                    throw error
                }
            }
            return nil
        } catch {
            return error
        }
    }

    /// Writes pages to the write-ahead log, and takes them back.
    ///
    /// Pages leave the cache before the end of a transaction only where it is too small for them.
    private static func tryRoom(_ writer: SQLiteWriter, _ db: Database) throws(StoreError) {
        let cacheSize = try setting("cache_size", of: db)
        try PreparedStatement("PRAGMA cache_size = 1", in: db).run()
        defer { _ = try? PreparedStatement("PRAGMA cache_size = \(cacheSize)", in: db).run() }
        do throws(StoreError) {
            try writer.inTransaction(db) { _ throws(StoreError) in
                let statement = try PreparedStatement(Statements.insertTrial, in: db)
                try statement.bind(1, trialBytes)
                try statement.run()
                throw StoreError.trialEnds
            }
        } catch {
            if error != .trialEnds { throw error }
        }
    }
}

extension StoreError {
    /// Ends a transaction that was only a trial.
    fileprivate static var trialEnds: StoreError { StoreError(.conflict, "The trial is over.") }
}
