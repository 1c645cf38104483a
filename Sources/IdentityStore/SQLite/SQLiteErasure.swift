import GRDB
import GRDBSQLite

/// Takes what was deleted out of the store's files.
///
/// `secure_delete` overwrites a row where it stands, but not the copies that SQLite leaves behind in the unused middle
/// of a page when it moves rows to another page (decision 0007 has the measure). And the write-ahead log holds earlier
/// states of pages until it is cut off. So every page's unused parts are overwritten with zeros in the file itself,
/// which changes nothing that SQLite ever reads, and the log is folded in and cut off.
///
/// It goes over the file in steps on the writing connection's queue, so that commits go on between them. Nobody else
/// writes to the file (`DataDirectoryLock`). What commits change in the meantime is known from the write-ahead log,
/// whose folding-in is left to the steps until the end; the connection's own copies of pages are given up after each
/// step.
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
        let changed = try changedPages()
        let isFolded = try fold(SQLITE_CHECKPOINT_FULL, options)
        guard isFolded else { return .busy }
        let count = try file.sizeBytes() / pageSize
        guard count < Self.pageCountLimit else {
            throw StoreError(
                .unexpected,
                "The store is too large for deleted values to be taken out of its pages. "
                    + "Stop the server and run VACUUM on its file.")
        }
        for page in changed where page <= count { try clear(pages: page..<(page + 1)) }
        let end = min(first + options.erasurePages, count + 1)
        if first < end { try clear(pages: first..<end) }
        try forget()
        if end <= count { return .next(page: end) }
        // The last step: nothing has changed since the folding-in above, so that the log can be cut off.
        guard try fold(SQLITE_CHECKPOINT_TRUNCATE, options) else { return .busy }
        try file.sync()
        SQLiteErasure.end(db, options)
        return .done
    }

    /// Leaves the folding-in of the write-ahead log to commits again.
    static func end(_ db: Database, _ options: SQLiteOptions) {
        sqlite3_wal_autocheckpoint(db.sqliteConnection, Int32(options.checkpointPages))
    }

    /// Gives up the connection's copies of pages, which may still have what was cleared in the file.
    private func forget() throws(StoreError) {
        guard sqlite3_db_release_memory(db.sqliteConnection) == SQLITE_OK else {
            throw StoreError(.unexpected, "The store's memory of its pages could not be given up.")
        }
    }

    /// Folds the write-ahead log into the file, all of it.
    ///
    /// - Returns: false where reads that began earlier need what the file has now.
    private func fold(_ mode: Int32, _ options: SQLiteOptions) throws(StoreError) -> Bool {
        sqlite3_busy_timeout(db.sqliteConnection, Self.waitMilliseconds)
        defer { sqlite3_busy_timeout(db.sqliteConnection, Int32(options.busyTimeoutMilliseconds)) }
        var frames: Int32 = 0
        var folded: Int32 = 0
        let code = sqlite3_wal_checkpoint_v2(db.sqliteConnection, nil, mode, &frames, &folded)
        if code == SQLITE_BUSY || code == SQLITE_LOCKED { return false }
        guard code == SQLITE_OK else {
            throw StoreError(sqliteCode: code, message: String(cString: sqlite3_errmsg(db.sqliteConnection)))
        }
        return frames == folded
    }

    /// The pages that the write-ahead log has, or had since it was cut off: at least those changed since the last step.
    private func changedPages() throws(StoreError) -> Set<Int> {
        let log = try DatabaseFile(SQLITE_FCNTL_JOURNAL_POINTER, of: db)
        let size = try log.sizeBytes()
        guard size >= 32 else { return [] }
        let head = try log.read(32, at: 0)
        var pages: Set<Int> = []
        for start in stride(from: 32, through: size - 24, by: 24 + pageSize) {
            let frame = try log.read(16, at: start)
            guard frame[8..<16] == head[16..<24] else { break }
            pages.insert(frame[0..<4].reduce(0) { $0 << 8 | Int($1) })
        }
        return pages
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

/// How a page of a table or an index is laid out, as SQLite documents its file format (section 1.6).
enum PageLayout {
    /// The parts of a page that hold nothing.
    ///
    /// They lie between the pointers to rows and the first row, and in freed blocks but for what links these.
    ///
    /// - Parameters:
    ///   - page: the page.
    ///   - header: where the page's own header begins.
    /// - Returns: the parts; none for a page of another kind, or one that contradicts itself.
    static func unused(of page: [UInt8], header: Int) -> [Range<Int>] {
        func number(_ place: Int) -> Int { Int(page[place]) << 8 | Int(page[place + 1]) }
        guard let kind = page.dropFirst(header).first, [2, 5, 10, 13].contains(kind) else { return [] }
        let pointers = header + (kind < 10 ? 12 : 8)
        let gapStart = pointers + 2 * number(header + 3)
        let gapEnd = number(header + 5) == 0 ? 65_536 : number(header + 5)
        guard gapStart <= gapEnd, gapEnd <= page.count else { return [] }
        var unused = gapStart < gapEnd ? [gapStart..<gapEnd] : []
        var block = number(header + 1)
        var last = gapEnd - 1
        while block != 0 {
            // Blocks come in the order of their places, among the rows.
            guard block > last, block + 4 <= page.count else { return [] }
            let end = block + number(block + 2)
            guard end >= block + 4, end <= page.count else { return [] }
            if end > block + 4 { unused.append(block + 4..<end) }
            last = end - 1
            block = number(block)
        }
        return unused
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
