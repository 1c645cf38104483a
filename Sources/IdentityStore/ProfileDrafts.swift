import IdentityEngine

/// Where the updates of a group find what is there: the writer of a store.
protocol ProfileRows {
    func profile(of id: DistinctID, in project: ProjectID) throws(StoreError) -> StoredProfile?

    /// The profiles whose last update came while their cluster had this root and this latest link.
    func profiles(
        ofRoot root: NodeKey, linkedSequence: Int64, in project: ProjectID, limit: Int
    ) throws(StoreError) -> [StoredProfile]

    func group(_ name: GroupName, in project: ProjectID) throws(StoreError) -> StoredGroup?

    /// The last place that was given to an operation on the project's profiles; 0 where none was.
    func lastProfileOrder(of project: ProjectID) throws(StoreError) -> Int64
}

/// The profiles that a group of requests changes, in the state after it.
struct ProfileDrafts {
    /// What is kept of a project; empty ledgers are to be deleted.
    struct Project {
        let id: ProjectID
        var lastOrder: Int64
        var profiles: [DistinctID: StoredProfile] = [:]
        var groups: [GroupName: StoredGroup] = [:]
        fileprivate(set) var changedIDs: Set<DistinctID> = []
        fileprivate var clusters: [Cluster: Set<DistinctID>] = [:]
    }

    /// A cluster between two of its links.
    fileprivate struct Cluster: Hashable {
        let root: NodeKey
        let linkedSequence: Int64
    }

    /// The most other members of a cluster whose steps an update is compared with.
    ///
    /// Of further ones it is not known whether they came between two steps of the member (decision 0006).
    static let otherLimit = 64

    private(set) var projects: [ProjectID: Project] = [:]

    /// Applies the updates of a plan, in order.
    mutating func apply(
        _ updates: [CommitPlan.ProfileRow], of group: [EventBatch], from rows: some ProfileRows
    ) throws(StoreError) {
        for planned in updates {
            let batch = group[planned.submission]
            let update = batch.profileUpdates[planned.position]
            if projects[update.project] == nil {
                let lastOrder = try rows.lastProfileOrder(of: update.project)
                projects[update.project] = Project(id: update.project, lastOrder: lastOrder)
            }
            // Taken out while it changes, so that its tables are not copied.
            guard var project = projects.removeValue(forKey: update.project) else { continue }
            let moment = ProfileMoment(
                order: project.lastOrder + 1, linkedSequence: planned.linkedSequence,
                isClustered: planned.root != 0, isLiteral: update.ignoresAlias && planned.id != nil)
            project.lastOrder += Int64(update.operations.count)
            if let id = planned.id {
                try project.apply(update, to: id, planned, of: batch, at: moment, from: rows)
            } else if case .group(let key, let id) = update.subject {
                let name = GroupName(key: Array(batch.bytes[key.range]), id: Array(batch.bytes[id.range]))
                try project.apply(update, to: name, of: batch, at: moment, from: rows)
            }
            projects[update.project] = project
        }
    }
}

extension EventBatch {
    /// What an update makes of `$last_seen`; nil where it leaves it (P 10-9).
    fileprivate func lastSeen(of update: ProfileUpdate) -> [UInt8]? {
        update.ignoresTime ? nil : ProfileLedger.lastSeenValue(milliseconds: receivedMilliseconds)
    }
}

extension ProfileDrafts.Project {
    fileprivate mutating func apply(
        _ update: ProfileUpdate, to id: DistinctID, _ planned: CommitPlan.ProfileRow, of batch: EventBatch,
        at moment: ProfileMoment, from rows: some ProfileRows
    ) throws(StoreError) {
        var others: [ProfileLedger] = []
        if planned.root != 0 {
            let cluster = ProfileDrafts.Cluster(root: planned.root, linkedSequence: planned.linkedSequence)
            try load(cluster, from: rows)
            let ids = (clusters[cluster] ?? []).sorted().lazy.filter { $0 != id }
            others = ids.prefix(ProfileDrafts.otherLimit).compactMap { profiles[$0]?.ledger }
            clusters[cluster, default: []].insert(id)
        }
        if profiles[id] == nil {
            let stored = try rows.profile(of: id, in: self.id)
            try stored?.ledger.check(before: moment)
            profiles[id] = stored
        }
        var profile = profiles.removeValue(forKey: id) ?? StoredProfile(id: id)
        if profile.root != planned.root || profile.linkedSequence != planned.linkedSequence {
            let former = ProfileDrafts.Cluster(root: profile.root, linkedSequence: profile.linkedSequence)
            clusters[former]?.remove(id)
        }
        profile.ledger.apply(
            update.operations, in: batch.bytes, at: moment, lastSeen: batch.lastSeen(of: update), others: others)
        profile.root = planned.root
        profile.linkedSequence = moment.linkedSequence
        profile.updatedMilliseconds = batch.receivedMilliseconds
        profiles[id] = profile
        changedIDs.insert(id)
    }

    fileprivate mutating func apply(
        _ update: ProfileUpdate, to name: GroupName, of batch: EventBatch, at moment: ProfileMoment,
        from rows: some ProfileRows
    ) throws(StoreError) {
        if groups[name] == nil {
            let stored = try rows.group(name, in: id)
            try stored?.ledger.check(before: moment)
            groups[name] = stored
        }
        var group = groups.removeValue(forKey: name) ?? StoredGroup()
        group.ledger.apply(
            update.operations, in: batch.bytes, at: moment, lastSeen: batch.lastSeen(of: update), others: [])
        group.updatedMilliseconds = batch.receivedMilliseconds
        groups[name] = group
    }

    /// Loads the members of a cluster that were sent updates since its latest link.
    private mutating func load(_ cluster: ProfileDrafts.Cluster, from rows: some ProfileRows) throws(StoreError) {
        guard clusters[cluster] == nil else { return }
        clusters[cluster] = []
        let members = try rows.profiles(
            ofRoot: cluster.root, linkedSequence: cluster.linkedSequence, in: id,
            limit: ProfileDrafts.otherLimit + 1)
        for member in members {
            // A profile that changed in this group may have left the cluster's state that is stored.
            if profiles[member.id] == nil { try member.ledger.check(upTo: lastOrder) }
            let current = profiles[member.id] ?? member
            profiles[member.id] = current
            if current.root == cluster.root, current.linkedSequence == cluster.linkedSequence {
                clusters[cluster]?.insert(member.id)
            }
        }
    }
}

extension ProfileLedger {
    /// - Throws: `StoreError.corrupt` where the ledger has a place that its project has not given yet.
    fileprivate func check(upTo lastOrder: Int64) throws(StoreError) {
        guard greatestOrder <= lastOrder else {
            throw .damaged("table profile_order, last \(lastOrder), which is not the last")
        }
    }

    fileprivate func check(before moment: ProfileMoment) throws(StoreError) { try check(upTo: moment.order - 1) }
}
