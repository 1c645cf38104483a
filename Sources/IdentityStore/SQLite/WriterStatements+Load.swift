import IdentityEngine

extension WriterStatements {
    /// The key that the next new node gets: keys are numbered over all projects, and never given twice.
    func nextKey() throws(StoreError) -> NodeKey {
        defer { lastKey.reset() }
        return try lastKey.step() ? lastKey.integer(0) + 1 : 1
    }

    /// A project's state for a plan: its place in its log, and what its events name.
    func load(_ project: NamedProject, nextKey: NodeKey) throws(StoreError) -> CommitPlan.ProjectState {
        var state = CommitPlan.ProjectState(
            id: project.id, rules: project.rules, index: IdentityIndex(nextKey: nextKey), lastSequence: 0,
            leastEntryMilliseconds: .min)
        try lastSequence.bind(1, project.id.rawValue)
        if try lastSequence.step() {
            state.lastSequence = lastSequence.integer(0)
            lastSequence.reset()
        }
        try leastEntryTime.bind(1, project.id.rawValue)
        state.leastEntryMilliseconds = try leastEntryTime.first { $0.integer(0) } ?? .min
        for id in project.ids { try admit(id, to: &state) }
        let hasBlocks = project.statements.isEmpty ? false : try isThereABlock()
        var stated: Set<LinkStatement> = []
        for statement in project.statements {
            let event = statement.event
            if event.primary == event.secondary { try admitEntry(shownBy: statement.key, to: &state) }
            guard let primary = state.index.node(for: event.primary)?.key,
                let secondary = state.index.node(for: event.secondary)?.key, primary != secondary
            else { continue }
            let link = LinkStatement(verb: event.verb, from: secondary, to: primary)
            try admitLink(link, to: &state)
            if hasBlocks { try admitBlock(of: NodePair(primary, secondary), to: &state) }
            // Only a statement whose link is there, or is made by one before it, can change nothing.
            let isRepeated = !stated.insert(link).inserted || state.index.hasActiveLink(link)
            if isRepeated { try admitEntry(shownBy: statement.key, to: &state) }
        }
        return state
    }

    /// Loads the entry of the log that a stored event shows, if there is one.
    private func admitEntry(shownBy key: EventKey?, to state: inout CommitPlan.ProjectState) throws(StoreError) {
        guard let key else { return }
        let hash = (key.hashHigh.bigEndian, key.hashLow.bigEndian)
        try withUnsafeBytes(of: hash) { hash throws(StoreError) in
            try entryOfEvent.bind(1, state.id.rawValue)
            try entryOfEvent.bind(2, key.timeMilliseconds)
            try entryOfEvent.bind(3, inPlace: hash)
            guard try entryOfEvent.step() else { return }
            defer { entryOfEvent.reset() }
            if let entry = try entryOfEvent.record().entry { state.admit(entry, shownBy: key) }
        }
    }

    /// Loads an id's node, if it has one, and the way up to its root.
    ///
    /// A Legacy project's events are filed under the id of the root's canonical node, so that is loaded there as well.
    private func admit(_ id: DistinctID, to state: inout CommitPlan.ProjectState) throws(StoreError) {
        guard var node = try node(for: id, in: state) else { return }
        state.index.admit(node)
        while !node.isRoot { node = try admit(node.parent, to: &state) }
        if state.rules.system == .legacy { _ = try admit(node.canonical, to: &state) }
    }

    private func node(for id: DistinctID, in state: CommitPlan.ProjectState) throws(StoreError) -> Node? {
        if let node = state.index.node(for: id) { return node }
        return try id.bytes.withBytes { bytes throws(StoreError) in
            try identityByID.bind(1, state.id.rawValue)
            try identityByID.bind(2, inPlace: bytes)
            return try identityByID.first { row in row.node() }
        }
    }

    private func admit(_ key: NodeKey, to state: inout CommitPlan.ProjectState) throws(StoreError) -> Node {
        if let node = state.index.node(key) { return node }
        try identityByKey.bind(1, key)
        try identityByKey.bind(2, state.id.rawValue)
        guard try identityByKey.step() else {
            throw StoreError(
                .corrupt, "An id of the store belongs to a cluster that is not there. Restore it from a backup.",
                cause: "table identity, key \(key)")
        }
        let node = identityByKey.node()
        identityByKey.reset()
        state.index.admit(node)
        return node
    }

    private func admitLink(
        _ statement: LinkStatement, to state: inout CommitPlan.ProjectState
    ) throws(StoreError) {
        try activeLink.bind(1, state.id.rawValue)
        try activeLink.bind(2, statement.from)
        try activeLink.bind(3, statement.to)
        try activeLink.bind(4, Int64(statement.verb.rawValue))
        guard try activeLink.step() else { return }
        activeLink.reset()
        state.index.admit(activeLink: statement)
    }

    private func isThereABlock() throws(StoreError) -> Bool {
        defer { anyBlock.reset() }
        return try anyBlock.step()
    }

    private func admitBlock(
        of pair: NodePair, to state: inout CommitPlan.ProjectState
    ) throws(StoreError) {
        try blockOfPair.bind(pair, of: state.id)
        guard try blockOfPair.step() else { return }
        blockOfPair.reset()
        state.index.admit(blockedPair: pair)
    }
}
