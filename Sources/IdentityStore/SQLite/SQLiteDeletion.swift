import GRDB
import IdentityEngine

/// A deletion that runs: which ids go, and how far it has come.
///
/// Every event is in an open row of `arrivals` or in a live run, at each moment. Looking goes through the runs, and
/// then through the rows in the order of commits. What is closed into a run or merged into another meanwhile is in a
/// run that was not looked at yet: so nothing is missed, and some things are looked at again. Looking is done on a
/// reading connection; the writing one only changes what was found, where it still is. Nothing but the task is kept for
/// after a crash: whoever begins again finds less.
struct SQLiteDeletion: Sendable {
    /// Events, or rows of the log, that are looked at in one read.
    static let lookLimit = 4_000
    /// Records after which a transaction changes no further row or block.
    private static let changeLimit = 4_000

    let project: ProjectID
    /// The members of the clusters that are still to go, as they were when the looking began.
    private(set) var ids = DeletedIDs()
    /// The runs that were looked at to their end, and the last block of the one that is being looked at.
    var lookedRuns: Set<Int64> = []
    var lastFence: PostingFence?
    /// The last row of `arrivals`, and of the log, that was looked at.
    private var lastBatch: Int64 = 0
    private var lastSequence: Int64 = 0
    /// Entries about one id, which `log_node` may not have.
    private var entriesAboutOneID: [(sequence: Int64, id: DistinctID)] = []

    init(of project: ProjectID) { self.project = project }

    /// Adds ids, for whose sake everything has to be looked at again.
    ///
    /// - Returns: whether there are any that were not known.
    mutating func insert(_ added: Set<DistinctID>) -> Bool {
        if added.allSatisfy(ids.contains) { return false }
        ids.insert(added)
        lookedRuns = []
        lastFence = nil
        lastBatch = 0
        lastSequence = 0
        entriesAboutOneID = []
        return true
    }

    /// Leaves out ids whose clusters are gone: what comes for them now is as if they had never been seen.
    mutating func subtract(_ gone: Set<DistinctID>) {
        ids.subtract(gone)
        entriesAboutOneID.removeAll { gone.contains($0.id) }
    }

    /// Where something is to change.
    enum Place: Sendable {
        /// A row of `arrivals`.
        case batch(Int64)
        /// A block of a run.
        case block(PostingFence, of: PostingRun)
    }

    /// What a look found.
    struct Finding: Sendable {
        var places: [Place] = []
        /// Whether there was nothing more to look at.
        var isEnd = false
    }

    /// Looks at what comes next.
    mutating func look(_ db: Database) throws(StoreError) -> Finding {
        try lookAtLog(db)
        var finding = Finding()
        var left = Self.lookLimit
        guard try lookAtRuns(&finding, &left, db) else { return finding }
        let rows = try PreparedStatement(cached: Statements.arrivalsAfter, in: db)
        defer { rows.reset() }
        try rows.bind(1, project.rawValue)
        try rows.bind(2, lastBatch)
        while left > 0 {
            guard try rows.step() else {
                finding.isEnd = true
                break
            }
            lastBatch = rows.integer(0)
            let arrivals = try rows.arrivals(1, of: "arrivals", lastBatch)
            left -= 1 + arrivals.count
            for arrival in arrivals where try isConcerned(arrival, db) {
                finding.places.append(.batch(lastBatch))
                break
            }
        }
        return finding
    }

    /// Changes what looks found, up to a number of records.
    ///
    /// - Returns: how many places were dealt with.
    func change(
        _ places: ArraySlice<Place>, generating hashes: inout GeneratedHashes, _ db: Database
    ) throws(StoreError) -> Int {
        var changed = 0
        var count = 0
        for place in places where changed < Self.changeLimit {
            switch place {
            case .batch(let batch): changed += try change(batch, generating: &hashes, db)
            case .block(let fence, let run): changed += try change(fence, of: run, generating: &hashes, db)
            }
            count += 1
        }
        return count
    }

    private mutating func lookAtLog(_ db: Database) throws(StoreError) {
        let statement = try PreparedStatement(cached: Statements.entriesAboutOneID, in: db)
        while true {
            try statement.bind(1, project.rawValue)
            try statement.bind(2, lastSequence)
            try statement.bind(3, Int64(Self.lookLimit))
            let rows = try statement.all { row throws(StoreError) in
                let sequence = try row.counted(0, of: "log", 0)
                return (sequence: sequence, id: row.isNull(1) ? nil : DistinctID(row.bytes(1)))
            }
            guard let last = rows.last else { return }
            lastSequence = last.sequence
            for row in rows {
                if let id = row.id, ids.contains(id) { entriesAboutOneID.append((row.sequence, id)) }
            }
        }
    }

