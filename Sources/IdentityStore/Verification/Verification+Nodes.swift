import IdentityEngine

/// Rows of ids.
extension Verification {
    /// Compares every row with the node that the log gives.
    ///
    /// Keys ascend in the order in which the log names ids first; where a row has another id than that order gives it,
    /// all are looked for by their ids.
    mutating func compareNodes() throws(StoreError) {
        keys = []
        keys.reserveCapacity(replay.count)
        var after: NodeKey = .min
        while true {
            let page = try rows.nodeKeys(in: project, after: after, limit: Self.pageSize)
            guard let end = page.last else { break }
            keys += page
            after = end
        }
        let (before, carried) = (tally, carriedSequences)
        if keys.count == replay.count, try compareRows(isInOrder: true) { return }
        (tally, carriedSequences, frayedRows) = (before, carried, [])
        try mapIDs()
        _ = try compareRows(isInOrder: false)
    }

    /// Finds the rows of the ids that the log names.
    private mutating func mapIDs() throws(StoreError) {
        keys = Array(repeating: 0, count: replay.count)
        var next = 0
        try forEachRow { (verification, row) throws(StoreError) in
            guard let place = verification.place(of: row.id, near: &next) else {
                verification.tally.add(at: row.firstSequence, "id \(row.id)") { ("no row", "a row") }
                return
            }
            verification.keys[place] = row.key
        }
        for place in keys.indices where keys[place] == 0 {
            let node = replay.node(at: place)
            tally.add(at: replay.changedSequence(at: place), "id \(node.id)") { ("a row", "none") }
        }
    }

    /// - Returns: false where rows were to be in the order of the replay, and are not.
    private mutating func compareRows(isInOrder: Bool) throws(StoreError) -> Bool {
        var next = 0
        var count = 0
        var isAsExpected = true
        try forEachRow { (verification, row) throws(StoreError) in
            defer { count += 1 }
            guard isAsExpected else { return }
            if count % Self.pageSize == 0 { verification.tell(.ids, count, of: verification.replay.count) }
            guard let place = verification.place(of: row.id, near: &next) else {
                isAsExpected = !isInOrder
                return
            }
            isAsExpected = !isInOrder || place == count
            if isAsExpected { try verification.compare(row, place) }
        }
        return isAsExpected
    }

    /// Rows come in the order of their keys, which is that of the replay unless the store is damaged.
    private func place(of id: DistinctID, near next: inout Int) -> Int? {
        let found = next < replay.count && replay.node(at: next).id == id ? next : replay.place(of: id)
        if let found { next = found + 1 }
        return found
    }

    private mutating func forEachRow(
        _ body: (inout Verification, Node) throws(StoreError) -> Void
    ) throws(StoreError) {
        var after: NodeKey = .min
        while true {
            let page = try rows.nodes(in: project, after: after, limit: Self.pageSize)
            guard let end = page.last?.key else { return }
            for row in page { try body(&self, row) }
            after = end
        }
    }

