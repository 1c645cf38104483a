package import IdentityEngine

/// What a group of requests changes in a store: decided in order, before anything is written.
///
/// Every implementation fills the projects with what `NamedProject` asks for, calls `decide`, and writes what is
/// planned, so that all of them agree on sequences, times, filing and outcomes. Nothing here can fail.
package struct CommitPlan {
    /// The projects that the group names, with their state before `decide`, and after it the state to keep.
    package var projects: [ProjectState]
    /// The key that the next new node of any project gets.
    package private(set) var nextKey: NodeKey
    /// One row for each event of the group, in order.
    package private(set) var rows: [EventRow] = []
    /// How many of the rows are of each project.
    package private(set) var eventCounts: [Int]
    /// One row for each update of a profile, in order.
    package private(set) var profileRows: [ProfileRow] = []
    /// What goes into the logs, in order.
    package private(set) var entries: [Entry] = []
    /// One result for each submission of the group.
    package private(set) var results: [CommitResult] = []

    private let nowMilliseconds: Int64
    private var slots: [ProjectID: Int] = [:]

    /// A plan before its first decision.
    ///
    /// - Parameters:
    ///   - projects: every project that the group names, once.
    ///   - nextKey: the key that the next new node gets.
    ///   - nowMilliseconds: the time that log entries get, unless an entry before them is later.
    package init(projects: [ProjectState], nextKey: NodeKey, nowMilliseconds: Int64) {
        self.projects = projects
        self.nextKey = nextKey
        self.nowMilliseconds = nowMilliseconds
        eventCounts = projects.map { _ in 0 }
        for (slot, project) in projects.enumerated() { slots[project.id] = slot }
    }
}

extension CommitPlan {
    /// What decisions need of one project.
    package struct ProjectState {
        /// The project.
        package let id: ProjectID
        /// The conditions under which it joins ids.
        package let rules: MergeRules
        /// The nodes, links and blocks that the group's events name, or more.
        package var index: IdentityIndex
        /// The last sequence of the log; 0 where it is empty.
        package var lastSequence: Int64
        /// The earliest time that the next entry may get.
        package var leastEntryMilliseconds: Int64
        /// What the log says of events that are stored, by their keys.
        private var recorded: [EventKey: LogEntry] = [:]

        /// A project as a store has it.
        package init(
            id: ProjectID, rules: MergeRules, index: IdentityIndex, lastSequence: Int64, leastEntryMilliseconds: Int64
        ) {
            self.id = id
            self.rules = rules
            self.index = index
            self.lastSequence = lastSequence
            self.leastEntryMilliseconds = leastEntryMilliseconds
        }

        /// Takes up the entry of the log that an event which is stored shows.
        ///
        /// An event that shows a refusal gets a new entry where it is not refused any more.
        package mutating func admit(_ entry: LogEntry, shownBy key: EventKey) {
            recorded[key] = entry.refusal == nil ? entry : nil
        }

        /// The entry that an event shows, where that says all that would be said of it again; nil elsewhere.
        func repeated(_ event: IdentityEvent, _ decision: Decision, key: EventKey?) -> LogEntry? {
            guard let key, decision.outcome == .unchanged, decision.link == nil, let entry = recorded[key],
                entry.event == event
            else { return nil }
            return entry
        }
    }

    /// An event as it is to be stored: where it is in the group, and what the plan adds to it.
    package struct EventRow {
        /// Which submission of the group it is in.
        package let submission: Int
        /// Its place in that submission's events.
        package let position: Int
        /// The place of the event's project in `projects`.
        package let slot: Int
        /// The place of the event in its project.
        package let key: EventKey
        /// The id to file it under, where a Legacy project's alias map says another than the event (P 9-2).
        package let filedID: DistinctID?
        /// The sequence of the log entry that the event makes, or, where it is a copy of one that is stored and
        /// changes nothing, of the entry that is there; 0 for a plain event.
        package let sequence: Int64
        /// Why the event's device and its user were not joined (P 8-3).
        package let conflict: MergeRefusal?
    }

