import IdentityEngine

/// What `arrivals`, and the blocks of runs, say of one event: 32 bytes, all numbers big-endian.
///
/// In a run they are in this order: by id, of one id by time.
struct Arrival: Hashable, Comparable, Sendable {
    static let sizeBytes = 32

    /// The first eight bytes of the stable hash of the id that it was filed under when it came.
    let filedHash: UInt64
    let key: EventKey

    init(filedHash: UInt64, key: EventKey) {
        self.filedHash = filedHash
        self.key = key
    }

    init(_ packed: UnsafeRawBufferPointer, at place: Int) {
        func number(_ index: Int) -> UInt64 {
            UInt64(bigEndian: packed.loadUnaligned(fromByteOffset: place + 8 * index, as: UInt64.self))
        }
        filedHash = number(0)
        key = EventKey(
            timeMilliseconds: Int64(bitPattern: number(1)), hashHigh: number(2), hashLow: number(3))
    }

    init(of event: StoredEvent) {
        filedHash = event.filedID.withUnsafeBytes { DeletedIDs.hash(of: $0) }
        key = event.key
    }

    init(_ key: EventKey, filedID: UnsafeRawBufferPointer) {
        filedHash = DeletedIDs.hash(of: filedID)
        self.key = key
    }

    func append(to packed: inout [UInt8]) {
        let record = (
            filedHash.bigEndian, key.timeMilliseconds.bigEndian, key.hashHigh.bigEndian, key.hashLow.bigEndian
        )
        withUnsafeBytes(of: record) { packed.append(contentsOf: $0) }
    }

    static func < (a: Arrival, b: Arrival) -> Bool {
        a.filedHash == b.filedHash ? a.key < b.key : a.filedHash < b.filedHash
    }
}

extension PreparedStatement {
    /// The records of a value of `arrivals.packed` or `posting_block.records`.
    ///
    /// - Throws: `StoreError.corrupt` where it is cut off, or is none.
    func arrivals(_ column: Int32, of table: String, _ row: Int64) throws(StoreError) -> [Arrival] {
        let packed = bytesInPlace(column)
        guard !packed.isEmpty, packed.count % Arrival.sizeBytes == 0 else { throw .unreadable(table, row) }
        return stride(from: 0, to: packed.count, by: Arrival.sizeBytes).map { Arrival(packed, at: $0) }
    }
}

extension [Arrival] {
    /// The bytes of all of them.
    var packed: [UInt8] {
        var packed: [UInt8] = []
        packed.reserveCapacity(count * Arrival.sizeBytes)
        for arrival in self { arrival.append(to: &packed) }
        return packed
    }
}
