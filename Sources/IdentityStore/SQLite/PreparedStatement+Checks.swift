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
    /// - Throws: `StoreError.corrupt` where it is outside of the range.
    func number(
        _ column: Int32, in range: Range<Int64>, of table: String, _ key: Int32
    ) throws(StoreError) -> Int64 {
        let number = integer(column)
        guard range.contains(number) else { throw .unreadable(table, integer(key)) }
        return number
    }

    /// An id, which is text of at least a byte.
    func distinctID(_ column: Int32, of table: String, _ key: Int32) throws(StoreError) -> DistinctID {
        let bytes = bytes(column)
        guard !bytes.isEmpty, bytes.isUTF8 else { throw .unreadable(table, integer(key)) }
        return DistinctID(bytes)
    }

    /// A number that an enumeration may have as its raw value; nil for any other.
    func byte(_ column: Int32) -> UInt8? { UInt8(exactly: integer(column)) }
}

extension [UInt8] {
    /// Whether the bytes are a text.
    var isUTF8: Bool { allSatisfy { $0 < 0x80 } || String(validating: self, as: UTF8.self) != nil }
}