    /// Whether a record, or its event, may have to change.
    func isConcerned(_ arrival: Arrival, _ db: Database) throws(StoreError) -> Bool {
        if ids.contains(hash: arrival.filedHash) { return true }
        let statement = try PreparedStatement(cached: Statements.eventIDs, in: db)
        try statement.bind(arrival.key, of: project, from: 1)
        defer { statement.reset() }
        guard try statement.step() else { return true }
        let sentID = statement.bytesInPlace(0)
        return ids.concern(
            sentID: sentID, filedID: statement.isNull(1) ? sentID : statement.bytesInPlace(1),
            properties: statement.bytesInPlace(2))
    }

    /// Changes the events of one row of `arrivals`, and the row.
    ///
    /// - Returns: how many records it had; none where it is not there any more, having been closed into a run.
    private func change(
        _ batch: Int64, generating hashes: inout GeneratedHashes, _ db: Database
    ) throws(StoreError) -> Int {
        let statement = try PreparedStatement(cached: Statements.arrivals, in: db)
        try statement.bind(1, batch)
        let found = try statement.first { row throws(StoreError) in try row.arrivals(0, of: "arrivals", batch) }
        guard let arrivals = found else { return 0 }
        var kept: [Arrival] = []
        for arrival in arrivals {
            if let now = try change(arrival, generating: &hashes, db) { kept.append(now) }
        }
        if kept.isEmpty {
            try PreparedStatement(cached: Statements.keepLastBatch, in: db).run()
            let deletion = try PreparedStatement(cached: Statements.deleteArrivals, in: db)
            try deletion.bind(1, batch)
            try deletion.run()
        } else if kept != arrivals {
            let update = try PreparedStatement(cached: Statements.updateArrivals, in: db)
            try update.bind(1, batch)
            try update.bind(2, kept.packed)
            try update.run()
        }
        return arrivals.count
    }

    /// Changes one event.
    ///
    /// - Returns: the record of it from now on; nil where it is not there any more.
    func change(
        _ arrival: Arrival, generating hashes: inout GeneratedHashes, _ db: Database
    ) throws(StoreError) -> Arrival? {
        let statement = try PreparedStatement(cached: Statements.event, in: db)
        try statement.bind(arrival.key, of: project, from: 1)
        guard let event = try statement.first({ row throws(StoreError) in try row.event() }) else { return nil }
        var kept: StoredEvent?
        let entry = event.sequence == 0 ? nil : try SQLiteSnapshot(db).logEntry(event.sequence, in: project)
        switch ids.verdict(on: event, refusal: ids.lostRefusal(of: entry), generating: &hashes) {
        case .keep: kept = event
        case .delete: try delete(arrival.key, db)
        case .replace(let left):
            if left.key != arrival.key { try delete(arrival.key, db) }
            let replacement = try PreparedStatement(cached: Statements.replaceEvent, in: db)
            try replacement.bind(left, of: project)
            try replacement.run()
            kept = left
        }
        guard let kept else { return nil }
        // A copy that came later under another id leaves an entry that still has the hash of the first.
        let isStale = ids.contains(hash: arrival.filedHash) || kept.key != arrival.key
        return isStale ? Arrival(of: kept) : arrival
    }

    private func delete(_ key: EventKey, _ db: Database) throws(StoreError) {
        let deletion = try PreparedStatement(cached: Statements.deleteEvent, in: db)
        try deletion.bind(key, of: project, from: 1)
        try deletion.run()
    }
}

