package import IdentityEngine

/// Why two ids are one someone, or why they are two.
package struct Explanation: Hashable, Sendable {
    /// A link of a chain, with its ends by name and the entry that made it.
    package struct Step: Hashable, Sendable {
        package let link: Link
        package let from: DistinctID
        package let to: DistinctID
        /// Nil only where a deletion took it.
        package let entry: LogEntry?
    }

    /// A link that was taken back, with its ends by name.
    package struct PartedLink: Hashable, Sendable {
        package let link: Link
        package let from: DistinctID
        package let to: DistinctID
        /// The sequence of the unmerge.
        package let revoked: Int64
    }

    package let from: DistinctID
    package let to: DistinctID
    /// The project's way of joining ids.
    package let system: IdentitySystem
    /// Whether it is about an earlier moment.
    package let isPast: Bool
    /// What each of the two resolves to.
    package let resolved: [ResolvedID]
    /// The shortest chain of links between them, none for one and the same id; nil where they are two.
    package let path: [Step]?
    /// Every refused operation that names one of them, in order; only where they are two.
    package let refusals: [LogEntry]
    /// Where to go on where there are more refusals: the sequence of the last one.
    package let next: Int64?
    /// The links that unmerges took back, of the chain that would join them with the fewest of these; only where they
    /// are two.
    package let parted: [PartedLink]
    /// The unmerge that parted them on purpose, while its block stands; not of the past.
    package let block: Block?
    /// What would join them now, and what would not; only where they are two, and not of the past.
    package let trials: [Preview.Statement]
}

extension StoreSnapshot {
    /// Explains two ids.
    ///
    /// - Parameters:
    ///   - from: one id.
    ///   - to: the other.
    ///   - project: the project.
    ///   - rules: the project's rules.
    ///   - sequence: the last entry that counts; nil for now.
    ///   - after: only refusals after this sequence.
    ///   - limit: the most refusals.
    /// - Returns: the explanation.
    /// - Throws: `StoreError`.
    package func explanation(
        from: DistinctID, to: DistinctID, in project: ProjectID, by rules: MergeRules, asOf sequence: Int64?,
        refusalsAfter after: Int64, limit: Int
    ) throws(StoreError) -> Explanation {
        let identity = identity(of: project)
        let asOf = sequence ?? .max
        let resolved = [try identity.resolve(from, asOf: asOf), try identity.resolve(to, asOf: asOf)]
        let path = try chain(from: from, to: to, in: project, asOf: asOf)
        var refusals: [LogEntry] = []
        if path == nil {
            for id in [from, to] {
                let query = LogQuery(after: after, limit: limit + 1, distinctID: id, outcomes: [.refused])
                refusals += try logEntries(query, in: project).lazy.filter { $0.sequence <= asOf }
            }
            refusals = Dictionary(grouping: refusals, by: \.sequence).values.map { $0[0] }
            refusals.sort { $0.sequence < $1.sequence }
        }
        let nodes = (try node(for: from, in: project), try node(for: to, in: project))
        var block: Block?
        if case (let first?, let second?) = nodes, sequence == nil {
            block = try self.block(of: NodePair(first.key, second.key), in: project)
        }
        let isNow = sequence == nil && path == nil
        return Explanation(
            from: from, to: to, system: rules.system, isPast: sequence != nil, resolved: resolved, path: path,
            refusals: Array(refusals.prefix(limit)),
            next: refusals.count > limit ? refusals[limit - 1].sequence : nil,
            parted: path == nil ? try partedLinks(from: nodes.0, to: nodes.1, in: project, asOf: asOf) : [],
            block: block,
            trials: isNow ? try trials(from, to, in: project, by: rules) : [])
    }

    private func chain(
        from: DistinctID, to: DistinctID, in project: ProjectID, asOf sequence: Int64
    ) throws(StoreError) -> [Explanation.Step]? {
        if from == to { return [] }
        let identity = identity(of: project)
        guard let start = try node(for: from, in: project), let end = try node(for: to, in: project),
            start.firstSequence <= sequence, end.firstSequence <= sequence,
            // Where both were always in clusters of their own, no link need be followed.
            try identity.canonicalNode(of: start, asOf: sequence).key
                == identity.canonicalNode(of: end, asOf: sequence).key,
            let links = try identity.shortestChain(from: start.key, to: end.key, asOf: sequence)
        else { return nil }
        var steps: [Explanation.Step] = []
        for link in links {
            steps.append(
                Explanation.Step(
                    link: link, from: try identity.id(of: link.from), to: try identity.id(of: link.to),
                    entry: try logEntry(link.sequence, in: project)))
        }
        return steps
    }

