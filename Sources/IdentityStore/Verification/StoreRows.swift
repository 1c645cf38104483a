import IdentityEngine

/// Whole tables of a project, in pages: what a verification reads beside the other reads of a snapshot.
protocol StoreRows: StoreSnapshot {
    /// The projects that events, ids, links, records of the log and profiles belong to, ascending.
    func projectsWithRows() throws(StoreError) -> [ProjectID]

    /// What the store's own check of its files finds, a line each; none where they are sound.
    func fileFaults(limit: Int) throws(StoreError) -> [String]

    /// What is wrong with rows that belong to no project's log, a line each: numbers that no store gives, and tasks
    /// that cannot be read.
    func rowFaults() throws(StoreError) -> [String]

    /// The keys of nodes, ascending, after a key.
    func nodeKeys(in project: ProjectID, after key: NodeKey, limit: Int) throws(StoreError) -> [NodeKey]

    /// Links in order of sequence, after a sequence (0 for the first).
    func links(in project: ProjectID, after sequence: Int64, limit: Int) throws(StoreError) -> [Link]

    /// What amendments switched links to, in order of the link and then of the amendment, after one (nil for the
    /// first).
    func linkSwitches(
        in project: ProjectID, after last: LinkSwitch?, limit: Int
    ) throws(StoreError) -> [LinkSwitch]

    /// Which records name which nodes, in order of the node and then of the record, after one (nil for the first).
    func namings(in project: ProjectID, after last: Naming?, limit: Int) throws(StoreError) -> [Naming]

    /// The sequences of all tombstones, ascending.
    func tombstones(in project: ProjectID) throws(StoreError) -> [Int64]

    /// The sequences of events, 0 for a plain one, in the order of their keys, after a key.
    func eventSequences(in project: ProjectID, after key: EventKey, limit: Int) throws(StoreError) -> EventSequences
}

/// A record of the log names a node.
struct Naming: Hashable, Sendable {
    let node: NodeKey
    let sequence: Int64
}

/// A page of the sequences that events have.
struct EventSequences: Sendable {
    var sequences: [Int64] = []
    /// The key of the last event, where the page is full; nil on the last page.
    var last: EventKey?
}
