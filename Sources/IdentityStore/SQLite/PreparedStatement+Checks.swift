import IdentityEngine

/// Values that are checked as they are read: a row that no store writes is damaged.
extension PreparedStatement {
    /// A number in a range.
    ///
    /// - Parameters:
    ///   - column: the number's column.
    ///   - range: what the store writes.
    ///   - table: the row's table.
    ///   - key: the column that tells the row from others.
    /// - Returns: the number.
    /// - Throws: `StoreError.corrupt` where it is outside of the range, or no number: SQLite has its own order of
    ///   values of several types, in which a page would never come behind the one before.
    func number(
        _ column: Int32, in range: Range<Int64>, of table: String, _ key: Int32
    ) throws(StoreError) -> Int64 {
        let number = try number(column, of: table, key)
        guard range.contains(number) else { throw .unreadable(table, integer(key)) }
        return number
    }

    /// Any number.
    func number(_ column: Int32, of table: String, _ key: Int32) throws(StoreError) -> Int64 {
        guard isInteger(column) else { throw .unreadable(table, integer(key)) }
        return integer(column)
    }

    /// A sequence, a key or a size.
    func counted(_ column: Int32, of table: String, _ key: Int32) throws(StoreError) -> Int64 {
        try number(column, in: StoredNumber.counted, of: table, key)
    }

    /// What `Statements.leastEntryTime` says.
    ///
    /// Times never go back: nothing that comes after a time that no clock comes to could be told from it any more.
    func leastEntryMilliseconds() throws(StoreError) -> Int64 {
        guard isInteger(0), integer(0) <= StoredNumber.latestMilliseconds else {
            throw .damaged("table log, the last time")
        }
        return integer(0)
    }

    /// An id, which is text of at least a byte.
    func distinctID(_ column: Int32, of table: String, _ key: Int32) throws(StoreError) -> DistinctID {
        let bytes = bytes(column)
        guard isBlob(column), !bytes.isEmpty, bytes.isUTF8 else { throw .unreadable(table, integer(key)) }
        return DistinctID(bytes)
    }

    /// A number that an enumeration may have as its raw value; nil for any other.
    func byte(_ column: Int32) -> UInt8? { UInt8(exactly: integer(column)) }
}

extension [UInt8] {
    /// Whether the bytes are a text.
    var isUTF8: Bool { allSatisfy { $0 < 0x80 } || String(validating: self, as: UTF8.self) != nil }
}
