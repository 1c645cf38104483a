import IdentityEngine

/// How values stand in rows: in the order of the columns that `Statements` names.
extension PreparedStatement {
    /// A row of `identity`.
    ///
    /// - Throws: `StoreError.corrupt` for numbers that no store gives; what rows say of each other is not looked at.
    func node() throws(StoreError) -> Node {
        let key = try counted(0, of: "identity", 0)
        var node = Node(
            key: key, id: try distinctID(1, of: "identity", 0), isAnonymousForm: isTrue(4),
            sequence: try number(2, in: StoredNumber.optional, of: "identity", 0), timeMilliseconds: integer(3))
        node.parent = try counted(5, of: "identity", 0)
        node.joinedSequence = try number(6, in: StoredNumber.optional, of: "identity", 0)
        node.next = try counted(7, of: "identity", 0)
        node.order = try number(8, in: 0..<2 * StoredNumber.limit, of: "identity", 0)
        node.identifiedSequence = try number(9, in: StoredNumber.optional, of: "identity", 0)
        node.aliasSequence = try number(10, in: StoredNumber.optional, of: "identity", 0)
        node.size = try counted(11, of: "identity", 0)
        node.canonical = try counted(12, of: "identity", 0)
        node.canonicalRank = integer(13)
        node.canonicalSince = try number(14, in: StoredNumber.optional, of: "identity", 0)
        node.identifiedCount = try number(15, in: StoredNumber.optional, of: "identity", 0)
        node.linkedSequence = try number(16, in: StoredNumber.optional, of: "identity", 0)
        node.revisedSequence = try number(17, in: StoredNumber.optional, of: "identity", 0)
        return node
    }

    /// Binds what makes a new row of `identity`, the project first.
    func bind(_ node: Node, of project: ProjectID) throws(StoreError) {
        try bind(1, project.rawValue)
        try bind(2, node.key)
        try bind(3, node.id.bytes)
        try bind(4, node.firstSequence)
        try bind(5, node.firstSeenMilliseconds)
        try bind(6, node.isAnonymousForm)
        try bindState(of: node, from: 7)
    }

    /// Binds what may change in a row of `identity`.
    func bindState(of node: Node, from place: Int32) throws(StoreError) {
        try bind(place, node.parent)
        try bind(place + 1, node.joinedSequence)
        try bind(place + 2, node.next)
        try bind(place + 3, node.order)
        try bind(place + 4, node.identifiedSequence)
        try bind(place + 5, node.aliasSequence)
        try bind(place + 6, node.size)
        try bind(place + 7, node.canonical)
        try bind(place + 8, node.canonicalRank)
        try bind(place + 9, node.canonicalSince)
        try bind(place + 10, node.identifiedCount)
        try bind(place + 11, node.linkedSequence)
        try bind(place + 12, node.revisedSequence)
    }

    /// A row of `log`.
    func record() throws(StoreError) -> LogRecord {
        let sequence = try counted(0, of: "log", 0)
        guard let verb = byte(2).flatMap({ Verb(rawValue: $0) }) else { throw .unreadable("log", sequence) }
        if integer(5) == LogTombstone.column {
            return .tombstone(LogTombstone(sequence: sequence, verb: verb, timeMilliseconds: integer(1)))
        }
        if integer(5) == AmendmentEntry.column { return .amendment(try amendment(verb)) }
        return .entry(try entry(verb))
    }

    private func amendment(_ verb: Verb) throws(StoreError) -> AmendmentEntry {
        guard let endpoint = byte(10).flatMap({ EventBatch.Endpoint(rawValue: $0) }),
            let numbers = bytes(12).unpackedNumbers, let amendment = Amendment(verb, packed: numbers)
        else { throw .unreadable("log", integer(0)) }
        var ids: [DistinctID] = []
        for column: Int32 in [3, 4] where byteCount(column) > 0 { ids.append(try distinctID(column, of: "log", 0)) }
        return AmendmentEntry(
            sequence: integer(0), timeMilliseconds: integer(1), amendment: amendment, ids: ids,
            origin: EventBatch.Origin(endpoint: endpoint, principal: text(11)))
    }

    /// Binds a row of `log`, the project first.
    func bind(_ entry: AmendmentEntry, of project: ProjectID) throws(StoreError) {
        try bind(1, project.rawValue)
        try bind(2, entry.sequence)
        try bind(3, entry.timeMilliseconds)
        try bind(4, Int64(entry.amendment.verb.rawValue))
        try bind(5, entry.ids.first?.bytes ?? [])
        try bind(6, entry.ids.count > 1 ? entry.ids[1].bytes : [])
        try bind(7, AmendmentEntry.column)
        try bindNull(8)
        for column in Int32(9)...11 { try bind(column, 0) }
        try bind(12, Int64(entry.origin.endpoint.rawValue))
        try bind(13, entry.origin.principal)
        try bind(14, [UInt8](packing: entry.amendment.packed))
    }

    private func entry(_ verb: Verb) throws(StoreError) -> LogEntry {
        guard let endpoint = byte(10).flatMap({ EventBatch.Endpoint(rawValue: $0) })
        else { throw .unreadable("log", integer(0)) }
        let event = IdentityEvent(
            verb: verb, primary: try distinctID(3, of: "log", 0), secondary: try distinctID(4, of: "log", 0))
        return LogEntry(
            sequence: integer(0), timeMilliseconds: integer(1), event: event, outcome: try outcome(),
            hasLink: isTrue(7), clusterSize: Int(try number(8, in: StoredNumber.optional, of: "log", 0)),
            maxClusterSize: Int(try number(9, in: StoredNumber.optional, of: "log", 0)),
            origin: EventBatch.Origin(endpoint: endpoint, principal: text(11)))
    }