    /// What parted two nodes, where a chain of links led from one to the other before: the links of the chain with the
    /// fewest that were taken back.
    ///
    /// Costs in proportion to all that was ever linked to one of them.
    private func partedLinks(
        from start: Node?, to end: Node?, in project: ProjectID, asOf sequence: Int64
    ) throws(StoreError) -> [Explanation.PartedLink] {
        guard let start, let end, try !amendmentSequences(in: project, after: 0, limit: 1).isEmpty else { return [] }
        var cameBy: [NodeKey: (former: NodeKey, parted: Explanation.PartedLink?)] = [:]
        var known: Set<NodeKey> = [start.key]
        var queue = [start.key]
        // What is found over links that were taken back waits until there is nothing to find without.
        var next: [(former: NodeKey, parted: Explanation.PartedLink)] = []
        while !known.contains(end.key), !queue.isEmpty {
            while let current = queue.popLast() {
                for link in try links(of: current, in: project) where link.sequence <= sequence {
                    let other = link.from == current ? link.to : link.from
                    guard !known.contains(other) else { continue }
                    let states = try linkStates(of: link.sequence, in: project)
                    if let revoked = states.revokedSequence(asOf: sequence) {
                        next.append((current, try partedLink(link, revoked: revoked, in: project)))
                    } else {
                        known.insert(other)
                        cameBy[other] = (current, nil)
                        queue.append(other)
                    }
                }
            }
            for (former, parted) in next {
                let other = parted.link.from == former ? parted.link.to : parted.link.from
                guard known.insert(other).inserted else { continue }
                cameBy[other] = (former, parted)
                queue.append(other)
            }
            next = []
        }
        var parted: [Explanation.PartedLink] = []
        var current = end.key
        while let (former, link) = cameBy[current] {
            if let link { parted.append(link) }
            current = former
        }
        return parted.reversed()
    }

    private func partedLink(
        _ link: Link, revoked: Int64, in project: ProjectID
    ) throws(StoreError) -> Explanation.PartedLink {
        let identity = identity(of: project)
        return Explanation.PartedLink(
            link: link, from: try identity.id(of: link.from), to: try identity.id(of: link.to), revoked: revoked)
    }

    /// Decides what could be said of the two, each on top of nothing but what is there.
    private func trials(
        _ from: DistinctID, _ to: DistinctID, in project: ProjectID, by rules: MergeRules
    ) throws(StoreError) -> [Preview.Statement] {
        var trials: [Preview.Statement] = []
        for event in Explanation.statements(from, to, system: rules.system) {
            var preview = try Preview(of: project, by: rules, on: self, nowMilliseconds: 0)
            trials.append(try preview.decide(event))
        }
        return trials
    }
}

extension IdentityView {
    /// The id of a node that a link or a block names.
    package func id(of key: NodeKey) throws(StoreError) -> DistinctID { try existing(key).id }
}

extension Explanation {
    /// What can be said of two ids in a project.
    fileprivate static func statements(
        _ a: DistinctID, _ b: DistinctID, system: IdentitySystem
    ) -> [IdentityEvent] {
        func event(_ verb: Verb, _ primary: DistinctID, _ secondary: DistinctID) -> IdentityEvent {
            IdentityEvent(verb: verb, primary: primary, secondary: secondary)
        }
        switch system {
        case .original:
            return [event(.identify, b, a), event(.identify, a, b), event(.alias, b, a), event(.merge, a, b)]
        case .simplified:
            return [event(.device, b, a), event(.device, a, b)].filter { event in
                event.secondary.isDevice && !event.primary.isDevice
            }
        case .legacy:
            return [event(.alias, b, a), event(.alias, a, b)]
        }
    }
}

extension DistinctID {
    /// Whether the id is one of a Simplified project's devices (P 8-1).
    fileprivate var isDevice: Bool { bytes.starts(with: "$device:".utf8) }
}
