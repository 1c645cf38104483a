import IdentityEngine

/// The profiles that a Memory store holds of one project.
struct MemoryProfiles {
    private var profiles: [DistinctID: StoredProfile] = [:]
    /// The ids of `profiles`, in byte order.
    private var ids: [DistinctID] = []
    private var idsByRoot: [NodeKey: Set<DistinctID>] = [:]
    private var groups: [GroupName: StoredGroup] = [:]
    private(set) var lastOrder: Int64 = 0

    var isEmpty: Bool { profiles.isEmpty && groups.isEmpty }

    func profile(of id: DistinctID) -> StoredProfile? { profiles[id] }

    func group(_ name: GroupName) -> StoredGroup? { groups[name] }

    func profiles(ofRoot root: NodeKey, linkedSequence: Int64, limit: Int) -> [StoredProfile] {
        let members = (idsByRoot[root] ?? []).sorted().lazy.compactMap { profiles[$0] }
        return Array(members.filter { $0.linkedSequence == linkedSequence }.prefix(limit))
    }

    func profiles(after id: DistinctID?, limit: Int, sizeLimitBytes: Int) -> [StoredProfile] {
        let start = id.map { id in ids.partitioningIndex { $0 > id } } ?? 0
        var page: [StoredProfile] = []
        var sizeBytes = 0
        for id in ids[start...].prefix(max(limit, 0)) {
            guard let profile = profiles[id] else { continue }
            page.append(profile)
            sizeBytes += profile.ledger.sizeBytes
            if sizeBytes >= sizeLimitBytes { break }
        }
        return page
    }

    /// Puts in what a group of requests changed.
    ///
    /// - Returns: how many bytes more the profiles take.
    mutating func store(_ drafts: ProfileDrafts.Project) -> Int {
        lastOrder = drafts.lastOrder
        var growth = 0
        for id in drafts.changedIDs {
            guard let profile = drafts.profiles[id] else { continue }
            if profile.ledger.isEmpty { growth -= removeProfile(of: id) } else { growth += put(profile) }
        }
        for (name, group) in drafts.groups {
            if let old = groups.removeValue(forKey: name) { growth -= MemoryCost.of(old, name) }
            guard !group.ledger.isEmpty else { continue }
            groups[name] = group
            growth += MemoryCost.of(group, name)
        }
        return growth
    }

    /// Takes out the profile of an id.
    ///
    /// - Returns: how many bytes it took.
    mutating func removeProfile(of id: DistinctID) -> Int {
        guard let old = profiles.removeValue(forKey: id) else { return 0 }
        ids.remove(at: ids.partitioningIndex { $0 >= id })
        leave(old)
        return MemoryCost.of(old)
    }

    private mutating func put(_ profile: StoredProfile) -> Int {
        let id = profile.id
        let old = profiles.updateValue(profile, forKey: id)
        if old == nil { ids.insert(id, at: ids.partitioningIndex { $0 >= id }) }
        if let old, old.root != profile.root { leave(old) }
        if profile.root != 0 { idsByRoot[profile.root, default: []].insert(id) }
        return MemoryCost.of(profile) - (old.map { MemoryCost.of($0) } ?? 0)
    }

    private mutating func leave(_ profile: StoredProfile) {
        idsByRoot[profile.root]?.remove(profile.id)
        if idsByRoot[profile.root]?.isEmpty == true { idsByRoot[profile.root] = nil }
    }
}

extension MemoryCost {
    static let perProfile = 400
    /// What `$last_seen` takes.
    static let lastSeen = 64

    static func of(_ profile: StoredProfile) -> Int {
        perProfile + profile.id.bytes.count + profile.ledger.sizeBytes
    }

    static func of(_ group: StoredGroup, _ name: GroupName) -> Int {
        perProfile + name.key.count + name.id.count + group.ledger.sizeBytes
    }

    /// The most that an update can add, whatever it finds.
    static func most(of update: ProfileUpdate) -> Int {
        let name =
            switch update.subject {
            case .user(let id): Int(id.count)
            case .group(let key, let id): Int(key.count + id.count)
            }
        // A short name with a short value takes some times its length, for what is kept beside them.
        return perProfile + lastSeen + name + update.operations.reduce(0) { $0 + 6 * Int($1.operand.count) }
    }
}
