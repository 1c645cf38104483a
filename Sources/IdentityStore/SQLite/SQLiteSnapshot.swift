import GRDB
import IdentityEngine

/// Committed state, as one read transaction of one reading connection sees it.
struct SQLiteSnapshot: StoreSnapshot {
    let db: Database

    init(_ db: Database) { self.db = db }

    func node(for id: DistinctID, in project: ProjectID) throws(StoreError) -> Node? {
        let statement = try PreparedStatement(cached: Statements.identityByID, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, id.bytes)
        return try statement.first { statement throws(StoreError) in try statement.node() }
    }

    func node(_ key: NodeKey, in project: ProjectID) throws(StoreError) -> Node? {
        let statement = try PreparedStatement(cached: Statements.identityByKey, in: db)
        try statement.bind(1, key)
        try statement.bind(2, project.rawValue)
        return try statement.first { statement throws(StoreError) in try statement.node() }
    }

    func nodes(in project: ProjectID, after key: NodeKey, limit: Int) throws(StoreError) -> [Node] {
        let statement = try PreparedStatement(cached: Statements.identitiesAfter, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, key)
        try statement.bind(3, Int64(max(limit, 0)))
        return try statement.all { statement throws(StoreError) in try statement.node() }
    }

    func lastSequence(of project: ProjectID) throws(StoreError) -> Int64 {
        let statement = try PreparedStatement(cached: Statements.lastSequence, in: db)
        try statement.bind(1, project.rawValue)
        return try statement.first { row throws(StoreError) in
            try row.number(0, in: StoredNumber.counted, of: "log", 0)
        } ?? 0
    }

    func leastEntryMilliseconds(of project: ProjectID) throws(StoreError) -> Int64 {
        let statement = try PreparedStatement(cached: Statements.leastEntryTime, in: db)
        try statement.bind(1, project.rawValue)
        return try statement.first { row throws(StoreError) in try row.leastEntryMilliseconds() } ?? .min
    }

    func links(of key: NodeKey, in project: ProjectID) throws(StoreError) -> [Link] {
        let statement = try PreparedStatement(cached: Statements.linksOfNode, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, key)
        return try statement.all { statement throws(StoreError) in try statement.link() }
    }

    func links(from key: NodeKey, in project: ProjectID) throws(StoreError) -> [Link] {
        let statement = try PreparedStatement(cached: Statements.linksFromNode, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, key)
        return try statement.all { statement throws(StoreError) in try statement.link() }
    }

    func link(_ sequence: Int64, in project: ProjectID) throws(StoreError) -> Link? {
        let statement = try PreparedStatement(cached: Statements.link, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, sequence)
        return try statement.first { statement throws(StoreError) in try statement.link() }
    }

    func links(
        of key: NodeKey, activeAsOf sequence: Int64, in project: ProjectID
    ) throws(StoreError) -> [Link] {
        let statement = try PreparedStatement(cached: Statements.activeLinksOfNode, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, key)
        try statement.bind(3, sequence)
        return try statement.all { statement throws(StoreError) in try statement.link() }
    }

    func linkStates(of link: Int64, in project: ProjectID) throws(StoreError) -> [LinkState] {
        let statement = try PreparedStatement(cached: Statements.linkStates, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, link)
        return try statement.all { LinkState(fromSequence: $0.integer(0), isActive: $0.isTrue(1)) }
    }

    func hasActiveLink(_ statement: LinkStatement, in project: ProjectID) throws(StoreError) -> Bool {
        let query = try PreparedStatement(cached: Statements.activeLink, in: db)
        try query.bind(1, project.rawValue)
        try query.bind(2, statement.from)
        try query.bind(3, statement.to)
        try query.bind(4, Int64(statement.verb.rawValue))
        return try query.first { _ in true } ?? false
    }

    func block(of pair: NodePair, in project: ProjectID) throws(StoreError) -> Block? {
        let statement = try PreparedStatement(cached: Statements.blockOfPair, in: db)
        try statement.bind(pair, of: project)
        return try statement.first { Block(pair: pair, sequence: $0.integer(0)) }
    }

