/// Where nodes are looked up: an index in memory, or a snapshot of a store.
package protocol NodeSource {
    associatedtype Failure: Error

    func node(for id: DistinctID) throws(Failure) -> Node?
    func node(_ key: NodeKey) throws(Failure) -> Node?

    /// What is thrown where nodes contradict each other, as those of a damaged store may.
    func failure(_ fault: NodeFault) -> Failure
}

extension IdentityIndex: NodeSource {
    package typealias Failure = Never

    /// Nodes come into an index from what was checked, or are made there: a contradiction is a fault of ours.
    package func failure(_ fault: NodeFault) -> Never { preconditionFailure("\(fault)") }
}

extension NodeSource {
    /// The root of a node's cluster when only entries up to a sequence had been decided.
    ///
    /// The node must exist then, and must not have been revised since: so for all that go back in time here. A node
    /// that a root's `joinedSequence` leaves out had not yet been joined.
    package func root(of node: Node, asOf sequence: Int64 = .max) throws(Failure) -> Node {
        var node = node
        while !node.isRoot, node.joinedSequence <= sequence { node = try parent(of: node) }
        guard !node.isRoot || node.isSoundRoot else { throw failure(.way(node.key)) }
        return node
    }

    /// The node that one hangs under, which is not the node itself.
    ///
    /// Joins follow each other up to the root, so that no way over parents goes round.
    package func parent(of node: Node) throws(Failure) -> Node {
        let parent = try existing(node.parent)
        guard node.isJoined(under: parent) else { throw failure(.way(node.key)) }
        return parent
    }

    /// The canonical id of an id: itself where it took part in no identity operation (P 7.8).
    package func canonicalID(of id: DistinctID) throws(Failure) -> DistinctID {
        guard let node = try node(for: id) else { return id }
        return try canonicalNode(ofRoot: try root(of: node)).id
    }

    /// The member that stood for a cluster at a sequence, given the root that the cluster had then.
    package func canonicalNode(ofRoot root: Node, asOf sequence: Int64 = .max) throws(Failure) -> Node {
        if root.canonicalSince <= sequence {
            let canonical = try existing(root.canonical)
            guard root.isRepresented(by: canonical) else { throw failure(.canonical(root.key)) }
            return canonical
        }
        // The canonical id changed since: what it was is computed from the members of that time.
        var best = root
        try forEachMember(ofRoot: root, asOf: sequence) { member in
            if member.rank(asOf: sequence) < best.rank(asOf: sequence) { best = member }
            return true
        }
        return best
    }

    /// Calls the body with each member of a cluster, the root first, until it returns false.
    ///
    /// As many nodes are looked at as the cluster has members now.
    package func forEachMember(
        ofRoot root: Node, asOf sequence: Int64 = .max, _ body: (Node) -> Bool
    ) throws(Failure) {
        guard body(root) else { return }
        // The ring is that of the present cluster, which may have grown since the sequence.
        var left = try self.root(of: root).size - 1
        var watch = LoopWatch()
        var key = root.next
        while key != root.key {
            let member = try existing(key)
            guard left > 0, !watch.isRepeated(key) else { throw failure(.ring(root.key)) }
            left -= 1
            // A member that came after the sequence was a root until it was joined: it finds itself.
            var isMember = true
            if sequence != .max { isMember = try self.root(of: member, asOf: sequence).key == root.key }
            if isMember, !body(member) { return }
            key = member.next
        }
        guard left == 0 else { throw failure(.ring(root.key)) }
    }

    /// The sequence since which a node's canonical id has been what it is.
    ///
    /// Each node on the way up kept the canonical id that it had when it was joined or last revised, so the way is the
    /// history: a join that brought no other canonical id left the earlier date standing.
    package func canonicalSince(of node: Node) throws(Failure) -> Int64 {
        var current = node
        var canonical = node.canonical
        var since = node.canonicalSince
        while !current.isRoot {
            let parent = try parent(of: current)
            let from = max(current.joinedSequence, current.revisedSequence)
            if parent.canonical != canonical {
                since = max(from, parent.canonicalSince)
            } else if parent.canonicalSince > from {
                since = parent.canonicalSince
            }
            canonical = parent.canonical
            current = parent
        }
        return since
    }

    /// The node with a key that another node, or a link, names.
    package func existing(_ key: NodeKey) throws(Failure) -> Node {
        guard let node = try node(key) else { throw failure(.missing(key)) }
        return node
    }
}
