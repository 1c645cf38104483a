package import IdentityEngine

/// What an amendment changes in a store: found out on a snapshot, before anything is written.
///
/// Every implementation makes one from its own state, and writes what is planned; a preview writes nothing.
package struct AmendmentPlan: Sendable {
    package private(set) var report: AmendmentReport
    /// The last entry of the log that the plan knows.
    let lastSequence: Int64
    /// The roots of the clusters concerned, as they were.
    ///
    /// Whatever happens to a cluster changes the row of its root.
    let roots: [Node]
    /// The rows of the clusters concerned, as they are afterwards.
    private(set) var nodes: [Node]
    /// The links that are switched, in order of sequence.
    let links: [Link]
    /// What they are switched to.
    let isActive: Bool
    /// The pairs that are blocked from then on.
    let blocked: [NodePair]
    /// The pairs whose block goes.
    let lifted: [NodePair]
    /// The nodes that the entry names.
    let namedNodes: [NodeKey]
}

extension AmendmentPlan {
    /// The plan as it is to be written in a later state of the project, in the place and at the time that its entry
    /// gets there.
    ///
    /// Costs a look at the root of each cluster concerned, and no look at their members.
    ///
    /// - Parameters:
    ///   - snapshot: the later state.
    ///   - project: the project.
    ///   - nowMilliseconds: the time that the entry gets, unless the entry before it is later.
    /// - Returns: the plan; nil where it holds no more, because something happened to a cluster, or another amendment
    ///   was made.
    /// - Throws: `StoreError`.
    func brought(
        to snapshot: some StoreSnapshot, in project: ProjectID, nowMilliseconds: Int64
    ) throws(StoreError) -> AmendmentPlan? {
        for root in roots {
            guard try snapshot.node(root.key, in: project) == root else { return nil }
        }
        let last = try snapshot.lastSequence(of: project)
        guard last >= lastSequence else { return nil }
        for verb in [Verb.unmerge, .restore, .unblock] where last > lastSequence {
            let query = LogQuery(after: lastSequence, limit: 1, verb: verb)
            guard try snapshot.logRecords(query, in: project).isEmpty else { return nil }
        }
        var plan = self
        let (planned, sequence) = (report.entry.sequence, last + 1)
        let time = max(nowMilliseconds, try snapshot.leastEntryMilliseconds(of: project))
        plan.report.entry = AmendmentEntry(
            sequence: sequence, timeMilliseconds: time, amendment: report.entry.amendment, ids: report.entry.ids,
            origin: report.entry.origin)
        // No row can have had the planned sequence before: it was beyond the end of the log.
        for place in nodes.indices where planned != sequence {
            plan.nodes[place].revisedSequence = sequence
            plan.nodes[place].linkedSequence = sequence
            if nodes[place].canonicalSince == planned { plan.nodes[place].canonicalSince = sequence }
        }
        return plan
    }
}

extension StoreSnapshot {
    /// What an amendment would do now.
    ///
    /// Costs in proportion to the clusters concerned.
    ///
    /// - Parameters:
    ///   - request: what is asked for.
    ///   - project: the project.
    ///   - system: the project's way of joining ids.
    ///   - origin: who asks.
    ///   - nowMilliseconds: the time that the entry gets, unless the entry before it is later.
    /// - Returns: the plan, or why nothing can be done.
    /// - Throws: `StoreError`.
    package func plan(
        _ request: AmendmentRequest, in project: ProjectID, system: IdentitySystem, origin: EventBatch.Origin,
        nowMilliseconds: Int64
    ) throws(StoreError) -> Result<AmendmentPlan, AmendmentRefusal> {
        let last = try lastSequence(of: project)
        let planner = AmendmentPlanner(
            snapshot: self, project: project, system: system, lastSequence: last,
            timeMilliseconds: max(nowMilliseconds, try leastEntryMilliseconds(of: project)),
            origin: origin)
        return try planner.plan(request)
    }
}

/// Makes a plan from a snapshot.
private struct AmendmentPlanner {
    let snapshot: any StoreSnapshot
    let project: ProjectID
    let system: IdentitySystem
    let lastSequence: Int64
    let timeMilliseconds: Int64
    let origin: EventBatch.Origin

    typealias Planned = Result<AmendmentPlan, AmendmentRefusal>

    private var sequence: Int64 { lastSequence + 1 }
    private var identity: IdentityView { snapshot.identity(of: project) }

