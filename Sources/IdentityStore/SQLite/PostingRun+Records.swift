import GRDB
import IdentityEngine

/// Goes through the records of a run in their order.
struct PostingCursor {
    private let run: Int64
    private var fence: PostingFence?
    private var records: [Arrival] = []
    private var place = 0

    /// Begins with the first record after one, or with the very first.
    init(of run: Int64, after last: Arrival?, _ db: Database) throws(StoreError) {
        self.run = run
        // Several blocks may begin with one id and time: the one before the first of them is where to begin.
        let below = try last.map { last throws(StoreError) in
            try PostingFence.last(of: run, below: last.filedHash, last.key.timeMilliseconds, -1, db)
        }
        fence = below ?? nil
        if let fence { records = try fence.records(db) } else { try loadNext(db) }
        guard let last else { return }
        while let current, current <= last {
            place = records.partitioningIndex { $0 > last }
            if place == records.count { try loadNext(db) }
        }
    }

    /// The record that it stands at; nil at the end.
    var current: Arrival? { place < records.count ? records[place] : nil }

    mutating func advance(_ db: Database) throws(StoreError) {
        place += 1
        if place >= records.count { try loadNext(db) }
    }

    private mutating func loadNext(_ db: Database) throws(StoreError) {
        place = 0
        records = []
        guard let next = try PostingFence.all(of: run, after: fence, limit: 1, db).first else { return }
        fence = next
        records = try next.records(db)
    }
}

/// Writes the records of a run in their order, in blocks.
struct PostingWriter {
    private let run: Int64
    private let blockRecords: Int
    private var ordinal: Int64 = 0
    private var pending: [Arrival] = []
    /// The record that was written last.
    private(set) var last: Arrival?

    /// Goes on after what a run has.
    init(of run: Int64, blockRecords: Int, _ db: Database) throws(StoreError) {
        self.run = run
        self.blockRecords = blockRecords
        guard let fence = try PostingFence.last(of: run, below: .max, .max, .max, db) else { return }
        ordinal = fence.ordinal + 1
        last = try fence.records(db).last
    }

    /// Writes a record, unless it is the last one again.
    ///
    /// - Returns: whether it was written.
    mutating func append(_ record: Arrival, _ db: Database) throws(StoreError) -> Bool {
        if record == last { return false }
        last = record
        pending.append(record)
        if pending.count == blockRecords { try flush(db) }
        return true
    }

    /// Writes what does not fill a block.
    mutating func flush(_ db: Database) throws(StoreError) {
        guard !pending.isEmpty else { return }
        try PostingFence.insert(pending, ordinal, to: run, db)
        ordinal += 1
        pending.removeAll(keepingCapacity: true)
    }
}
