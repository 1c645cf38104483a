import IdentityEngine

/// Clusters of which a deletion took part of the history.
///
/// The forest may have another shape than the replay's, but it must say the same: who is in the cluster, who stands
/// for it, and since which link each two are together.
extension Verification {
    mutating func compareFrayedClusters() throws(StoreError) {
        guard !frayedRows.isEmpty else { return }
        var clusters: [NodeKey: [Node]] = [:]
        for row in frayedRows {
            guard let place = replay.place(of: row.id) else { continue }
            clusters[replay.index.root(of: replay.node(at: place).key).key, default: []].append(row)
        }
        frayedRows = []
        for (root, rows) in clusters.sorted(by: { $0.key < $1.key }) {
            guard let fault = fault(of: rows, replay.node(at: Int(root) - 1)) else { continue }
            let sequences = rows.map { row in
                max(
                    row.latestSequence(upTo: replay.lastSequence),
                    replay.place(of: row.id).map { replay.changedSequence(at: $0) } ?? 0)
            }
            let sequence = sequences.max() ?? 0
            tally.add(at: sequence, "the cluster of \(id(root))") { fault }
        }
    }

    private func fault(of rows: [Node], _ expected: Node) -> (expected: String, found: String)? {
        let byKey = Dictionary(uniqueKeysWithValues: rows.map { ($0.key, $0) })
        let roots = rows.filter(\.isRoot)
        guard roots.count == 1, let root = roots.first else { return ("one root", "\(roots.count)") }
        guard rows.count == expected.size, root.size == expected.size else {
            return ("\(expected.size) ids", "\(rows.count) rows, size \(root.size)")
        }
        guard root.canonical == stored(expected.canonical), root.canonicalRank == expected.canonicalRank else {
            let name = byKey[root.canonical]?.id.description ?? "key \(root.canonical)"
            return ("canonical \(id(expected.canonical))", "canonical \(name), rank \(root.canonicalRank)")
        }
        guard root.identifiedCount == expected.identifiedCount else {
            return ("identified_count \(expected.identifiedCount)", "\(root.identifiedCount)")
        }
        for sequence in [root.linkedSequence, root.canonicalSince, root.revisedSequence] {
            guard (0...replay.lastSequence).contains(sequence) else {
                return ("sequences up to \(replay.lastSequence)", "\(sequence)")
            }
        }
        return ringFault(of: rows, root, byKey) ?? forestFault(of: rows, expected, byKey)
    }

    private func ringFault(
        of rows: [Node], _ root: Node, _ byKey: [NodeKey: Node]
    ) -> (expected: String, found: String)? {
        var seen: Set<NodeKey> = [root.key]
        var key = root.next
        while key != root.key {
            guard let node = byKey[key], seen.insert(key).inserted else {
                return ("a ring of \(rows.count) members", "one that leaves them after \(seen.count)")
            }
            key = node.next
        }
        return seen.count == rows.count ? nil : ("a ring of \(rows.count) members", "one of \(seen.count)")
    }

    /// A forest says the same as another over the same links where each of its joins is as old as the other says of its
    /// two ends, and both have the same joins.
    private func forestFault(
        of rows: [Node], _ expected: Node, _ byKey: [NodeKey: Node]
    ) -> (expected: String, found: String)? {
        var joins: UInt64 = 0
        for row in rows where !row.isRoot {
            guard let parent = byKey[row.parent] else {
                return ("\(row.id) under a member of its cluster", "under key \(row.parent)")
            }
            guard parent.isRoot || parent.joinedSequence > row.joinedSequence else {
                return ("joins that follow each other", "\(row.id) under \(parent.id), which was joined before")
            }
            if let own = replay.index.node(for: row.id), let other = replay.index.node(for: parent.id) {
                let sequence = joinSequence(replay.index.path(of: own), replay.index.path(of: other))
                guard sequence == row.joinedSequence else {
                    return ("\(row.id) and \(parent.id) joined by \(sequence)", "by \(row.joinedSequence)")
                }
            }
            joins &+= Replay.mixed(row.joinedSequence)
        }
        replay.index.forEachMember(ofRoot: expected) { node in
            if !node.isRoot { joins &-= Replay.mixed(node.joinedSequence) }
            return true
        }
        return joins == 0 ? nil : ("the joins of its links", "other ones")
    }
}