    func plan(_ request: AmendmentRequest) throws(StoreError) -> Planned {
        if system == .legacy { return .failure(.legacyProject) }
        switch request {
        case .unmergeLink(let link, let keepsApart): return try unmerge(link: link, keepsApart: keepsApart)
        case .unmergeID(let id, let keepsApart): return try unmerge(id, keepsApart: keepsApart)
        case .unmergeLinks(let links, let target, let named, let keepsApart):
            return try unmerge(links: links, target: target, named, keepsApart: keepsApart)
        case .restore(let unmerge): return try restore(unmerge)
        case .unblock(let a, let b): return try unblock(a, b)
        }
    }

    private func unmerge(link sequence: Int64, keepsApart: Bool) throws(StoreError) -> Planned {
        guard let link = try snapshot.link(sequence, in: project) else {
            return .failure(.noSuchLink(sequence, lastSequence: lastSequence))
        }
        if let revoked = try snapshot.linkStates(of: sequence, in: project).revokedSequence() {
            return .failure(.revokedAlready(link: sequence, by: revoked))
        }
        return .success(try unmerge([link], target: sequence, named: [link.from, link.to], keepsApart: keepsApart))
    }

    private func unmerge(_ id: DistinctID, keepsApart: Bool) throws(StoreError) -> Planned {
        guard let node = try snapshot.node(for: id, in: project) else { return .failure(.unknownID(id)) }
        let links = try identity.links(of: node.key, activeAsOf: .max)
        if links.isEmpty { return .failure(.noActiveLink(id)) }
        return .success(try unmerge(links, target: nil, named: [node.key], keepsApart: keepsApart))
    }

    private func unmerge(
        links sequences: [Int64], target: Int64?, _ ids: [DistinctID], keepsApart: Bool
    ) throws(StoreError) -> Planned {
        var links: [Link] = []
        var revoked: AmendmentRefusal?
        for sequence in sequences {
            guard let link = try snapshot.link(sequence, in: project) else { continue }
            if let by = try snapshot.linkStates(of: sequence, in: project).revokedSequence() {
                revoked = .revokedAlready(link: sequence, by: by)
            } else {
                links.append(link)
            }
        }
        if links.isEmpty {
            return .failure(revoked ?? .noSuchLink(target ?? sequences.first ?? 0, lastSequence: lastSequence))
        }
        var named: [NodeKey] = []
        for id in ids {
            if let node = try snapshot.node(for: id, in: project) { named.append(node.key) }
        }
        return .success(try unmerge(links, target: target, named: named, keepsApart: keepsApart))
    }

    private func unmerge(
        _ links: [Link], target: Int64?, named: [NodeKey], keepsApart: Bool
    ) throws(StoreError) -> AmendmentPlan {
        let members = try members(of: links)
        let gone = Set(links.map(\.sequence))
        let remaining = try activeLinks(of: members).filter { !gone.contains($0.sequence) }
        let revision = try revision(of: members, activeLinks: remaining)
        var parted: [NodePair] = []
        var known: Set<NodePair> = []
        for link in links where keepsApart && !revision.areTogether(link.from, link.to) {
            let pair = NodePair(link.from, link.to)
            if known.insert(pair).inserted { parted.append(pair) }
        }
        let amendment = Amendment.unmerge(
            links: links.map(\.sequence), target: target, keepsApart: keepsApart)
        return try plan(
            amendment, revision, links: links, isActive: false, blocked: parted, lifted: [], named: named)
    }

    private func restore(_ unmerge: Int64) throws(StoreError) -> Planned {
        let record = unmerge > 0 ? try snapshot.logRecord(unmerge, in: project) : nil
        guard case .amendment(let entry) = record, case .unmerge(let sequences, _, _) = entry.amendment else {
            return .failure(.noSuchUnmerge(unmerge, lastSequence: lastSequence))
        }
        var links: [Link] = []
        // What a deletion took is not there any more.
        for sequence in sequences {
            if let link = try snapshot.link(sequence, in: project) { links.append(link) }
        }
        guard let first = links.first else {
            return .failure(.noSuchUnmerge(unmerge, lastSequence: lastSequence))
        }
        let states = try snapshot.linkStates(of: first.sequence, in: project)
        if let restored = states.first(where: { $0.fromSequence > unmerge }) {
            return .failure(.restoredAlready(unmerge: unmerge, by: restored.fromSequence))
        }
        let members = try members(of: links)
        let active = try activeLinks(of: members)
        if let taken = IdentityIndex.unrestorable(links, activeLinks: active) {
            return .failure(.deviceTaken(link: taken.sequence, device: try identity.id(of: taken.from)))
        }
        let all = (active + links).sorted { $0.sequence < $1.sequence }
        let revision = try revision(of: members, activeLinks: all)
        var lifted: [NodePair] = []
        var known: Set<NodePair> = []
        for link in links {
            let pair = NodePair(link.from, link.to)
            guard known.insert(pair).inserted, try snapshot.block(of: pair, in: project)?.sequence == unmerge else {
                continue
            }
            lifted.append(pair)
        }
        var named: [NodeKey] = []
        for id in entry.ids {
            if let node = try snapshot.node(for: id, in: project) { named.append(node.key) }
        }
        return .success(
            try plan(
                .restore(unmerge: unmerge, links: links.map(\.sequence)), revision, links: links, isActive: true,
                blocked: [], lifted: lifted, named: named))
    }