    /// An update of a profile as it is to be applied: where it is in the group, and what the plan adds to it.
    package struct ProfileRow {
        /// Which submission of the group it is in.
        package let submission: Int
        /// Its place in that submission's updates.
        package let position: Int
        /// The id whose profile it changes: the one as sent, or what a Legacy project's alias map says (P 9-2); nil
        /// for a group.
        package let id: DistinctID?
        /// The root of the cluster that the id is in by then; 0 where it is alone.
        package let root: NodeKey
        /// The latest link of that cluster; 0 where it is alone.
        package let linkedSequence: Int64
    }

    /// A log entry to be stored, with the link that it makes and the nodes that it names.
    package struct Entry {
        /// The place of the entry's project in `projects`.
        package let slot: Int
        /// The entry itself.
        package let entry: LogEntry
        /// The link that it makes; nil where it makes none.
        package let link: Link?
        /// What that changes of canonical ids; nil where it changes none.
        package let change: CanonicalChange?
        /// The keys of the ids that have a node by then: none, one, or two that differ.
        package let nodes: [NodeKey]
    }
}

extension CommitPlan {
    /// Decides the events of a group, in order.
    ///
    /// - Parameters:
    ///   - group: the requests, whose projects are all in `projects`.
    ///   - hashes: where events without an insert id get their hashes from.
    package mutating func decide(_ group: [EventBatch], generating hashes: inout GeneratedHashes) {
        rows.reserveCapacity(group.reduce(0) { $0 + $1.events.count })
        results.reserveCapacity(group.count)
        var named: [[Int]] = []
        for (submission, batch) in group.enumerated() {
            results.append(CommitResult())
            named.append(
                batch.bytes.withUnsafeBytes { decide(batch, $0, submission: submission, generating: &hashes) })
        }
        // What a commit can see is the same for all its submissions: the state after the last of them.
        for (submission, slots) in named.enumerated() {
            for slot in slots { results[submission].lastSequences[projects[slot].id] = projects[slot].lastSequence }
        }
    }

    /// Decides the events of one submission.
    ///
    /// - Returns: the slots of the projects that it names.
    private mutating func decide(
        _ batch: EventBatch, _ arena: UnsafeRawBufferPointer, submission: Int,
        generating hashes: inout GeneratedHashes
    ) -> [Int] {
        var named: [Int] = []
        var current: (project: ProjectID, slot: Int)?
        for position in batch.events.indices {
            let event = batch.events[position]
            if current?.project != event.project {
                let slot = slot(of: event.project)
                current = (event.project, slot)
                if !named.contains(slot) { named.append(slot) }
            }
            guard let slot = current?.slot else { continue }
            var sequence: Int64 = 0
            var conflict: MergeRefusal?
            var filedID: DistinctID?
            if projects[slot].rules.system == .legacy, !batch.isTrusted {
                filedID = mappedID(of: event, in: batch, slot: slot)
            }
            let sharedKey = event.sharedKey(arena)
            if event.verb != nil, let identity = batch.identityEvent(of: event) {
                let verdict = decide(
                    identity, slot: slot, origin: batch.origin, key: sharedKey, isStoredAlready: event.isStoredAlready)
                results[submission].count(verdict.decision)
                conflict = verdict.decision.conflict
                sequence = verdict.sequence
                if let entry = verdict.entry {
                    entries.append(entry)
                    results[submission].entries += 1
                }
            }
            // An event that has a key takes its own place again, and shows the entry that it made now.
            guard batch.storesEvents, !event.isStoredAlready || (sharedKey != nil && sequence > 0) else { continue }
            eventCounts[slot] += 1
            rows.append(
                EventRow(
                    submission: submission, position: position, slot: slot,
                    key: sharedKey ?? hashes.nextKey(timeMilliseconds: event.timeMilliseconds), filedID: filedID,
                    sequence: sequence, conflict: conflict))
        }
        for position in batch.profileUpdates.indices {
            let update = batch.profileUpdates[position]
            let slot = slot(of: update.project)
            if !named.contains(slot) { named.append(slot) }
            profileRows.append(row(of: update, in: batch, submission: submission, position: position, slot: slot))
        }
        return named
    }

