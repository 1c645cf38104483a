package import IdentityEngine

/// What a group of requests names of one project: what a store loads before the plan decides.
package struct NamedProject {
    /// The project.
    package let id: ProjectID
    /// The conditions under which it joins ids.
    package let rules: MergeRules
    /// The ids whose nodes, and the paths to their roots, decisions need: each once, in the order of their naming.
    package private(set) var ids: [DistinctID] = []
    /// The statements about pairs, whose active links and blocks decisions need.
    package private(set) var statements: [Statement] = []

    private var known: Set<DistinctID> = []

    /// What an event of the group states.
    package struct Statement {
        package let event: IdentityEvent
        /// The key of the event that states it; nil where nothing depends on whether that is stored already.
        package let key: EventKey?
    }

    private init(id: ProjectID, rules: MergeRules) {
        self.id = id
        self.rules = rules
    }

    /// Every project that a group names, in the order of its first event or update.
    ///
    /// - Parameters:
    ///   - group: the requests.
    ///   - rules: the rules of their projects.
    /// - Returns: one element for each project, without ids where its events are plain.
    /// - Throws: `StoreError` where a project has no rules: a fault of the caller.
    package static func projects(
        of group: [EventBatch], by rules: [ProjectID: MergeRules]
    ) throws(StoreError) -> [NamedProject] {
        var named: [NamedProject] = []
        for batch in group {
            var slot: Int?
            for event in batch.events {
                if slot.map({ named[$0].id != event.project }) ?? true {
                    slot = try place(of: event.project, by: rules, in: &named)
                }
                guard let slot, event.verb != nil || named[slot].rules.system == .legacy else { continue }
                named[slot].add(event, of: batch)
            }
            for update in batch.profileUpdates {
                let slot = try place(of: update.project, by: rules, in: &named)
                if case .user(let id) = update.subject { named[slot].add(DistinctID(Array(batch.bytes[id.range]))) }
            }
        }
        return named
    }

    private static func place(
        of project: ProjectID, by rules: [ProjectID: MergeRules], in named: inout [NamedProject]
    ) throws(StoreError) -> Int {
        if let slot = named.firstIndex(where: { $0.id == project }) { return slot }
        guard let rules = rules[project] else {
            throw StoreError(.unexpected, "The events of project \(project) came without the project's rules.")
        }
        named.append(NamedProject(id: project, rules: rules))
        return named.count - 1
    }

    private mutating func add(_ event: EventBatch.Event, of batch: EventBatch) {
        if rules.system == .legacy, !batch.isTrusted, let id = batch.distinctID(event.filedID) { add(id) }
        guard let stated = batch.identityEvent(of: event) else { return }
        add(stated.primary)
        add(stated.secondary)
        // What a Simplified event repeats is no entry, whether or not the event is there (P 8-3).
        let key = rules.system == .simplified ? nil : batch.bytes.withUnsafeBytes { event.sharedKey($0) }
        statements.append(Statement(event: stated, key: key))
    }

    private mutating func add(_ id: DistinctID) {
        if known.insert(id).inserted { ids.append(id) }
    }
}