/// Taking a cluster away, once its events are gone.
extension SQLiteDeletion {
    /// Deletes the clusters of some ids as they are now, unless they have members whose events were not looked for.
    ///
    /// What came since the last look is dealt with first, in the same transaction, so that nothing comes between.
    ///
    /// - Returns: the members that are gone; nil where nothing was done, because the clusters have grown or because
    ///   more records than the limit came into runs that were not looked at.
    mutating func deleteClusters(
        of named: [DistinctID], lookingAtMost lookLimit: Int, generating hashes: inout GeneratedHashes, _ db: Database
    ) throws(StoreError) -> Set<DistinctID>? {
        let members = try SQLiteSnapshot(db).members(of: named, in: project)
        guard members.allSatisfy(ids.contains), try runRecordsToLookAt(db) <= lookLimit else { return nil }
        while true {
            let finding = try look(db)
            var rest = finding.places[...]
            while !rest.isEmpty { rest = rest.dropFirst(try change(rest, generating: &hashes, db)) }
            if finding.isEnd { break }
        }
        try PreparedStatement(cached: Statements.keepLastKey, in: db).run()
        var sequences = Set(entriesAboutOneID.lazy.filter { members.contains($0.id) }.map(\.sequence))
        var keys: [NodeKey] = []
        var isParted = false
        for id in members {
            let profile = try PreparedStatement(cached: Statements.deleteProfile, in: db)
            try profile.bind(1, project.rawValue)
            try profile.bind(2, id.bytes)
            try profile.run()
            guard let node = try SQLiteSnapshot(db).node(for: id, in: project) else { continue }
            keys.append(node.key)
            if node.revisedSequence > 0 { isParted = true }
            let statement = try PreparedStatement(cached: Statements.sequencesOfNode, in: db)
            try statement.bind(1, project.rawValue)
            try statement.bind(2, node.key)
            sequences.formUnion(try statement.all { $0.integer(0) })
        }
        // A tombstone has no time of its own, and the last one must not let times go back.
        let time = try SQLiteSnapshot(db).leastEntryMilliseconds(of: project)
        if time > .min { try SQLiteStore.settle(project, atMilliseconds: time - 1, db) }
        for sequence in sequences.sorted() { try run(Statements.buryEntry, sequence, db) }
        if isParted {
            try run(Statements.keepUncertainSequence, try SQLiteSnapshot(db).lastSequence(of: project), db)
        }
        for key in keys {
            try run(Statements.deleteEntryNodes, key, db)
            try run(Statements.deleteLinkStates, key, db)
            try run(Statements.deleteLinksFrom, key, db)
            try run(Statements.deleteLinksTo, key, db)
            try run(Statements.deleteIdentity, key, db)
        }
        try deleteBlocks(of: Set(keys), db)
        return members
    }

    private func deleteBlocks(of keys: Set<NodeKey>, _ db: Database) throws(StoreError) {
        let statement = try PreparedStatement(cached: Statements.blockedPairs, in: db)
        try statement.bind(1, project.rawValue)
        let pairs = try statement.all { NodePair(low: $0.integer(0), high: $0.integer(1)) }
        let deletion = try PreparedStatement(cached: Statements.deleteBlock, in: db)
        for pair in pairs where keys.contains(pair.low) || keys.contains(pair.high) {
            try deletion.bind(pair, of: project)
            try deletion.run()
        }
    }

    /// Runs a statement whose parameters are the project and a number.
    private func run(_ sql: String, _ number: Int64, _ db: Database) throws(StoreError) {
        let statement = try PreparedStatement(cached: sql, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, number)
        try statement.run()
    }
}

extension PreparedStatement {
    /// Binds the project, and the time and the hash of a key.
    func bind(_ key: EventKey, of project: ProjectID, from place: Int32) throws(StoreError) {
        try bind(place, project.rawValue)
        try bind(place + 1, key.timeMilliseconds)
        let hash = (key.hashHigh.bigEndian, key.hashLow.bigEndian)
        try bind(place + 2, withUnsafeBytes(of: hash) { Array($0) })
    }

    /// Binds what makes a row of `event`.
    fileprivate func bind(_ event: StoredEvent, of project: ProjectID) throws(StoreError) {
        try bind(event.key, of: project, from: 1)
        try bind(4, event.name)
        try bind(5, event.sentID)
        if event.filedID == event.sentID { try bindNull(6) } else { try bind(6, event.filedID) }
        if event.insertID.isEmpty { try bindNull(7) } else { try bind(7, event.insertID) }
        try bind(8, event.properties)
        try bind(9, Int64(event.endpoint.rawValue))
        try bind(10, event.receivedMilliseconds)
        if event.sequence == 0 { try bindNull(11) } else { try bind(11, event.sequence) }
        if let conflict = event.conflict { try bind(12, conflict.column) } else { try bindNull(12) }
    }
}
