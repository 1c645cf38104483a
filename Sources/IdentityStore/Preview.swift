package import IdentityEngine

/// What batches would come to if they were committed: decided over one snapshot, and stored nowhere.
///
/// It is a copy-on-write overlay: what a statement names is loaded from the snapshot when it is first named, and the
/// preview's own state of it counts from then on. Statements are decided by the code of commits. No sequence is taken,
/// and no node key: the ids that the snapshot does not know have keys that no store gives. What is kept in memory is
/// each id that a statement names and the way to its root, whatever the size of its cluster.
package struct Preview {
    /// The last sequence of the snapshot's log.
    package let sequence: Int64
    /// Statements by what became of them.
    package private(set) var counts = Counts()

    private let snapshot: any StoreSnapshot
    private let project: ProjectID
    private var plan: CommitPlan
    /// The root that each loaded node has in the snapshot.
    private var originalRoots: [NodeKey: NodeKey] = [:]
    /// Those roots, as the snapshot has them.
    private var originals: [NodeKey: Node] = [:]
    /// The pairs whose blocks were looked up: a `$merge` may have lifted one since.
    private var examinedPairs: Set<NodePair> = []
    /// The original clusters that a link was made in, in the order of the first of them.
    private var linkedRoots: [NodeKey] = []
    private var isLinked: Set<NodeKey> = []

    /// Beyond all keys that a store gives in its life.
    private static let firstNewKey: NodeKey = 1 << 62

    /// A preview before its first batch.
    ///
    /// - Parameters:
    ///   - project: the project that all events belong to.
    ///   - rules: the conditions under which it joins ids.
    ///   - snapshot: what is there.
    ///   - nowMilliseconds: the time of the statements.
    /// - Throws: `StoreError` where the snapshot cannot be read.
    package init(
        of project: ProjectID, by rules: MergeRules, on snapshot: any StoreSnapshot, nowMilliseconds: Int64
    ) throws(StoreError) {
        self.snapshot = snapshot
        self.project = project
        sequence = try snapshot.lastSequence(of: project)
        let state = CommitPlan.ProjectState(
            id: project, rules: rules, index: IdentityIndex(), lastSequence: sequence, leastEntryMilliseconds: .min)
        plan = CommitPlan(projects: [state], nextKey: Self.firstNewKey, nowMilliseconds: nowMilliseconds)
    }
}

extension Preview {
    /// Statements by what became of them.
    package struct Counts: Hashable, Sendable {
        package var merged: Int
        /// With those of a Simplified project that repeat what is known, and that no log has (P 8-3).
        package var unchanged: Int
        package var refused: Int
        /// Simplified events whose device and user are not joined (P 8-3).
        package var conflicts: Int

        package init(merged: Int = 0, unchanged: Int = 0, refused: Int = 0, conflicts: Int = 0) {
            self.merged = merged
            self.unchanged = unchanged
            self.refused = refused
            self.conflicts = conflicts
        }
    }

    /// What would become of one statement.
    package struct Statement: Hashable, Sendable {
        /// The place of its event in the batch.
        package let position: Int
        package let event: IdentityEvent
        package let decision: Decision
        /// The text of `$failure_description`; nil where nothing is refused.
        package let failureDescription: String?
        /// The canonical ids of the two clusters that it joins, the primary's first, where both hold an identified id;
        /// empty elsewhere.
        package let joinedIdentified: [DistinctID]
    }

    /// Decides the events of a batch, in order, on top of what was decided before.
    ///
    /// - Parameter batch: the events, of the preview's project.
    /// - Returns: what became of each event that makes a statement.
    /// - Throws: `StoreError` where the snapshot cannot be read.
    package mutating func decide(_ batch: EventBatch) throws(StoreError) -> [Statement] {
        var statements: [Statement] = []
        for (position, event) in batch.events.enumerated() where event.verb != nil {
            guard let event = batch.identityEvent(of: event) else { continue }
            statements.append(try decide(event, at: position, origin: batch.origin))
        }
        return statements
    }

