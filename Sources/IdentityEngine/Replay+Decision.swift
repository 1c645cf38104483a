extension Replay {
    /// What the rules say of an entry in the state before it, which is the state here.
    ///
    /// - Parameter entry: the next entry of the log.
    /// - Returns: the decision; nil where a deletion took what it rests on.
    package func decision(anew entry: LogEntry) -> Decision? {
        var rules = rules
        rules.maxClusterSize = entry.maxClusterSize
        var part = IdentityIndex(nextKey: index.nextKey)
        var keys: [NodeKey] = []
        for id in [entry.event.secondary, entry.event.primary] {
            guard var slot = index.slot(for: id) else { continue }
            if !frayed.isEmpty, frayed.contains(index.node(at: slot).key) { return nil }
            keys.append(index.node(at: slot).key)
            part.admit(index.node(at: slot))
            while !index.node(at: slot).isRoot {
                slot = index.slot(of: index.node(at: slot).parent)
                part.admit(index.node(at: slot))
            }
        }
        if keys.count == 2, keys[0] != keys[1] {
            let statement = LinkStatement(verb: entry.event.verb, from: keys[0], to: keys[1])
            if index.hasActiveLink(statement) { part.admit(activeLink: statement) }
            if index.isBlocked(keys[0], keys[1]) { part.admit(blockedPair: NodePair(keys[0], keys[1])) }
        }
        return part.decide(
            entry.event, by: rules, sequence: entry.sequence, timeMilliseconds: entry.timeMilliseconds)
    }
}
