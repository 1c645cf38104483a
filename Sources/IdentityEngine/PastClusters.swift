/// Clusters as they were at a sequence, found from links, a bounded number of nodes at a time.
///
/// States of links are only ever added to, so that what was found in one snapshot holds in the next.
package struct PastClusters: Sendable {
    private let sequence: Int64
    private let beginnings: [NodeKey]
    private var place = 0
    private var queue: [NodeKey] = []
    private var clusterByKey: [NodeKey: Int] = [:]
    private var best: [Node?] = []

    /// - Parameters:
    ///   - beginnings: nodes, whose whole clusters are looked for.
    ///   - sequence: the last entry that counts.
    package init(of beginnings: [NodeKey], asOf sequence: Int64) {
        self.beginnings = beginnings
        self.sequence = sequence
    }

    /// The members that were found.
    package var keys: some Collection<NodeKey> { clusterByKey.keys }

    /// The number of a member's cluster: clusters are numbered from 0, in the order of the beginnings.
    package func number(of key: NodeKey) -> Int? { clusterByKey[key] }

    /// The member that stood for a member's cluster, once all of it was found.
    package func canonicalNode(of key: NodeKey) -> Node? { clusterByKey[key].flatMap { best[$0] } }

    /// Looks at more nodes.
    ///
    /// - Parameters:
    ///   - source: where nodes and links are, the same state of the project or a later one at every call.
    ///   - found: called with each member, its order and roles as of the sequence; false ends the call.
    /// - Returns: whether all members were found.
    /// - Throws: what the source throws.
    package mutating func step<Source: LinkSource>(
        in source: Source, _ found: (Node) -> Bool
    ) throws(Source.Failure) -> Bool {
        while true {
            if queue.isEmpty {
                while place < beginnings.count, clusterByKey[beginnings[place]] != nil { place += 1 }
                guard place < beginnings.count else { return true }
                clusterByKey[beginnings[place]] = best.count
                best.append(nil)
                queue.append(beginnings[place])
            }
            let key = queue.removeLast()
            // What a deletion took has no links either.
            guard let node = try source.node(key) else { continue }
            if !found(try look(at: node, in: source)) { return false }
        }
    }

    private mutating func look<Source: LinkSource>(
        at node: Node, in source: Source
    ) throws(Source.Failure) -> Node {
        let cluster = best.count - 1
        var member = node.withoutLinks
        for link in try source.links(of: node.key, activeAsOf: sequence) {
            member.take(link, isPrimary: link.to == node.key)
            let other = link.to == node.key ? link.from : link.to
            if clusterByKey[other] == nil {
                clusterByKey[other] = cluster
                queue.append(other)
            }
        }
        if let leader = best[cluster], (leader.rank, leader.key) <= (member.rank, member.key) { return member }
        best[cluster] = member
        return member
    }
}