    /// Decides one statement.
    ///
    /// - Parameters:
    ///   - event: the statement.
    ///   - position: the place of its event in its batch.
    ///   - origin: who makes it.
    /// - Returns: what became of it.
    /// - Throws: `StoreError` where the snapshot cannot be read.
    mutating func decide(
        _ event: IdentityEvent, at position: Int = 0, origin: EventBatch.Origin = .command
    ) throws(StoreError) -> Statement {
        try load(event.primary)
        try load(event.secondary)
        try loadPair(of: event)
        let (primary, secondary) = (root(of: event.primary), root(of: event.secondary))
        let decision = plan.decide(event, slot: 0, origin: origin).decision
        count(decision)
        if let link = decision.link {
            noteLink(at: link.to)
            noteLink(at: link.from)
        }
        var joined: [DistinctID] = []
        if decision.outcome == .merged, let primary, let secondary,
            primary.identifiedCount > 0, secondary.identifiedCount > 0
        {
            for key in [primary.canonical, secondary.canonical] { joined.append(try stored(key).id) }
        }
        return Statement(
            position: position, event: event, decision: decision,
            failureDescription: decision.refusal?.failureDescription(
                of: event, clusterSize: decision.clusterSize, maxClusterSize: plan.projects[0].rules.maxClusterSize),
            joinedIdentified: joined)
    }

    private mutating func count(_ decision: Decision) {
        switch decision.outcome {
        case .merged: counts.merged += 1
        case .unchanged: counts.unchanged += 1
        case .refused where decision.conflict != nil: counts.conflicts += 1
        case .refused: counts.refused += 1
        }
    }

    private func root(of id: DistinctID) -> Node? {
        plan.projects[0].index.node(for: id).map { plan.projects[0].index.root(of: $0.key) }
    }

    /// Loads an id's node, if the snapshot has one, and the way up to its root.
    private mutating func load(_ id: DistinctID) throws(StoreError) {
        guard plan.projects[0].index.node(for: id) == nil, var node = try snapshot.node(for: id, in: project) else {
            return
        }
        let isLegacy = plan.projects[0].rules.system == .legacy
        guard isLegacy || !node.isWithoutPlace else { throw failure(.place(node.key)) }
        var way: [NodeKey] = []
        // Where the way meets a node that is loaded, the rest of it is too.
        while originalRoots[node.key] == nil {
            plan.projects[0].index.admit(node)
            way.append(node.key)
            if node.isRoot {
                guard node.isSoundRoot else { throw failure(.way(node.key)) }
                originals[node.key] = node
                break
            }
            let parent = try stored(node.parent, original: true)
            guard node.isJoined(under: parent) else { throw failure(.way(node.key)) }
            node = parent
        }
        let root = originalRoots[node.key] ?? node.key
        for key in way { originalRoots[key] = root }
    }

    /// Loads the active link and the block of a pair that the snapshot has.
    private mutating func loadPair(of event: IdentityEvent) throws(StoreError) {
        guard let primary = plan.projects[0].index.node(for: event.primary)?.key,
            let secondary = plan.projects[0].index.node(for: event.secondary)?.key,
            primary != secondary, max(primary, secondary) < Self.firstNewKey
        else { return }
        let statement = LinkStatement(verb: event.verb, from: secondary, to: primary)
        if !plan.projects[0].index.hasActiveLink(statement), try snapshot.hasActiveLink(statement, in: project) {
            plan.projects[0].index.admit(activeLink: statement)
        }
        let pair = NodePair(primary, secondary)
        if examinedPairs.insert(pair).inserted, try snapshot.block(of: pair, in: project) != nil {
            plan.projects[0].index.admit(blockedPair: NodePair(primary, secondary))
        }
    }

    private mutating func noteLink(at key: NodeKey) {
        let root = originalRoots[key] ?? key
        if isLinked.insert(root).inserted { linkedRoots.append(root) }
    }

    private func stored(_ key: NodeKey, original: Bool = false) throws(StoreError) -> Node {
        let node = original ? try snapshot.node(key, in: project) : try self.node(key)
        guard let node else { throw failure(.missing(key)) }
        return node
    }
}

/// The clusters as they would be.
extension Preview: NodeSource {
    package typealias Failure = StoreError

    package func failure(_ fault: NodeFault) -> StoreError { .damaged(fault) }

    package func node(for id: DistinctID) throws(StoreError) -> Node? {
        if let node = plan.projects[0].index.node(for: id) { return node }
        return try snapshot.node(for: id, in: project)
    }

