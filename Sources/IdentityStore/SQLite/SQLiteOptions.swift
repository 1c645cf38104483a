/// How a SQLite store uses its file.
///
/// The defaults are for a server.
package struct SQLiteOptions: Sendable {
    /// When SQLite waits for the disk.
    ///
    /// The raw value is what `PRAGMA synchronous` answers.
    package enum Synchronous: Int64, Sendable {
        /// Only at checkpoints: a loss of power takes the last commits away. For measurements and proofs, never to
        /// serve.
        case normal = 1
        /// At every commit.
        case full = 2
    }

    /// What a process may do with the file.
    package enum Access: Sendable {
        /// The process has the lock of the data directory: it makes the file, brings its tables up to date, and folds
        /// the write-ahead log into it.
        case owning
        /// Commits beside whoever has the lock: tables of another version are refused, and the write-ahead log is left
        /// to them.
        case writing
        /// Reads beside whoever has the lock, and writes nothing.
        case reading
    }

    /// What the process may do.
    package var access: Access = .owning
    /// What an acknowledged commit survives.
    package var synchronous: Synchronous = .full
    /// The most reads at one time; others wait.
    package var readerCount = 4
    /// The most reads that wait for a connection.
    ///
    /// A read beyond them throws `busy`.
    package var waitingReadLimit = 10_000
    /// Pages that the writing connection keeps in memory.
    package var writerCacheSizeBytes = 64 << 20
    /// Pages that each reading connection keeps in memory.
    package var readerCacheSizeBytes = 4 << 20
    /// Pages in the write-ahead log at which a commit folds it into the file.
    package var checkpointPages = 4_000
    /// The same of a process that owns the file; others leave that to it.
    var foldedPages: Int { access == .owning ? checkpointPages : 0 }
    /// Pages that are cleared of deleted values at a time, while commits wait.
    package var erasurePages = 1_024
    /// The size to which the write-ahead log's file is cut after it was folded in.
    package var journalSizeLimitBytes = 64 << 20
    /// How long to wait for a lock of another process before `StoreError.busy`.
    ///
    /// Longer than a command beside a server holds it, for the largest unmerge too: what comes in meanwhile waits, and
    /// does not fail.
    package var busyTimeoutMilliseconds = 20_000
    /// How events are kept to be found by id.
    package var postings = Postings()
    /// The most pages of 8 kB that the file may have; nil is SQLite's own limit.
    ///
    /// A commit beyond it throws `full`.
    package var maxPageCount: Int?

    /// The defaults.
    package init() {}
}

extension SQLiteOptions {
    /// When open arrivals of a project are closed into a run, and how runs are merged (decision 0008).
    ///
    /// Other values than the defaults are for tests.
    package struct Postings: Sendable {
        /// Rows of `arrivals` that are closed into a run together.
        package var openRowLimit = 1_024
        /// Records at which fewer rows are closed.
        package var openRecordLimit = 16_384
        /// Records of a block: as many as take up two pages.
        package var blockRecords = 510
        /// Runs of one level that are merged into one of the next.
        package var runsPerMerge = 16
        /// The least number of blocks that a commit merges, where there is something to merge.
        package var stepBlocks = 4

        /// The defaults.
        package init() {}
    }
}
