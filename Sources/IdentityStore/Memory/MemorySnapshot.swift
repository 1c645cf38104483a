import IdentityEngine

/// The state of a Memory store for the length of one read, during which nothing changes.
struct MemorySnapshot: StoreSnapshot {
    private let contents: [ProjectID: MemoryProject]

    init(_ state: MemoryState) { contents = state.contents }

    /// The projects that hold something.
    var projects: some Sequence<ProjectID> { contents.lazy.filter { !$0.value.isEmpty }.map(\.key) }

    func node(for id: DistinctID, in project: ProjectID) -> Node? { contents[project]?.index.node(for: id) }

    func node(_ key: NodeKey, in project: ProjectID) -> Node? { contents[project]?.index.node(key) }

    func nodes(in project: ProjectID, after key: NodeKey, limit: Int) -> [Node] {
        contents[project]?.nodes(after: key, limit: limit) ?? []
    }

    func lastSequence(of project: ProjectID) -> Int64 { contents[project]?.log.last?.sequence ?? 0 }

    func links(of key: NodeKey, in project: ProjectID) -> [Link] { contents[project]?.links(of: key) ?? [] }

    func links(from key: NodeKey, in project: ProjectID) -> [Link] {
        links(of: key, in: project).filter { $0.from == key }
    }

    func link(_ sequence: Int64, in project: ProjectID) -> Link? { contents[project]?.link(sequence) }

    func links(of key: NodeKey, activeAsOf sequence: Int64, in project: ProjectID) -> [Link] {
        contents[project]?.links(of: key, activeAsOf: sequence) ?? []
    }

    func linkStates(of link: Int64, in project: ProjectID) -> [LinkState] {
        contents[project]?.linkStates[link] ?? []
    }

    /// What amendments switched links to, by the links' sequences.
    func linkStates(in project: ProjectID) -> [Int64: [LinkState]] { contents[project]?.linkStates ?? [:] }

    func hasActiveLink(_ statement: LinkStatement, in project: ProjectID) -> Bool {
        links(of: statement.from, activeAsOf: .max, in: project).contains { $0.statement == statement }
    }

    func block(of pair: NodePair, in project: ProjectID) -> Block? {
        contents[project]?.blocks[pair].map { Block(pair: pair, sequence: $0) }
    }

    func blocks(in project: ProjectID, after pair: NodePair?, limit: Int) -> [Block] {
        let blocks = (contents[project]?.blocks ?? [:]).map { Block(pair: $0.key, sequence: $0.value) }
        let sorted = blocks.sorted { ($0.pair.low, $0.pair.high) < ($1.pair.low, $1.pair.high) }
        let rest = sorted.drop { block in
            pair.map { (block.pair.low, block.pair.high) <= ($0.low, $0.high) } ?? false
        }
        return Array(rest.prefix(max(limit, 0)))
    }

    func amendmentSequences(in project: ProjectID, after sequence: Int64, limit: Int) -> [Int64] {
        let states = (contents[project]?.linkStates ?? [:]).values.joined()
        let sequences = Set(states.lazy.map(\.fromSequence).filter { $0 > sequence })
        return Array(sequences.sorted().prefix(max(limit, 0)))
    }

    func linkChanges(
        in project: ProjectID, after sequence: Int64, upTo last: Int64, isLatestFirst: Bool, limit: Int
    ) -> [LinkChange] {
        contents[project]?.linkChanges(
            after: sequence, upTo: last, isLatestFirst: isLatestFirst, limit: limit) ?? []
    }

    func leastEntryMilliseconds(of project: ProjectID) -> Int64 { contents[project]?.leastEntryMilliseconds ?? .min }

    func logRecord(_ sequence: Int64, in project: ProjectID) -> LogRecord? { contents[project]?.record(sequence) }

    func logRecords(_ query: LogQuery, in project: ProjectID) -> [LogRecord] {
        contents[project]?.records(query) ?? []
    }

    func events(
        in project: ProjectID, after key: EventKey, beforeMilliseconds: Int64, limit: Int, sizeLimitBytes: Int
    ) -> [StoredEvent] {
        contents[project]?.events.page(
            after: key, beforeMilliseconds: beforeMilliseconds, limit: limit, sizeLimitBytes: sizeLimitBytes) ?? []
    }

    func activity(
        of ids: [DistinctID], in project: ProjectID, before key: EventKey, limit: Int, sizeLimitBytes: Int
    ) -> [StoredEvent] {
        contents[project]?.events.page(
            of: Set(ids), before: key, limit: limit, sizeLimitBytes: sizeLimitBytes) ?? []
    }

    func eventCount(filedUnder id: DistinctID, in project: ProjectID, limit: Int) -> Int {
        min(contents[project]?.events.count(filedUnder: id) ?? 0, limit)
    }

    func profile(of id: DistinctID, in project: ProjectID) -> StoredProfile? {
        contents[project]?.profiles.profile(of: id)
    }

    func profiles(
        in project: ProjectID, after id: DistinctID?, limit: Int, sizeLimitBytes: Int
    ) -> [StoredProfile] {
        contents[project]?.profiles.profiles(after: id, limit: limit, sizeLimitBytes: sizeLimitBytes) ?? []
    }

    func group(_ name: GroupName, in project: ProjectID) -> StoredGroup? { contents[project]?.profiles.group(name) }
}