    package func node(_ key: NodeKey) throws(StoreError) -> Node? {
        if let node = plan.projects[0].index.node(key) { return node }
        return key < Self.firstNewKey ? try snapshot.node(key, in: project) : nil
    }
}

extension Preview {
    /// A cluster in a few words.
    package struct Summary: Hashable, Sendable {
        package let canonicalID: DistinctID
        package let size: Int64

        package init(canonicalID: DistinctID, size: Int64) {
            self.canonicalID = canonicalID
            self.size = size
        }
    }

    /// A cluster that would be larger, or have another canonical id.
    package struct Change: Hashable, Sendable {
        /// The clusters that it is made of, in the order in which statements name them; no more than were asked for.
        ///
        /// An id that the snapshot does not know is a cluster of its own.
        package let before: [Summary]
        package let after: Summary
        /// Its ids, in no order; no more than were asked for.
        package let members: [DistinctID]
        /// Whether there are more clusters before or more members than are here.
        package let isTruncated: Bool
    }

    /// The most of each that a list of changes has.
    package struct Limits: Sendable {
        package var changes: Int
        /// Clusters before, of one change.
        package var parts: Int
        /// Members of one cluster.
        package var members: Int
        /// Clusters before and members, of all changes.
        package var total: Int

        package init(changes: Int, parts: Int, members: Int, total: Int) {
            self.changes = changes
            self.parts = parts
            self.members = members
            self.total = total
        }
    }

    /// The clusters that would change.
    ///
    /// - Parameters:
    ///   - limits: how much of them is wanted.
    ///   - largestFirst: whether the largest come first, rather than those that are named first.
    /// - Returns: the changes, and how many there are without the limits.
    /// - Throws: `StoreError` where the snapshot cannot be read.
    package func changes(
        _ limits: Limits, largestFirst: Bool = false
    ) throws(StoreError) -> (list: [Change], count: Int) {
        let index = plan.projects[0].index
        var parts: [NodeKey: [NodeKey]] = [:]
        var roots: [Node] = []
        for key in linkedRoots {
            let root = index.root(of: key)
            if parts[root.key, default: []].isEmpty { roots.append(root) }
            parts[root.key, default: []].append(key)
        }
        // A link between two ids that were together may give them another canonical id, or change nothing.
        roots.removeAll { root in
            parts[root.key]?.count == 1 && originals[parts[root.key]?.first ?? 0]?.canonical == root.canonical
        }
        if largestFirst { roots.sort { $0.size > $1.size } }
        var list: [Change] = []
        var left = limits.total
        for root in roots.prefix(limits.changes) {
            let change = try self.change(to: root, from: parts[root.key] ?? [], limits, left)
            left -= change.before.count + change.members.count
            list.append(change)
        }
        return (list, roots.count)
    }

    private func change(
        to root: Node, from parts: [NodeKey], _ limits: Limits, _ left: Int
    ) throws(StoreError) -> Change {
        var before: [Summary] = []
        for key in parts.prefix(min(limits.parts, left)) {
            if let original = originals[key] {
                before.append(try summary(of: original))
            } else {
                before.append(Summary(canonicalID: try stored(key).id, size: 1))
            }
        }
        let wanted = min(limits.members, left - before.count)
        var members: [DistinctID] = []
        if wanted > 0 {
            try forEachMember(ofRoot: root) { member in
                members.append(member.id)
                return members.count < wanted
            }
        }
        return Change(
            before: before, after: try summary(of: root), members: members,
            isTruncated: before.count < parts.count || members.count < root.size)
    }

    /// The largest of the clusters that statements name, as it would be; nil where none names any.
    ///
    /// - Throws: `StoreError` where the snapshot cannot be read.
    package func largestCluster() throws(StoreError) -> Summary? {
        let roots = plan.projects[0].index.allNodes.lazy.filter(\.isRoot)
        guard let largest = roots.max(by: { $0.size < $1.size }) else { return nil }
        return try summary(of: largest)
    }

    private func summary(of root: Node) throws(StoreError) -> Summary {
        Summary(canonicalID: try stored(root.canonical).id, size: root.size)
    }
}
