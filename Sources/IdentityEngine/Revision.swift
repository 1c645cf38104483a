/// What switching links off or on makes of the clusters that they are in.
///
/// A merge adds to two clusters; a revision computes the clusters anew from the links that are active after it, and
/// costs in proportion to them. It is how an unmerge and a restore are done (invariant: a cluster is a component of
/// active links).
package struct Revision: Hashable, Sendable {
    /// The nodes as they were.
    package let before: [Node]
    /// The same nodes, in the same order, as they are from the revision on.
    package private(set) var after: [Node]

    /// The members of each cluster afterwards, by their places, the one with the least key first.
    package private(set) var clusters: [[Int]] = []
    /// The members of each cluster before, in the same order.
    package let clustersBefore: [[Int]]

    private let sequence: Int64
    private let placesByKey: [NodeKey: Int]

    /// Computes clusters anew from their active links.
    ///
    /// - Parameters:
    ///   - members: every member of the clusters concerned: whole clusters only.
    ///   - activeLinks: every link between members that is active afterwards, in order of sequence.
    ///   - sequence: the sequence of the log entry that switches links off or on.
    /// - Throws: `NodeFault` where members or links contradict each other.
    package init(of members: [Node], activeLinks: [Link], sequence: Int64) throws(NodeFault) {
        before = members
        after = members
        self.sequence = sequence
        var places: [NodeKey: Int] = [:]
        for (place, node) in members.enumerated() { places[node.key] = place }
        placesByKey = places
        clustersBefore = try Revision.clusters(of: members, places)
        for place in after.indices { after[place].forgetLinks(sequence: sequence) }
        for link in activeLinks {
            guard let from = places[link.from], let to = places[link.to] else {
                throw .link(link.sequence)
            }
            after[to].take(link, isPrimary: true)
            after[from].take(link, isPrimary: false)
            try join(from, to, sequence: link.sequence)
        }
        clusters = try Revision.clusters(of: after, places)
        try settle()
    }

    private static func clusters(
        of nodes: [Node], _ places: [NodeKey: Int]
    ) throws(NodeFault) -> [[Int]] {
        var members: [Int: [Int]] = [:]
        let inOrder = nodes.indices.sorted { nodes[$0].key < nodes[$1].key }
        for place in inOrder {
            let root = try root(of: place, in: nodes, places)
            members[root, default: []].append(place)
        }
        return members.values.sorted { nodes[$0[0]].key < nodes[$1[0]].key }
    }

    /// Whether two nodes are in one cluster afterwards.
    package func areTogether(_ a: NodeKey, _ b: NodeKey) -> Bool {
        guard let a = placesByKey[a], let b = placesByKey[b] else { return a == b }
        let roots = [a, b].map { try? Revision.root(of: $0, in: after, placesByKey) }
        return roots[0] == roots[1]
    }

    private static func root(
        of place: Int, in nodes: [Node], _ places: [NodeKey: Int]
    ) throws(NodeFault) -> Int {
        var place = place
        while !nodes[place].isRoot {
            guard let parent = places[nodes[place].parent] else { throw .missing(nodes[place].parent) }
            guard nodes[place].isJoined(under: nodes[parent]) else { throw .way(nodes[place].key) }
            place = parent
        }
        return place
    }

    /// Union by size, earlier links first and without compression: so the way between two ids tells since which link
    /// they are together, as it does where nothing was ever revised (`joinSequence`).
    private mutating func join(_ a: Int, _ b: Int, sequence: Int64) throws(NodeFault) {
        let first = try Revision.root(of: a, in: after, placesByKey)
        let second = try Revision.root(of: b, in: after, placesByKey)
        guard first != second else { return }
        let (winner, loser) = after[first].size >= after[second].size ? (first, second) : (second, first)
        after[loser].parent = after[winner].key
        after[loser].joinedSequence = sequence
        after[winner].size += after[loser].size
        (after[winner].next, after[loser].next) = (after[loser].next, after[winner].next)
    }

    /// Says who stands for each cluster, and since when.
    private mutating func settle() throws(NodeFault) {
        let table = NodeTable(before)
        for cluster in clusters {
            guard let best = cluster.min(by: { after[$0].rank < after[$1].rank }) else { continue }
            let (canonical, rank) = (after[best].key, after[best].rank)
            let identifiedCount = cluster.count { after[$0].identifiedSequence != 0 }
            for place in cluster {
                let stood = try table.root(of: before[place]).canonical
                after[place].canonical = canonical
                after[place].canonicalRank = rank
                // Whom the same id stood for before, it has stood for since then.
                after[place].canonicalSince = sequence
                if stood == canonical { after[place].canonicalSince = try table.canonicalSince(of: before[place]) }
                after[place].identifiedCount = after[place].isRoot ? Int64(identifiedCount) : 0
                after[place].linkedSequence = sequence
            }
        }
    }
}

extension Node {
    fileprivate mutating func forgetLinks(sequence: Int64) {
        order = 0
        identifiedSequence = 0
        aliasSequence = 0
        parent = key
        joinedSequence = 0
        next = key
        size = 1
        revisedSequence = sequence
    }

    /// Takes what an active link gives one of its ends; earlier links come first.
    mutating func take(_ link: Link, isPrimary: Bool) {
        if order == 0 { order = link.sequence << 1 | (isPrimary ? 0 : 1) }
        switch link.verb {
        case .identify, .device:
            if isPrimary, identifiedSequence == 0 { identifiedSequence = link.sequence }
        case .alias:
            if !isPrimary, aliasSequence == 0 { aliasSequence = link.sequence }
        case .merge, .unmerge, .restore, .unblock, .rules: break
        }
    }
}

/// Whole clusters, and nothing else.
private struct NodeTable: NodeSource {
    typealias Failure = NodeFault

    private let nodes: [NodeKey: Node]

    init(_ nodes: [Node]) { self.nodes = Dictionary(nodes.map { ($0.key, $0) }) { $1 } }

    func failure(_ fault: NodeFault) -> NodeFault { fault }

    func node(for id: DistinctID) -> Node? { nodes.values.first { $0.id == id } }

    func node(_ key: NodeKey) -> Node? { nodes[key] }
}

extension IdentityIndex {
    /// A link that cannot be switched on again, because its device belongs to another user by now (P 8-3, 8-4).
    ///
    /// - Parameters:
    ///   - links: the links to switch on.
    ///   - activeLinks: the active links of their ends.
    /// - Returns: the first such link; nil where all can be restored, as always outside of Simplified projects.
    package static func unrestorable(_ links: [Link], activeLinks: [Link]) -> Link? {
        var owners: [NodeKey: Set<NodeKey>] = [:]
        for link in links where link.verb == .device { owners[link.from] = [] }
        if owners.isEmpty { return nil }
        for link in activeLinks where owners[link.from] != nil { owners[link.from]?.insert(link.to) }
        return links.first { link in
            link.verb == .device && owners[link.from, default: []].contains { $0 != link.to }
        }
    }
}
