import IdentityEngine

extension WriterStatements {
    /// The key that the next new node gets: keys are numbered over all projects, and never given twice.
    func nextKey() throws(StoreError) -> NodeKey {
        try (lastKey.first { $0.integer(0) } ?? 0) + 1
    }

    /// A project's state for a plan: its place in its log, and what its events name.
    func load(_ project: NamedProject, nextKey: NodeKey) throws(StoreError) -> CommitPlan.ProjectState {
        var state = CommitPlan.ProjectState(
            id: project.id, rules: project.rules, index: IdentityIndex(nextKey: nextKey), lastSequence: 0,
            leastEntryMilliseconds: .min)
        try lastSequence.bind(1, project.id.rawValue)
        state.lastSequence =
            try lastSequence.first { row throws(StoreError) in
                try row.number(0, in: StoredNumber.counted, of: "log", 0)
            } ?? 0
        try leastEntryTime.bind(1, project.id.rawValue)
        state.leastEntryMilliseconds =
            try leastEntryTime.first { row throws(StoreError) in try row.leastEntryMilliseconds() } ?? .min
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
        let isLegacy = state.rules.system == .legacy
        guard isLegacy || !node.isWithoutPlace else { throw .damaged(.place(node.key)) }
        state.index.admit(node)
        while !node.isRoot {
            let parent = try self.node(node.parent, in: state)
            guard node.isJoined(under: parent) else { throw .damaged(.way(node.key)) }
            state.index.admit(parent)
            node = parent
        }
        guard node.isSoundRoot else { throw .damaged(.way(node.key)) }
        guard isLegacy else { return }
        let canonical = try self.node(node.canonical, in: state)
        guard node.isRepresented(by: canonical) else { throw .damaged(.canonical(node.key)) }
        state.index.admit(canonical)
    }

    private func node(for id: DistinctID, in state: CommitPlan.ProjectState) throws(StoreError) -> Node? {
        if let node = state.index.node(for: id) { return node }
        return try id.bytes.withBytes { bytes throws(StoreError) in
            try identityByID.bind(1, state.id.rawValue)
            try identityByID.bind(2, inPlace: bytes)
            return try identityByID.first { row throws(StoreError) in try row.node() }
        }
    }

    /// A node that another one names.
    private func node(_ key: NodeKey, in state: CommitPlan.ProjectState) throws(StoreError) -> Node {
        if let node = state.index.node(key) { return node }
        try identityByKey.bind(1, key)
        try identityByKey.bind(2, state.id.rawValue)
        guard let node = try identityByKey.first({ row throws(StoreError) in try row.node() }) else {
            throw .damaged(.missing(key))
        }
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
