/// Where nodes and the links between them are looked up, now and at every earlier sequence.
package protocol LinkSource: NodeSource {
    /// The links that have a node at either end and were active when only entries up to a sequence had been decided, in
    /// order of sequence.
    func links(of key: NodeKey, activeAsOf sequence: Int64) throws(Failure) -> [Link]
}

/// A cluster as it was at a sequence.
package struct PastCluster: Hashable, Sendable {
    /// The members, in the order of their keys.
    ///
    /// Of each row its id, what was known of it first, and its order and roles are as of then; the rest is not.
    package let members: [Node]
    /// The member that stood for the cluster.
    package let canonical: Node

    /// Nil where there is no member.
    fileprivate init?(_ members: [Node]) {
        self.members = members.sorted { $0.key < $1.key }
        guard var best = self.members.first else { return nil }
        for member in self.members.dropFirst() where member.rank < best.rank { best = member }
        canonical = best
    }
}

extension LinkSource {
    /// The cluster that a node was in when only entries up to a sequence had been decided.
    ///
    /// Costs in proportion to the cluster, then or now, whichever is greater.
    ///
    /// - Parameters:
    ///   - node: a node that was there by then: `firstSequence` is not greater than the sequence.
    ///   - sequence: the last entry that counts; `.max` for now.
    /// - Returns: the cluster.
    /// - Throws: what the source throws.
    package func cluster(of node: Node, asOf sequence: Int64) throws(Failure) -> PastCluster {
        var members: [Node] = []
        if node.revisedSequence <= sequence {
            try forEachMember(ofRoot: try root(of: node, asOf: sequence), asOf: sequence) { member in
                members.append(member.forgettingLinks(after: sequence))
                return true
            }
        } else {
            var clusters = PastClusters(of: [node.key], asOf: sequence)
            _ = try clusters.step(in: self) { member in
                members.append(member)
                return true
            }
        }
        guard let cluster = PastCluster(members) else { throw failure(.missing(node.key)) }
        return cluster
    }

    /// The canonical id of an id: itself where it took no part in an identity operation up to the sequence (P 7.8).
    package func canonicalID(of id: DistinctID, asOf sequence: Int64) throws(Failure) -> DistinctID {
        guard let node = try node(for: id), node.firstSequence <= sequence else { return id }
        return try canonicalNode(of: node, asOf: sequence).id
    }

    /// The member that stood for a node's cluster at a sequence at which the node was there.
    package func canonicalNode(of node: Node, asOf sequence: Int64) throws(Failure) -> Node {
        if node.revisedSequence <= sequence {
            return try canonicalNode(ofRoot: try root(of: node, asOf: sequence), asOf: sequence)
        }
        return try cluster(of: node, asOf: sequence).canonical
    }
}

extension LinkSource {
    /// The shortest chain of links between two nodes, where there is one; of several the one whose links came first.
    ///
    /// - Parameters:
    ///   - start: the first node.
    ///   - end: the last.
    ///   - sequence: the last entry that counts; `.max` for now.
    /// - Returns: the links in the order of the chain, none for one and the same node; nil where they are not together.
    /// - Throws: what the source throws.
    package func shortestChain(
        from start: NodeKey, to end: NodeKey, asOf sequence: Int64
    ) throws(Failure) -> [Link]? {
        if start == end { return [] }
        var reachedBy: [NodeKey: Link] = [:]
        var queue = [start]
        var place = 0
        while place < queue.count {
            let current = queue[place]
            place += 1
            for link in try links(of: current, activeAsOf: sequence) {
                let other = link.to == current ? link.from : link.to
                guard other != start, reachedBy[other] == nil else { continue }
                reachedBy[other] = link
                if other == end { return chain(from: start, to: end, reachedBy) }
                queue.append(other)
            }
        }
        return nil
    }

    private func chain(from start: NodeKey, to end: NodeKey, _ reachedBy: [NodeKey: Link]) -> [Link] {
        var links: [Link] = []
        var current = end
        while current != start, let link = reachedBy[current] {
            links.append(link)
            current = link.to == current ? link.from : link.to
        }
        return links.reversed()
    }
}

extension Node {
    /// The row as it is without any link.
    var withoutLinks: Node {
        var node = self
        node.order = 0
        node.identifiedSequence = 0
        node.aliasSequence = 0
        return node
    }

    /// The row with the place and the roles that it had at a sequence.
    package func forgettingLinks(after sequence: Int64) -> Node {
        var node = self
        if node.order >> 1 > sequence { node.order = 0 }
        if node.identifiedSequence > sequence { node.identifiedSequence = 0 }
        if node.aliasSequence > sequence { node.aliasSequence = 0 }
        return node
    }
}
