import IdentityEngine

/// Everything that a Memory store holds.
struct MemoryState {
    let sizeLimitBytes: Int
    var projects: [ProjectID: ProjectRecord] = [:]
    /// By the bytes of the name; as keys, texts that look the same would be the same.
    var accounts: [[UInt8]: AccountRecord] = [:]
    var isClosed = false
    private(set) var contents: [ProjectID: MemoryProject] = [:]
    private var nextKey: NodeKey = 1
    /// About how much memory each project takes.
    private var sizes: [ProjectID: Int] = [:]
    /// Whether the last commit found no room.
    private var isFull = false
    /// As much room as there must be where the store is not called full.
    private static let roomBytes = 1 << 20

    /// Why a commit would fail now.
    var writeFault: StoreError? {
        isFull && sizes.values.reduce(0, +) + Self.roomBytes > sizeLimitBytes ? Self.full : nil
    }
    private var hashes = GeneratedHashes()
    /// In the order of their making.
    private(set) var privacyTasks: [PrivacyTask] = []

    init(sizeLimitBytes: Int) { self.sizeLimitBytes = sizeLimitBytes }

    static let full = StoreError(
        .full, "The memory that this store may use is full. Reset the sandbox, or raise its limit.")

    /// Decides in place: the only thing that can fail, the limit, is asked first.
    mutating func commit(
        _ group: [EventBatch], by rules: [ProjectID: MergeRules], nowMilliseconds: Int64
    ) throws(StoreError) -> [CommitResult] {
        let named = try NamedProject.projects(of: group, by: rules)
        guard sizes.values.reduce(0, +) + MemoryCost.most(of: group) <= sizeLimitBytes else {
            isFull = true
            throw MemoryState.full
        }
        isFull = false
        var plan = CommitPlan(projects: named.map { take($0) }, nextKey: nextKey, nowMilliseconds: nowMilliseconds)
        plan.decide(group, generating: &hashes)
        nextKey = plan.nextKey
        for slot in plan.projects.indices {
            let id = plan.projects[slot].id
            sizes[id, default: 0] += MemoryCost.perNode * plan.projects[slot].index.takeChangedNodes().count
            let lifted = plan.projects[slot].index.takeLiftedBlocks()
            swap(&contents[id, default: MemoryProject()].index, &plan.projects[slot].index)
            contents[id]?.forget(blocks: lifted)
        }
        for entry in plan.entries {
            let id = plan.projects[entry.slot].id
            contents[id]?.append(entry.entry, link: entry.link, change: entry.change)
            sizes[id, default: 0] += MemoryCost.of(entry.entry)
        }
        countRepeats(of: &plan, in: group)
        for slot in plan.projects.indices {
            let rows = plan.rows.lazy.filter { $0.slot == slot }
            let events = rows.map { MemoryState.event($0, of: group[$0.submission]) }
            let id = plan.projects[slot].id
            sizes[id, default: 0] += contents[id, default: MemoryProject()].events.store(Array(events))
        }
        if !plan.profileRows.isEmpty { try applyProfiles(of: plan, in: group) }
        return plan.results
    }

    private func countRepeats(of plan: inout CommitPlan, in group: [EventBatch]) {
        guard group.contains(where: \.countsRepeats) else { return }
        var seen: [Set<EventKey>] = plan.projects.map { _ in [] }
        for row in plan.rows {
            let isFirst = seen[row.slot].insert(row.key).inserted
            guard group[row.submission].countsRepeats else { continue }
            let events = contents[plan.projects[row.slot].id]?.events
            if !isFirst || events?[row.key] != nil { plan.countRepeat(of: row.submission) }
        }
    }

    private mutating func applyProfiles(of plan: CommitPlan, in group: [EventBatch]) throws(StoreError) {
        var drafts = ProfileDrafts()
        try drafts.apply(plan.profileRows, of: group, from: self)
        for drafts in drafts.projects.values {
            sizes[drafts.id, default: 0] += contents[drafts.id, default: MemoryProject()].profiles.store(drafts)
        }
    }

    /// Makes an amendment; the plan is made, and its snapshot gone, before anything changes.
    mutating func amend(
        _ request: AmendmentRequest, in project: ProjectID, by rules: MergeRules, origin: EventBatch.Origin,
        nowMilliseconds: Int64
    ) throws(StoreError) -> Result<AmendmentReport, AmendmentRefusal> {
        let planned = try MemorySnapshot(self).plan(
            request, in: project, system: rules.system, origin: origin, nowMilliseconds: nowMilliseconds)
        if case .success(let plan) = planned {
            contents[project]?.apply(plan)
            sizes[project, default: 0] +=
                MemoryCost.perEntry + MemoryCost.perLinkState * (plan.links.count + plan.blocked.count)
        }
        return planned.map(\.report)
    }

    mutating func save(_ project: ProjectRecord, nowMilliseconds: Int64) throws(StoreError) {
        for other in projects.values where other.id != project.id {
            if other.token == project.token { throw .tokenTaken(of: project, by: other) }
            if other.secretDigest == project.secretDigest { throw .secretTaken(of: project, by: other) }
        }
        if let old = projects[project.id], old.rules.system != project.rules.system,
            contents[project.id]?.isEmpty == false
        {
            throw .systemFixed(of: old)
        }
        if let old = projects[project.id] {
            contents[project.id]?.logRules(from: old.rules, to: project.rules, nowMilliseconds: nowMilliseconds)
        }
        projects[project.id] = project
    }

    mutating func settle(_ project: ProjectID, atMilliseconds time: Int64) {
        contents[project, default: MemoryProject()].settle(atMilliseconds: time)
    }