    private mutating func compare(_ row: Node, _ place: Int) throws(StoreError) {
        let node = replay.node(at: place)
        let isFrayed = !replay.frayed.isEmpty && replay.frayed.contains(node.key)
        if isFrayed { frayedRows.append(row) }
        let isUndated = isFrayed && replay.undated.contains(node.key)
        var expected = Node(
            key: row.key, id: row.id, isAnonymousForm: node.isAnonymousForm, sequence: node.firstSequence,
            timeMilliseconds: isUndated ? row.firstSeenMilliseconds : node.firstSeenMilliseconds)
        expected.order = node.order
        expected.identifiedSequence = node.identifiedSequence
        expected.aliasSequence = node.aliasSequence
        if isFrayed {
            expected.takeShape(of: row)
            // What is left of the log tells of too few revisions, but of none that was not.
            expected.revisedSequence = max(row.revisedSequence, node.revisedSequence)
        } else {
            expected.takeShape(of: node)
            // What refers to a row that is missing differs because of that row.
            expected.parent = stored(node.parent) == 0 ? row.parent : stored(node.parent)
            expected.next = stored(node.next) == 0 ? row.next : stored(node.next)
            expected.canonical = stored(node.canonical) == 0 ? row.canonical : stored(node.canonical)
            // Nobody reads it where the node is no root, and a cluster may have a greater one than its latest link.
            if !node.isRoot {
                expected.linkedSequence = row.linkedSequence
            } else if row.linkedSequence > node.linkedSequence, row.linkedSequence <= replay.lastSequence {
                expected.linkedSequence = row.linkedSequence
                carriedSequences.insert(row.linkedSequence)
            }
        }
        guard expected != row else { return }
        // Where an entry was changed, the row may have been concerned by it, though the replay was not.
        let sequence = max(replay.changedSequence(at: place), row.latestSequence(upTo: replay.lastSequence))
        try note(at: sequence, "id \(row.id)") { (verification) throws(StoreError) in
            try verification.columns(expected, row)
        }
    }

    /// The columns in which two rows differ.
    private func columns(_ expected: Node, _ found: Node) throws(StoreError) -> (expected: String, found: String) {
        let columns: [(name: String, expected: Int64, found: Int64)] = [
            ("anonymous_form", expected.isAnonymousForm ? 1 : 0, found.isAnonymousForm ? 1 : 0),
            ("first_sequence", expected.firstSequence, found.firstSequence),
            ("first_seen", expected.firstSeenMilliseconds, found.firstSeenMilliseconds),
            ("joined_sequence", expected.joinedSequence, found.joinedSequence),
            ("link_order", expected.order, found.order),
            ("identified_sequence", expected.identifiedSequence, found.identifiedSequence),
            ("alias_sequence", expected.aliasSequence, found.aliasSequence),
            ("size", expected.size, found.size), ("canonical_rank", expected.canonicalRank, found.canonicalRank),
            ("canonical_since", expected.canonicalSince, found.canonicalSince),
            ("identified_count", expected.identifiedCount, found.identifiedCount),
            ("linked_sequence", expected.linkedSequence, found.linkedSequence),
            ("revised_sequence", expected.revisedSequence, found.revisedSequence),
        ]
        var texts: (expected: [String], found: [String]) = ([], [])
        for column in columns where column.expected != column.found {
            texts.expected.append("\(column.name) \(column.expected)")
            texts.found.append("\(column.name) \(column.found)")
        }
        let references: [(name: String, expected: NodeKey, found: NodeKey)] = [
            ("parent", expected.parent, found.parent), ("next", expected.next, found.next),
            ("canonical", expected.canonical, found.canonical),
        ]
        for column in references where column.expected != column.found {
            texts.expected.append("\(column.name) \(try name(ofStored: column.expected))")
            texts.found.append("\(column.name) \(try name(ofStored: column.found))")
        }
        return (texts.expected.joined(separator: ", "), texts.found.joined(separator: ", "))
    }
}

extension Node {
    /// The latest entry that the row says that it was concerned by.
    func latestSequence(upTo last: Int64) -> Int64 {
        let sequences = [
            firstSequence, joinedSequence, order >> 1, identifiedSequence, aliasSequence, revisedSequence,
            canonicalSince, isRoot ? linkedSequence : 0,
        ]
        return sequences.filter { $0 <= last }.max() ?? 0
    }

    /// Takes the place in the forest that another node has.
    fileprivate mutating func takeShape(of other: Node) {
        parent = other.parent
        joinedSequence = other.joinedSequence
        next = other.next
        revisedSequence = other.revisedSequence
        size = other.size
        canonical = other.canonical
        canonicalRank = other.canonicalRank
        canonicalSince = other.canonicalSince
        identifiedCount = other.identifiedCount
        linkedSequence = other.linkedSequence
    }
}
