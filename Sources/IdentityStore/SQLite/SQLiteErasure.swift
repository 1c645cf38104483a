import GRDB
import GRDBSQLite

/// Takes what was deleted out of the store's files.
///
/// `secure_delete` overwrites a row where it stands, but not the copies that SQLite leaves behind in the unused middle
/// of a page when it moves rows to another page (decision 0007 has the measure). And the write-ahead log holds earlier
/// states of pages until it is cut off. So every page's unused parts are overwritten with zeros in the file itself,
/// which changes nothing that SQLite ever reads, and the log is folded in and cut off.
///
/// It goes over the file in steps on the writing connection's queue, so that commits go on between them. A step keeps
/// everybody from committing, other processes too, folds the log in, and only then looks at pages: from there until it
/// ends nobody else writes to the file, for there is nothing left to fold in. What commits changed since the last step
/// is known from the log, whose folding-in is left to the steps until the end: commands leave it to whoever has the
/// lock of the data directory (`SQLiteOptions.Access`). The connection's own copies of pages are given up after each
/// step; other connections give theirs up at the commit with which an erasure ends.
struct SQLiteErasure {
    /// Beyond it, the first byte of a page would not tell a page of a table from one that carries on a long value.
    private static let pageCountLimit = 1 << 25
    /// How long a step waits for reads that began before the last commit.
    private static let waitMilliseconds: Int32 = 1_000

    private let db: Database
    private let file: DatabaseFile
    private let pageSize: Int

    init(_ db: Database) throws(StoreError) {
        self.db = db
        file = try DatabaseFile(SQLITE_FCNTL_FILE_POINTER, of: db)
        pageSize = Int(try SQLiteStore.setting("page_size", of: db)) ?? Schema.pageSizeBytes
    }

    /// Where an erasure has come to.
    enum Progress: Sendable {
        /// The page to go on with.
        case next(page: Int)
        /// Reads were in the way; the step is to be taken again.
        case busy
        case done
    }

    /// Goes over some pages, and over all that changed since the last step.
    ///
    /// - Parameters:
    ///   - first: the first page of the step, from 1.
    ///   - options: the settings that are in force apart from steps.
    /// - Returns: where to go on.
    /// - Throws: `StoreError`.
    func step(from first: Int, _ options: SQLiteOptions) throws(StoreError) -> Progress {
        sqlite3_wal_autocheckpoint(db.sqliteConnection, 0)
        let checkpointer = try Checkpointer(of: db)
        let step = try withoutCommits(endingWith: Statements.rollback) { () throws(StoreError) -> Step? in
            let log = try log()
            guard try checkpointer.foldAll(withinMilliseconds: Self.waitMilliseconds) else { return nil }
            let count = try file.sizeBytes() / pageSize
            guard count < Self.pageCountLimit else {
                throw StoreError(
                    .unexpected,
                    "The store is too large for deleted values to be taken out of its pages. "
                        + "Stop the server and run VACUUM on its file.")
            }
            for page in log.pages where page <= count { try clear(pages: page..<(page + 1)) }
            let end = min(first + options.erasurePages, count + 1)
            if first < end { try clear(pages: first..<end) }
            return Step(log: log, end: max(first, end), pageCount: count)
        }
        guard let step else { return .busy }
        try forget()
        if step.end <= step.pageCount { return .next(page: step.end) }
        return try finish(step, options)
    }

    /// What a step came to.
    private struct Step {
        /// The log as it was folded in.
        let log: Log
        /// The page after the last that was looked at.
        let end: Int
        let pageCount: Int
    }

    /// Cuts the log off, where nobody has committed since the last step.
    private func finish(_ step: Step, _ options: SQLiteOptions) throws(StoreError) -> Progress {
        let isUnchanged = try withoutCommits(endingWith: Statements.commit) { () throws(StoreError) -> Bool? in
            guard try log() == step.log else { return false }
            // Other connections see that something was committed, and forget the pages that they remember.
            let mark = Int32(try SQLiteStore.setting("user_version", of: db)) ?? 0
            try SQLiteStore.write(keyMark: mark, db)
            return true
        }
        guard let isUnchanged else { return .busy }
        guard isUnchanged else { return .next(page: step.end) }
        guard try cutLog(options) else { return .busy }
        try file.sync()
        SQLiteErasure.end(db, options)
        return .done
    }

    /// Runs a body while nobody can commit.
    ///
    /// - Returns: nil where another process is committing for too long, or where the body gives nil.
    private func withoutCommits<Value>(
        endingWith end: String, _ body: () throws(StoreError) -> Value?
    ) throws(StoreError) -> Value? {
        if db.isInsideTransaction { try PreparedStatement(cached: Statements.rollback, in: db).run() }
        do throws(StoreError) {
            try PreparedStatement(cached: Statements.begin, in: db).run()
        } catch {
            if error.code == .busy { return nil }
            throw error
        }
        do throws(StoreError) {
            let value = try body()
            try PreparedStatement(cached: end, in: db).run()
            return value
        } catch {
            if db.isInsideTransaction { try? PreparedStatement(cached: Statements.rollback, in: db).run() }
            throw error
        }
    }

    /// Leaves the folding-in of the write-ahead log to commits again.
    static func end(_ db: Database, _ options: SQLiteOptions) {
        sqlite3_wal_autocheckpoint(db.sqliteConnection, Int32(options.foldedPages))
    }

    /// Gives up the connection's copies of pages, which may still have what was cleared in the file.
    private func forget() throws(StoreError) {
        guard sqlite3_db_release_memory(db.sqliteConnection) == SQLITE_OK else {
            throw StoreError(.unexpected, "The store's memory of its pages could not be given up.")
        }
    }