    mutating func reset() {
        contents = [:]
        privacyTasks = []
        nextKey = 1
        sizes = [:]
        isFull = false
    }

    mutating func reset(_ project: ProjectID) {
        contents[project] = nil
        privacyTasks.removeAll { $0.project == project }
        sizes[project] = nil
    }

    mutating func add(_ task: PrivacyTask, openLimit: Int) -> Bool {
        let occupied = privacyTasks.count {
            $0.project == task.project
                && (PrivacyTask.State.open.contains($0.state) || task.kind == .retrieval && $0.state == .available)
        }
        guard occupied < openLimit else { return false }
        privacyTasks.append(task)
        if privacyTasks.count > PrivacyTask.keptLimit,
            let oldest = privacyTasks.firstIndex(where: {
                !PrivacyTask.State.open.contains($0.state) && $0.state != .available
            })
        {
            privacyTasks.remove(at: oldest)
        }
        return true
    }

    mutating func replace(_ task: PrivacyTask, in state: PrivacyTask.State) -> Bool {
        guard let place = privacyTasks.firstIndex(where: { $0.trackingID == task.trackingID && $0.state == state })
        else { return false }
        privacyTasks[place] = task
        return true
    }

    /// Deletes at once what a started deletion names.
    mutating func deleteClusters(of trackingID: String) throws(StoreError) {
        guard let place = privacyTasks.firstIndex(where: { $0.trackingID == trackingID }),
            privacyTasks[place].state == .started, privacyTasks[place].kind == .deletion
        else { return }
        let task = privacyTasks[place]
        let ids = DeletedIDs(try MemorySnapshot(self).members(of: task.distinctIDs, in: task.project))
        sizes[task.project, default: 0] -= contents[task.project]?.delete(ids, generating: &hashes) ?? 0
        for other in privacyTasks.indices where privacyTasks[other].kind == .retrieval {
            guard privacyTasks[other].project == task.project else { continue }
            privacyTasks[other].distinctIDs.removeAll { ids.contains($0) }
        }
        privacyTasks[place].state = .erasing
        privacyTasks[place].distinctIDs = []
    }

    /// A project's state for a plan.
    ///
    /// The index moves into it, since a copy of it would cost as much as the project.
    private mutating func take(_ named: NamedProject) -> CommitPlan.ProjectState {
        var state = CommitPlan.ProjectState(
            id: named.id, rules: named.rules, index: IdentityIndex(),
            lastSequence: contents[named.id]?.log.last?.sequence ?? 0,
            leastEntryMilliseconds: contents[named.id]?.leastEntryMilliseconds ?? .min)
        for statement in named.statements {
            guard let key = statement.key, let event = contents[named.id]?.events[key],
                let entry = contents[named.id]?.record(event.sequence)?.entry
            else { continue }
            state.admit(entry, shownBy: key)
        }
        swap(&state.index, &contents[named.id, default: MemoryProject()].index)
        return state
    }

    private static func event(_ row: CommitPlan.EventRow, of batch: EventBatch) -> StoredEvent {
        let event = batch.events[row.position]
        return StoredEvent(
            key: row.key, name: Array(batch.bytes[event.name.range]), sentID: Array(batch.bytes[event.sentID.range]),
            filedID: row.filedID?.bytes ?? Array(batch.bytes[event.filedID.range]),
            insertID: Array(batch.bytes[event.insertID.range]),
            properties: Array(batch.bytes[event.properties.range]), endpoint: batch.origin.endpoint,
            receivedMilliseconds: batch.receivedMilliseconds, sequence: row.sequence, conflict: row.conflict)
    }
}

extension MemoryState: ProfileRows {
    func profile(of id: DistinctID, in project: ProjectID) -> StoredProfile? {
        contents[project]?.profiles.profile(of: id)
    }

    func profiles(
        ofRoot root: NodeKey, linkedSequence: Int64, in project: ProjectID, limit: Int
    ) -> [StoredProfile] {
        contents[project]?.profiles.profiles(ofRoot: root, linkedSequence: linkedSequence, limit: limit) ?? []
    }

    func group(_ name: GroupName, in project: ProjectID) -> StoredGroup? { contents[project]?.profiles.group(name) }

    func lastProfileOrder(of project: ProjectID) -> Int64 { contents[project]?.profiles.lastOrder ?? 0 }
}

/// What things take in memory, roughly: their bytes, and a measure for the tables around them.
enum MemoryCost {
    static let perEvent = 400
    static let perEntry = 300
    static let perNode = 400
    static let perLinkState = 100

    /// The most that a group can add, whatever is decided.
    static func most(of group: [EventBatch]) -> Int {
        var size = 0
        for batch in group {
            for update in batch.profileUpdates { size += most(of: update) }
            for event in batch.events {
                // An id that the alias map gives instead of a shorter one is in the store already, and is shared.
                size += perEvent + Int(event.name.count + event.sentID.count + event.filedID.count)
                size += Int(event.insertID.count + event.properties.count)
                guard event.verb != nil else { continue }
                size += perEntry + 2 * perNode + 2 * Int(event.primaryID.count + event.secondaryID.count)
            }
        }
        return size
    }

    static func of(_ event: StoredEvent) -> Int {
        perEvent + event.name.count + event.sentID.count + event.filedID.count + event.insertID.count
            + event.properties.count
    }

    static func of(_ entry: LogEntry) -> Int {
        perEntry + 2 * (entry.event.primary.bytes.count + entry.event.secondary.bytes.count)
    }
}