    func blocks(in project: ProjectID, after pair: NodePair?, limit: Int) throws(StoreError) -> [Block] {
        let statement = try PreparedStatement(cached: Statements.blocksAfter, in: db)
        try statement.bind(pair ?? NodePair(0, 0), of: project)
        try statement.bind(4, Int64(max(limit, 0)))
        return try statement.all { row throws(StoreError) in
            let low = try row.counted(0, of: "block", 2)
            return Block(
                pair: NodePair(low: low, high: try row.counted(1, of: "block", 2)), sequence: row.integer(2))
        }
    }

    func amendmentSequences(
        in project: ProjectID, after sequence: Int64, limit: Int
    ) throws(StoreError) -> [Int64] {
        let statement = try PreparedStatement(cached: Statements.amendmentSequences, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, sequence)
        try statement.bind(3, Int64(max(limit, 0)))
        return try statement.all { row throws(StoreError) in try row.counted(0, of: "link_state", 0) }
    }

    func linkChanges(
        in project: ProjectID, after sequence: Int64, upTo last: Int64, isLatestFirst: Bool, limit: Int
    ) throws(StoreError) -> [LinkChange] {
        let statement = try PreparedStatement(
            cached: isLatestFirst ? Statements.linkChangesLatestFirst : Statements.linkChanges, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, sequence)
        try statement.bind(3, last)
        try statement.bind(4, Int64(max(limit, 0)))
        return try statement.all { statement throws(StoreError) in try statement.linkChange() }
    }

    func logRecord(_ sequence: Int64, in project: ProjectID) throws(StoreError) -> LogRecord? {
        let statement = try PreparedStatement(cached: Statements.entry, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, sequence)
        return try statement.first { statement throws(StoreError) in try statement.record() }
    }

    func logRecords(_ query: LogQuery, in project: ProjectID) throws(StoreError) -> [LogRecord] {
        let statement: PreparedStatement
        if let id = query.distinctID {
            guard let node = try node(for: id, in: project) else { return [] }
            statement = try PreparedStatement(
                cached: query.isLatestFirst ? Statements.nodeEntriesLatestFirst : Statements.nodeEntries, in: db)
            try statement.bind(7, node.key)
        } else {
            statement = try PreparedStatement(
                cached: query.isLatestFirst ? Statements.entriesLatestFirst : Statements.entries, in: db)
        }
        let outcomes = query.outcomes.map { kinds in kinds.map(\.column) }
        let columns = outcomes ?? OutcomeKind.allCases.map(\.column) + [LogTombstone.column, AmendmentEntry.column]
        try statement.bind(1, project.rawValue)
        try statement.bind(2, query.after)
        try statement.bind(3, columns.reduce(0) { $0 | 1 << $1 })
        try statement.bind(4, Int64(query.verb?.rawValue ?? 0))
        try statement.bind(5, Int64(max(query.limit, 0)))
        try statement.bind(6, query.before)
        return try statement.all { statement throws(StoreError) in try statement.record() }
    }

    func events(
        in project: ProjectID, after key: EventKey, beforeMilliseconds: Int64, limit: Int, sizeLimitBytes: Int
    ) throws(StoreError) -> [StoredEvent] {
        let statement = try PreparedStatement(cached: Statements.eventsAfter, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, key.timeMilliseconds)
        let hash = (key.hashHigh.bigEndian, key.hashLow.bigEndian)
        try statement.bind(3, withUnsafeBytes(of: hash) { Array($0) })
        try statement.bind(4, beforeMilliseconds)
        try statement.bind(5, Int64(max(limit, 0)))
        defer { statement.reset() }
        var page: [StoredEvent] = []
        var sizeBytes = 0
        while sizeBytes < sizeLimitBytes || page.isEmpty, try statement.step() {
            let event = try statement.event()
            sizeBytes += event.properties.count
            page.append(event)
        }
        return page
    }
}

extension PreparedStatement {
    /// Binds the project as the first parameter, and the pair as the next two.
    func bind(_ pair: NodePair, of project: ProjectID) throws(StoreError) {
        try bind(1, project.rawValue)
        try bind(2, pair.low)
        try bind(3, pair.high)
    }

    /// The first row, and no more than that.
    func first<Value>(_ row: (PreparedStatement) throws(StoreError) -> Value) throws(StoreError) -> Value? {
        defer { reset() }
        return try step() ? try row(self) : nil
    }

    /// Every row.
    func all<Value>(_ row: (PreparedStatement) throws(StoreError) -> Value) throws(StoreError) -> [Value] {
        defer { reset() }
        var values: [Value] = []
        while try step() { values.append(try row(self)) }
        return values
    }
}