    private func unblock(_ a: DistinctID, _ b: DistinctID) throws(StoreError) -> Planned {
        guard let first = try snapshot.node(for: a, in: project) else { return .failure(.unknownID(a)) }
        guard let second = try snapshot.node(for: b, in: project) else { return .failure(.unknownID(b)) }
        let pair = NodePair(first.key, second.key)
        guard try snapshot.block(of: pair, in: project) != nil else { return .failure(.noSuchBlock) }
        return .success(
            try plan(
                .unblock, try revision(of: [], activeLinks: []), links: [], isActive: false,
                blocked: [], lifted: [pair], named: [first.key, second.key]))
    }

    private func revision(of members: [Node], activeLinks: [Link]) throws(StoreError) -> Revision {
        do throws(NodeFault) {
            return try Revision(of: members, activeLinks: activeLinks, sequence: sequence)
        } catch {
            throw .damaged(error)
        }
    }

    private func members(of links: [Link]) throws(StoreError) -> [Node] {
        var members: [Node] = []
        var known: Set<NodeKey> = []
        for key in links.flatMap({ [$0.from, $0.to] }) where !known.contains(key) {
            let node = try identity.existing(key)
            try identity.forEachMember(ofRoot: try identity.root(of: node)) { member in
                if known.insert(member.key).inserted { members.append(member) }
                return true
            }
        }
        return members.sorted { $0.key < $1.key }
    }

    /// Every active link between the members, in order of sequence: each link begins at one of them.
    private func activeLinks(of members: [Node]) throws(StoreError) -> [Link] {
        var links: [Link] = []
        for member in members {
            links += try identity.links(of: member.key, activeAsOf: .max).lazy.filter { $0.from == member.key }
        }
        return links.sorted { $0.sequence < $1.sequence }
    }

    private func plan(
        _ amendment: Amendment, _ revision: Revision, links: [Link], isActive: Bool, blocked: [NodePair],
        lifted: [NodePair], named: [NodeKey]
    ) throws(StoreError) -> AmendmentPlan {
        let entry = AmendmentEntry(
            sequence: sequence, timeMilliseconds: timeMilliseconds, amendment: amendment,
            ids: try ids(of: named), origin: origin)
        var moved: [MovedID] = []
        let before = try clusters(revision.clustersBefore, revision.before)
        let after = try clusters(revision.clusters, revision.after)
        var from: [DistinctID: DistinctID] = [:]
        for cluster in before { for member in cluster.members { from[member] = cluster.canonicalID } }
        for cluster in after {
            for member in cluster.members {
                guard let former = from[member], former != cluster.canonicalID else { continue }
                moved.append(MovedID(id: member, from: former, to: cluster.canonicalID))
            }
        }
        var namedLinks: [AmendmentReport.NamedLink] = []
        for link in links {
            namedLinks.append(
                AmendmentReport.NamedLink(
                    link: link, from: try identity.id(of: link.from), to: try identity.id(of: link.to),
                    isTogether: revision.areTogether(link.from, link.to)))
        }
        var blocks: [[DistinctID]] = []
        for pair in blocked + lifted { blocks.append(try ids(of: [pair.low, pair.high])) }
        return AmendmentPlan(
            report: AmendmentReport(
                entry: entry, links: namedLinks, before: before, after: after, moved: moved, blocks: blocks),
            lastSequence: lastSequence, roots: revision.before.filter(\.isRoot), nodes: revision.after, links: links,
            isActive: isActive, blocked: blocked, lifted: lifted,
            namedNodes: named)
    }

    private func ids(of keys: [NodeKey]) throws(StoreError) -> [DistinctID] {
        var ids: [DistinctID] = []
        for key in keys { ids.append(try identity.id(of: key)) }
        return ids
    }

    private func clusters(
        _ clusters: [[Int]], _ nodes: [Node]
    ) throws(StoreError) -> [AmendmentReport.Cluster] {
        let ids = Dictionary(nodes.map { ($0.key, $0.id) }) { $1 }
        return clusters.compactMap { places in
            guard let root = places.first(where: { nodes[$0].isRoot }), let canonical = ids[nodes[root].canonical]
            else { return nil }
            return AmendmentReport.Cluster(canonicalID: canonical, members: places.map { nodes[$0].id })
        }
    }
}