    private func outcome() throws(StoreError) -> MergeOutcome {
        switch integer(5) {
        case OutcomeKind.merged.column: return .merged
        case OutcomeKind.unchanged.column: return .unchanged
        case OutcomeKind.refused.column:
            if let refusal = byte(6).flatMap({ MergeRefusal(rawValue: $0) }) { return .refused(refusal) }
        default: break
        }
        throw .unreadable("log", integer(0))
    }

    /// Binds a row of `log`, the project first.
    func bind(_ entry: LogEntry, of project: ProjectID) throws(StoreError) {
        try bind(1, project.rawValue)
        try bind(2, entry.sequence)
        try bind(3, entry.timeMilliseconds)
        try bind(4, Int64(entry.event.verb.rawValue))
        try bind(5, entry.event.primary.bytes)
        try bind(6, entry.event.secondary.bytes)
        try bind(7, entry.outcome.kind.column)
        if let refusal = entry.refusal { try bind(8, Int64(refusal.rawValue)) } else { try bindNull(8) }
        try bind(9, entry.hasLink)
        try bind(10, Int64(entry.clusterSize))
        try bind(11, Int64(entry.maxClusterSize))
        try bind(12, Int64(entry.origin.endpoint.rawValue))
        try bind(13, entry.origin.principal)
        try bindNull(14)
    }

    /// Columns of `link`: sequence, verb, from, to.
    func link() throws(StoreError) -> Link {
        guard let verb = byte(1).flatMap({ Verb(rawValue: $0) }), verb.isStatement, integer(2) != integer(3) else {
            throw .unreadable("link", integer(0))
        }
        return Link(
            sequence: try counted(0, of: "link", 0), verb: verb,
            from: try counted(2, of: "link", 0),
            to: try counted(3, of: "link", 0))
    }

    /// Columns of `link` with those of its change behind them.
    func linkChange() throws(StoreError) -> LinkChange {
        let link = try link()
        if isNull(4) { return LinkChange(link: link, change: nil, isCertain: false) }
        var pieces: [RingPiece] = []
        for column: Int32 in [5, 8] where !isNull(column) {
            pieces.append(
                RingPiece(
                    root: try number(column, in: StoredNumber.counted, of: "link", 0),
                    first: try number(column + 1, in: StoredNumber.counted, of: "link", 0),
                    former: try number(column + 2, in: StoredNumber.counted, of: "link", 0)))
        }
        let canonical = try number(4, in: StoredNumber.optional, of: "link", 0)
        return LinkChange(
            link: link, change: CanonicalChange(canonical: canonical, pieces: pieces), isCertain: isTrue(11))
    }

    /// Binds what a link changed, the canonical id first.
    func bind(_ change: CanonicalChange?, from place: Int32) throws(StoreError) {
        try bind(place, change?.canonical ?? 0)
        for number in 0..<2 {
            let place = place + 1 + 3 * Int32(number)
            guard let pieces = change?.pieces, number < pieces.count else {
                for column in place..<place + 3 { try bindNull(column) }
                continue
            }
            try bind(place, pieces[number].root)
            try bind(place + 1, pieces[number].first)
            try bind(place + 2, pieces[number].former)
        }
    }

    /// A row of `event`, without its project.
    func event() throws(StoreError) -> StoredEvent {
        guard let hash = halves(1), let endpoint = byte(7).flatMap({ EventBatch.Endpoint(rawValue: $0) })
        else { throw .unreadable("event", integer(0)) }
        let sentID = bytes(3)
        let filedID = isNull(4) ? sentID : bytes(4)
        guard sentID.isUTF8, isNull(4) || filedID.isUTF8 else { throw .unreadable("event", integer(0)) }
        var conflict: MergeRefusal?
        if !isNull(10) {
            conflict = MergeRefusal(conflictColumn: integer(10))
            if conflict == nil { throw .unreadable("event", integer(0)) }
        }
        return StoredEvent(
            key: EventKey(
                timeMilliseconds: try number(0, of: "event", 0), hashHigh: hash.high, hashLow: hash.low),
            name: bytes(2),
            sentID: sentID, filedID: filedID, insertID: bytes(5), properties: bytes(6),
            endpoint: endpoint, receivedMilliseconds: integer(8), sequence: integer(9), conflict: conflict)
    }
}

extension AmendmentEntry {
    /// What stands in `log.outcome` in place of an outcome.
    static let column: Int64 = 5
}

extension [UInt8] {
    /// Numbers of eight bytes each, big-endian.
    init(packing numbers: [Int64]) {
        self = []
        for number in numbers { Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) } }
    }

    /// The numbers that `init(packing:)` was given; nil for bytes that it did not make.
    var unpackedNumbers: [Int64]? {
        guard count % 8 == 0 else { return nil }
        return stride(from: 0, to: count, by: 8).map { place in
            self[place..<place + 8].reduce(0) { $0 << 8 | Int64($1) }
        }
    }
}

extension MergeRefusal {
    /// What stands in `event.conflict`; never renumbered.
    var column: Int64 { self == .anonymousAssignedAlready ? 1 : Int64(rawValue) }

    init?(conflictColumn: Int64) {
        if conflictColumn == 1 {
            self = .anonymousAssignedAlready
        } else {
            guard let number = UInt8(exactly: conflictColumn) else { return nil }
            self.init(rawValue: number)
        }
    }
}

extension LogTombstone {
    /// What stands in `log.outcome` in place of an outcome.
    static let column: Int64 = 4
}

extension OutcomeKind {
    /// What stands in `log.outcome`; never renumbered.
    var column: Int64 {
        switch self {
        case .merged: 1
        case .unchanged: 2
        case .refused: 3
        }
    }
}