    /// Says whose profile an update changes, and what is known of its cluster after the submission's events.
    private func row(
        of update: ProfileUpdate, in batch: EventBatch, submission: Int, position: Int, slot: Int
    ) -> ProfileRow {
        guard case .user(let sent) = update.subject else {
            return ProfileRow(submission: submission, position: position, id: nil, root: 0, linkedSequence: 0)
        }
        var id = DistinctID(Array(batch.bytes[sent.range]))
        if projects[slot].rules.system == .legacy {
            if !update.ignoresAlias { id = projects[slot].index.canonicalID(of: id) }
            return ProfileRow(submission: submission, position: position, id: id, root: 0, linkedSequence: 0)
        }
        let root = projects[slot].index.node(for: id).map { projects[slot].index.root(of: $0.key) }
        guard let root, root.size > 1 else {
            return ProfileRow(submission: submission, position: position, id: id, root: 0, linkedSequence: 0)
        }
        return ProfileRow(
            submission: submission, position: position, id: id, root: root.key, linkedSequence: root.linkedSequence)
    }

    /// Decides one statement, and brings its project to the state after it.
    ///
    /// This is where every statement is decided, whether it is then stored or only previewed.
    ///
    /// - Parameters:
    ///   - event: the statement, whose nodes, ways to their roots, links and blocks are loaded.
    ///   - slot: the place of its project in `projects`.
    ///   - origin: who sent it.
    ///   - key: the key of the event that makes it; nil where that never deduplicates, or is not to be stored.
    ///   - isStoredAlready: whether the event is stored: it makes an entry of the log only where it changes something.
    /// - Returns: the decision; the log entry that it makes, nil where it makes none; and the sequence of the entry
    ///   that its event shows, 0 where there is none.
    package mutating func decide(
        _ event: IdentityEvent, slot: Int, origin: EventBatch.Origin, key: EventKey? = nil,
        isStoredAlready: Bool = false
    ) -> (decision: Decision, entry: Entry?, sequence: Int64) {
        let rules = projects[slot].rules
        let sequence = projects[slot].lastSequence + 1
        let time = max(nowMilliseconds, projects[slot].leastEntryMilliseconds)
        projects[slot].index.nextKey = nextKey
        // A node must not be made without an entry that names it: a deletion may have taken those that were there.
        let makesNoNode =
            isStoredAlready && projects[slot].index.node(for: event.primary) != nil
            && projects[slot].index.node(for: event.secondary) != nil
        let decision = projects[slot].index.decide(event, by: rules, sequence: sequence, timeMilliseconds: time)
        nextKey = projects[slot].index.nextKey
        guard decision.isLogged else { return (decision, nil, 0) }
        if makesNoNode, decision.link == nil { return (decision, nil, 0) }
        if let entry = projects[slot].repeated(event, decision, key: key) { return (decision, nil, entry.sequence) }
        projects[slot].lastSequence = sequence
        projects[slot].leastEntryMilliseconds = time
        let entry = LogEntry(
            sequence: sequence, timeMilliseconds: time, event: event, outcome: decision.outcome,
            hasLink: decision.link != nil, clusterSize: decision.clusterSize, maxClusterSize: rules.maxClusterSize,
            origin: origin)
        if let key { projects[slot].admit(entry, shownBy: key) }
        return (
            decision,
            Entry(
                slot: slot, entry: entry, link: decision.link, change: decision.change,
                nodes: nodes(of: event, slot: slot)),
            sequence
        )
    }

    /// Counts an event that was there already.
    mutating func countRepeat(of submission: Int) { results[submission].repeated += 1 }

    private func nodes(of event: IdentityEvent, slot: Int) -> [NodeKey] {
        var keys: [NodeKey] = []
        if let primary = projects[slot].index.node(for: event.primary) { keys.append(primary.key) }
        if event.secondary != event.primary, let secondary = projects[slot].index.node(for: event.secondary) {
            keys.append(secondary.key)
        }
        return keys
    }

    /// The id that a Legacy project's map has for an event's id at this point of the order; nil where it is the same.
    private func mappedID(of event: EventBatch.Event, in batch: EventBatch, slot: Int) -> DistinctID? {
        guard let id = batch.distinctID(event.filedID) else { return nil }
        let canonical = projects[slot].index.canonicalID(of: id)
        return canonical == id ? nil : canonical
    }

    private func slot(of project: ProjectID) -> Int {
        guard let slot = slots[project] else { preconditionFailure("project \(project) is named but was not loaded") }
        return slot
    }
}