    /// Folds the write-ahead log into the file, all of it, and cuts it off.
    ///
    /// - Returns: false where reads that began earlier need what the file has now.
    private func cutLog(_ options: SQLiteOptions) throws(StoreError) -> Bool {
        sqlite3_busy_timeout(db.sqliteConnection, Self.waitMilliseconds)
        defer { sqlite3_busy_timeout(db.sqliteConnection, Int32(options.busyTimeoutMilliseconds)) }
        let code = sqlite3_wal_checkpoint_v2(db.sqliteConnection, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
        if code == SQLITE_BUSY || code == SQLITE_LOCKED { return false }
        guard code == SQLITE_OK else {
            throw StoreError(sqliteCode: code, message: String(cString: sqlite3_errmsg(db.sqliteConnection)))
        }
        return true
    }

    /// The write-ahead log, as far as it tells one state of it from another.
    private struct Log: Equatable {
        /// The file's header and those of its frames, with their checksums.
        var headers: [[UInt8]] = []
        /// The pages that it has, or had since it was cut off: at least those changed since the last step.
        var pages: Set<Int> = []
    }

    private func log() throws(StoreError) -> Log {
        let file = try DatabaseFile(SQLITE_FCNTL_JOURNAL_POINTER, of: db)
        let size = try file.sizeBytes()
        guard size >= 32 else { return Log() }
        let head = try file.read(32, at: 0)
        var log = Log(headers: [head])
        for start in stride(from: 32, through: size - 24, by: 24 + pageSize) {
            let frame = try file.read(24, at: start)
            guard frame[8..<16] == head[16..<24] else { break }
            log.headers.append(frame)
            log.pages.insert(frame[0..<4].reduce(0) { $0 << 8 | Int($1) })
        }
        return log
    }

    /// Overwrites what is unused in some pages.
    private func clear(pages: Range<Int>) throws(StoreError) {
        let start = (pages.lowerBound - 1) * pageSize
        let bytes = try file.read(pages.count * pageSize, at: start)
        for place in stride(from: 0, to: bytes.count, by: pageSize) {
            let page = bytes[place..<(place + pageSize)]
            // The first page begins with the file's own header.
            let unused = PageLayout.unused(of: Array(page), header: start + place == 0 ? 100 : 0)
            for range in unused where page.dropFirst(range.lowerBound).prefix(range.count).contains(where: { $0 != 0 })
            {
                try file.write([UInt8](repeating: 0, count: range.count), at: start + place + range.lowerBound)
            }
        }
    }
}

/// A connection of its own that folds the write-ahead log in while another one keeps commits away, which cannot do it
/// itself.
private final class Checkpointer {
    private var connection: OpaquePointer?

    init(of db: Database) throws(StoreError) {
        let path = sqlite3_db_filename(db.sqliteConnection, "main")
        var code = sqlite3_open_v2(path, &connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nil)
        // It looks for the log at its first read.
        if code == SQLITE_OK { code = sqlite3_exec(connection, "SELECT count(*) FROM sqlite_master", nil, nil, nil) }
        try check(code)
    }

    deinit { sqlite3_close(connection) }

    /// - Returns: false where reads that began earlier, or another process, kept it from the end for so long.
    func foldAll(withinMilliseconds limit: Int32) throws(StoreError) -> Bool {
        let deadline = ContinuousClock.now.advanced(by: .milliseconds(Int64(limit)))
        repeat {
            var frames: Int32 = 0
            var folded: Int32 = 0
            let code = sqlite3_wal_checkpoint_v2(connection, nil, SQLITE_CHECKPOINT_PASSIVE, &frames, &folded)
            if code != SQLITE_BUSY, code != SQLITE_LOCKED {
                try check(code)
                if frames == folded { return true }
            }
            sqlite3_sleep(5)
        } while ContinuousClock.now < deadline
        return false
    }

    private func check(_ code: Int32) throws(StoreError) {
        guard code == SQLITE_OK else {
            throw StoreError(sqliteCode: code, message: String(cString: sqlite3_errmsg(connection)))
        }
    }
}

/// A file of a database, through SQLite's own hold of it: opening it anew would take SQLite's locks away on closing.
private struct DatabaseFile {
    private let file: UnsafeMutablePointer<sqlite3_file>
    private let methods: sqlite3_io_methods

    init(_ which: Int32, of db: Database) throws(StoreError) {
        var pointer: UnsafeMutablePointer<sqlite3_file>?
        let code = sqlite3_file_control(db.sqliteConnection, "main", which, &pointer)
        guard code == SQLITE_OK, let pointer, let methods = pointer.pointee.pMethods else {
            throw StoreError(
                .unexpected, "The store's file cannot be reached.", cause: "file control \(which): \(code)")
        }
        file = pointer
        self.methods = methods.pointee
    }

    func sizeBytes() throws(StoreError) -> Int {
        var size: Int64 = 0
        try check(methods.xFileSize(file, &size))
        return Int(size)
    }

    func read(_ count: Int, at place: Int) throws(StoreError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try check(bytes.withUnsafeMutableBytes { methods.xRead(file, $0.baseAddress, Int32(count), Int64(place)) })
        return bytes
    }

    func write(_ bytes: [UInt8], at place: Int) throws(StoreError) {
        try check(bytes.withUnsafeBytes { methods.xWrite(file, $0.baseAddress, Int32(bytes.count), Int64(place)) })
    }

    func sync() throws(StoreError) { try check(methods.xSync(file, SQLITE_SYNC_NORMAL)) }

    private func check(_ code: Int32) throws(StoreError) {
        guard code == SQLITE_OK else { throw StoreError(sqliteCode: code, message: "while deleted values were erased") }
    }
}
