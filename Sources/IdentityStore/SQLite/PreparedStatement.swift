import GRDB
import GRDBSQLite

/// A prepared statement that is stepped through SQLite's C interface: no value is boxed on the way.
///
/// To be used on the queue of its connection only. Everything bound by pointer must stay where it is until the step.
struct PreparedStatement {
    private let statement: Statement
    private let pointer: OpaquePointer

    /// Prepares a statement for as long as this value lives.
    init(_ sql: String, in db: Database) throws(StoreError) {
        do {
            statement = try db.makeStatement(sql: sql)
        } catch {
            throw StoreError(sqlite: error)
        }
        pointer = statement.sqliteStatement
    }

    /// Takes a statement from the connection's own cache, or prepares it there.
    init(cached sql: String, in db: Database) throws(StoreError) {
        do {
            statement = try db.cachedStatement(sql: sql)
        } catch {
            throw StoreError(sqlite: error)
        }
        pointer = statement.sqliteStatement
    }

    func bind(_ place: Int32, _ value: Int64) throws(StoreError) {
        try check(sqlite3_bind_int64(pointer, place, value))
    }

    func bind(_ place: Int32, _ value: Bool) throws(StoreError) { try bind(place, value ? 1 : 0) }

    func bindNull(_ place: Int32) throws(StoreError) { try check(sqlite3_bind_null(pointer, place)) }

    /// Binds bytes where they are: they are read at the step.
    func bind(_ place: Int32, inPlace bytes: UnsafeRawBufferPointer) throws(StoreError) {
        // A null pointer, which an empty buffer may have, would bind NULL.
        guard let base = bytes.baseAddress, !bytes.isEmpty else {
            return try check(sqlite3_bind_zeroblob(pointer, place, 0))
        }
        try check(sqlite3_bind_blob64(pointer, place, base, UInt64(bytes.count), nil))
    }

    func bind(_ place: Int32, _ bytes: [UInt8]) throws(StoreError) {
        if bytes.isEmpty { return try check(sqlite3_bind_zeroblob(pointer, place, 0)) }
        try check(sqlite3_bind_blob64(pointer, place, bytes, UInt64(bytes.count), PreparedStatement.copies))
    }

    func bind(_ place: Int32, _ text: String) throws(StoreError) {
        try check(sqlite3_bind_text(pointer, place, text, Int32(text.utf8.count), PreparedStatement.copies))
    }

    /// Goes to the next row.
    ///
    /// - Returns: whether there is one. After the last, and after a failure, the statement is reset.
    func step() throws(StoreError) -> Bool {
        let code = sqlite3_step(pointer)
        if code == SQLITE_ROW { return true }
        guard code == SQLITE_DONE else {
            let failure = failure(code)
            sqlite3_reset(pointer)
            throw failure
        }
        sqlite3_reset(pointer)
        return false
    }

    /// Runs a statement that gives no row that is wanted.
    func run() throws(StoreError) {
        if try step() { reset() }
    }

    /// Ends the reading of rows before the last.
    func reset() { sqlite3_reset(pointer) }

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(pointer, column) }

    func isTrue(_ column: Int32) -> Bool { integer(column) != 0 }

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(pointer, column) == SQLITE_NULL }

    func isInteger(_ column: Int32) -> Bool { sqlite3_column_type(pointer, column) == SQLITE_INTEGER }

    func isBlob(_ column: Int32) -> Bool { sqlite3_column_type(pointer, column) == SQLITE_BLOB }

    /// The bytes of a value; none where it is NULL.
    func bytes(_ column: Int32) -> [UInt8] {
        guard let base = sqlite3_column_blob(pointer, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: base, count: Int(sqlite3_column_bytes(pointer, column))))
    }

    /// The bytes of a value where they are, until the next step; none where it is NULL.
    func bytesInPlace(_ column: Int32) -> UnsafeRawBufferPointer {
        guard let base = sqlite3_column_blob(pointer, column) else {
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return UnsafeRawBufferPointer(start: base, count: Int(sqlite3_column_bytes(pointer, column)))
    }

    func byteCount(_ column: Int32) -> Int { Int(sqlite3_column_bytes(pointer, column)) }

    func text(_ column: Int32) -> String { String(decoding: bytes(column), as: UTF8.self) }

    /// Two big-endian numbers of eight bytes; nil where the value is of another length or type.
    func halves(_ column: Int32) -> (high: UInt64, low: UInt64)? {
        guard isBlob(column), let base = sqlite3_column_blob(pointer, column), byteCount(column) == 16 else {
            return nil
        }
        let high = base.loadUnaligned(as: UInt64.self)
        let low = base.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        return (UInt64(bigEndian: high), UInt64(bigEndian: low))
    }

    private func check(_ code: Int32) throws(StoreError) {
        guard code == SQLITE_OK else { throw failure(code) }
    }

    private func failure(_ code: Int32) -> StoreError {
        StoreError(sqliteCode: code, message: String(cString: sqlite3_errmsg(sqlite3_db_handle(pointer))))
    }

    /// What tells SQLite to copy what is bound: `SQLITE_TRANSIENT`, a macro that Swift does not import.
    private static var copies: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }
}

extension [UInt8] {
    /// `withUnsafeBytes`, for a body that throws a type.
    func withBytes<Value, Failure>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        try withUnsafeBufferPointer { bytes throws(Failure) in try body(UnsafeRawBufferPointer(bytes)) }
    }
}
