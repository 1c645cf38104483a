import GRDB
import IdentityEngine

/// Finds the events that are filed under some ids, newest first (decision 0008).
struct SQLiteActivity {
    /// Keys that are looked for at a time where events are only counted.
    private static let countingPage = 1_000

    private let db: Database
    private let project: ProjectID
    private let ids: Set<DistinctID>
    private let hashes: Set<UInt64>
    /// The same, in the order of runs.
    private let sortedHashes: [UInt64]

    init(of ids: [DistinctID], in project: ProjectID, _ db: Database) {
        self.db = db
        self.project = project
        self.ids = Set(ids)
        hashes = Set(self.ids.map { id in id.bytes.withUnsafeBytes { DeletedIDs.hash(of: $0) } })
        sortedHashes = hashes.sorted()
    }

    /// The events before a key, newest first.
    ///
    /// A record may name an event that is gone, or that a later copy filed under another id: each event is asked.
    func events(
        before key: EventKey, limit: Int, sizeLimitBytes: Int
    ) throws(StoreError) -> [StoredEvent] {
        let statement = try PreparedStatement(cached: Statements.event, in: db)
        var page: [StoredEvent] = []
        var sizeBytes = 0
        var before = key
        while page.count < limit {
            let keys = try newestKeys(before: before, limit: limit - page.count)
            for key in keys {
                try statement.bind(key, of: project, from: 1)
                guard let event = try statement.first({ row throws(StoreError) in try row.event() }),
                    ids.contains(DistinctID(event.filedID))
                else { continue }
                page.append(event)
                sizeBytes += event.properties.count
                if sizeBytes >= sizeLimitBytes { return page }
            }
            guard let last = keys.last else { break }
            before = last
        }
        return page
    }

    /// How many events there are, counted up to a limit.
    func count(limit: Int) throws(StoreError) -> Int {
        let statement = try PreparedStatement(cached: Statements.eventIDs, in: db)
        var count = 0
        var before = EventKey.last
        while count < limit {
            let keys = try newestKeys(before: before, limit: min(Self.countingPage, limit - count))
            for key in keys {
                try statement.bind(key, of: project, from: 1)
                let filedID = try statement.first { $0.isNull(1) ? $0.bytes(0) : $0.bytes(1) }
                if let filedID, ids.contains(DistinctID(filedID)) { count += 1 }
            }
            guard let last = keys.last else { break }
            before = last
        }
        return count
    }

    /// The greatest keys of records of the ids before a key, greatest first, each once.
    private func newestKeys(before key: EventKey, limit: Int) throws(StoreError) -> [EventKey] {
        var newest = NewestKeys(limit: limit)
        try gatherOpen(before: key, &newest)
        // Those with the latest events first: what they have spares looking into the others.
        let runs = try PostingRun.all(of: project, in: .live, db)
        for run in runs.sorted(by: { $0.greatestMilliseconds > $1.greatestMilliseconds })
        where run.leastMilliseconds <= key.timeMilliseconds && newest.mayTake(run.greatestMilliseconds) {
            try gather(run.number, before: key, &newest)
        }
        return newest.keys
    }

    /// Goes through the open rows, which are in no order.
    private func gatherOpen(before key: EventKey, _ newest: inout NewestKeys) throws(StoreError) {
        let rows = try PreparedStatement(cached: Statements.arrivalsAfter, in: db)
        defer { rows.reset() }
        try rows.bind(1, project.rawValue)
        try rows.bind(2, 0)
        while try rows.step() {
            for record in try rows.arrivals(1, of: "arrivals", rows.integer(0))
            where hashes.contains(record.filedHash) && record.key < key { _ = newest.take(record.key) }
        }
    }

    /// Goes back from the last record of each id before the key, as far as there is something new in it.
    private func gather(_ run: Int64, before key: EventKey, _ newest: inout NewestKeys) throws(StoreError) {
        var block: (fence: PostingFence, records: [Arrival])?
        for hash in sortedHashes {
            // Where the last id's block goes on beyond this id, all that this one has is there.
            if let known = block, let last = known.records.last, known.fence.firstHash < hash, hash < last.filedHash {
                gather(hash, before: key, known.records, &newest)
                continue
            }
            var fence = try PostingFence.last(of: run, below: hash, key.timeMilliseconds, .max, db)
            while let found = fence {
                let records = try found.records(db)
                block = (found, records)
                guard gather(hash, before: key, records, &newest) else { break }
                fence = try found.previous(db)
            }
        }
    }

    /// Takes what one block has of an id.
    ///
    /// - Returns: whether the block before may have more.
    @discardableResult
    private func gather(
        _ hash: UInt64, before key: EventKey, _ records: [Arrival], _ newest: inout NewestKeys
    ) -> Bool {
        let bound = Arrival(filedHash: hash, key: key)
        var place = records.partitioningIndex { $0 >= bound }
        while place > 0 {
            place -= 1
            guard records[place].filedHash == hash, newest.take(records[place].key) else { return false }
        }
        return true
    }
}

extension SQLiteSnapshot {
    func activity(
        of ids: [DistinctID], in project: ProjectID, before key: EventKey, limit: Int, sizeLimitBytes: Int
    ) throws(StoreError) -> [StoredEvent] {
        try SQLiteActivity(of: ids, in: project, db).events(
            before: key, limit: limit, sizeLimitBytes: sizeLimitBytes)
    }

    func eventCount(filedUnder id: DistinctID, in project: ProjectID, limit: Int) throws(StoreError) -> Int {
        try SQLiteActivity(of: [id], in: project, db).count(limit: limit)
    }
}

/// The greatest of many keys, each once.
private struct NewestKeys {
    private let limit: Int
    private var taken: [EventKey] = []
    /// As many as are wanted are greater than it, or it itself is the least of them.
    private var floor: EventKey?

    init(limit: Int) { self.limit = limit }

    /// The greatest keys, greatest first.
    var keys: [EventKey] {
        var whole = self
        whole.settle()
        return whole.taken
    }

    /// Whether a key of a time, or before it, may be among the greatest.
    func mayTake(_ timeMilliseconds: Int64) -> Bool { floor.map { $0.timeMilliseconds <= timeMilliseconds } ?? true }

    /// Takes a key.
    ///
    /// - Returns: whether a lesser one may still be among the greatest.
    mutating func take(_ key: EventKey) -> Bool {
        if let floor, key <= floor { return false }
        taken.append(key)
        if taken.count / 2 >= limit { settle() }
        return true
    }

    private mutating func settle() {
        taken.sort(by: >)
        var kept: [EventKey] = []
        for key in taken where key != kept.last {
            kept.append(key)
            if kept.count == limit {
                floor = key
                break
            }
        }
        taken = kept
    }
}
