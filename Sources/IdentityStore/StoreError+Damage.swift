import IdentityEngine

/// What is stored contradicts itself: the request that meets it fails, and no other.
extension StoreError {
    /// Rows that contradict each other; the cause says where, for the log.
    static func damaged(_ cause: String) -> StoreError {
        StoreError(
            .corrupt,
            "What the store has of this contradicts itself. Restore it from a backup; `selfsame verify` says where.",
            cause: cause)
    }

    /// Nodes that contradict each other.
    static func damaged(_ fault: NodeFault) -> StoreError { damaged("table identity: \(fault)") }

    /// A row that no version has written, told from others of its table by its key, its sequence or its time.
    static func unreadable(_ table: String, _ row: Int64) -> StoreError {
        StoreError(
            .corrupt,
            "A row of the store says what this version does not know. Restore it from a backup.",
            cause: "table \(table), row \(row)")
    }
}

/// Numbers that a store gives: keys, sequences, places and counts.
enum StoredNumber {
    /// They stay below it: far beyond what a store comes to, and so far below what 64 bits hold that sums of two, and
    /// the places made of sequences (`Node.order`, `Node.rank`), need no look at overflow.
    static let limit: Int64 = 1 << 58

    /// A sequence, a key or a size.
    static let counted = 1..<limit
    /// The same, where 0 stands for none.
    static let optional = 0..<limit
    /// The last millisecond of the year 9999, which no clock comes to: the last time that a log entry may have.
    static let latestMilliseconds: Int64 = 253_402_300_799_999
}
