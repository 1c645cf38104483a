import IdentityEngine

/// Computes the profiles of clusters from those of their members.
struct ProfileReader {
    let snapshot: any StoreSnapshot
    let project: ProjectID
    let system: IdentitySystem
    let rule: ProfileMergeRule

    /// The most members of a cluster whose profiles are looked for, from its root on round the ring.
    static let memberLimit = 10_000
    /// The size of ledgers at which the members that rank behind are left out.
    static let sizeLimitBytes = 8 << 20
    /// How many profiles of single ids a listing takes at a time.
    static let batchSize = 256
    static let batchSizeBytes = 4 << 20

    /// The root of the cluster that an id is in; nil where it is alone, and in a Legacy project, whose reads do not
    /// resolve (P 9-2).
    func root(of id: DistinctID) throws(StoreError) -> Node? {
        guard system != .legacy, let node = try snapshot.node(for: id, in: project) else { return nil }
        let root = try identity.root(of: node)
        return root.size > 1 ? root : nil
    }

    /// The profile of an id that is alone.
    func profile(of stored: StoredProfile) throws(StoreError) -> ClusterProfile? {
        let views = ProfileViews([member(stored)]) { _, _ in 0 }
        guard let profile = views.profile(by: rule) else { return nil }
        return ClusterProfile(
            canonicalID: stored.id, ownerID: stored.id, properties: try ProfileReader.checked(profile.properties),
            updatedMilliseconds: profile.updatedMilliseconds)
    }

    /// The properties of a profile, which values of a damaged ledger make something else than an object.
    static func checked(_ properties: [UInt8]) throws(StoreError) -> [UInt8] {
        guard StoredJSON.isObject(properties) else { throw .damaged("a ledger, whose values are not JSON") }
        return properties
    }

    /// The profile of a cluster; nil where it has none.
    func profile(ofRoot root: Node) throws(StoreError) -> ClusterProfile? {
        let canonical = try identity.canonicalNode(ofRoot: root)
        var nodes: [Node] = []
        try identity.forEachMember(ofRoot: root) { node in
            nodes.append(node)
            return nodes.count < ProfileReader.memberLimit
        }
        if !nodes.contains(where: { $0.key == canonical.key }) { nodes.append(canonical) }
        nodes.sort { $0.rank < $1.rank }
        var ids: [DistinctID] = []
        var members: [ProfileViews.Member] = []
        var paths: [NodePath] = []
        var sizeBytes = 0
        for node in nodes where sizeBytes < ProfileReader.sizeLimitBytes {
            let stored = try snapshot.profile(of: node.id, in: project)
            // In a Simplified project the cluster's profile is the user's, though only devices were sent any (P 8-8).
            let isViewer = system == .simplified && node.key == canonical.key
            guard stored != nil || isViewer else { continue }
            let profile = stored ?? StoredProfile(id: node.id)
            sizeBytes += profile.ledger.sizeBytes
            ids.append(node.id)
            members.append(member(profile))
            paths.append(try identity.path(of: node))
        }
        let views = ProfileViews(members) { [paths] a, b in joinSequence(paths[a], paths[b]) }
        // The user of a Simplified cluster is canonical, and ranks first.
        let found = system == .simplified ? views.profile(ofViewer: 0) : views.profile(by: rule)
        guard let found else { return nil }
        return ClusterProfile(
            canonicalID: canonical.id, ownerID: ids[found.owner],
            properties: try ProfileReader.checked(found.properties),
            updatedMilliseconds: found.updatedMilliseconds)
    }

    /// The profile whose place in a listing is that of one id.
    ///
    /// - Parameters:
    ///   - stored: the profile of the id.
    ///   - owners: the owners of clusters that were computed before, to be kept from call to call.
    /// - Returns: the profile; nil where the id's cluster has its place elsewhere, or has none.
    /// - Throws: `StoreError`.
    func profile(
        ownedBy stored: StoredProfile, _ owners: inout [NodeKey: DistinctID]
    ) throws(StoreError) -> ClusterProfile? {
        guard let root = try root(of: stored.id) else { return try profile(of: stored) }
        if let owner = owners[root.key], owner != stored.id { return nil }
        guard let found = try profile(ofRoot: root) else { return nil }
        owners[root.key] = found.ownerID
        return found.ownerID == stored.id ? found : nil
    }

    private var identity: IdentityView { snapshot.identity(of: project) }

    private func member(_ stored: StoredProfile) -> ProfileViews.Member {
        ProfileViews.Member(ledger: stored.ledger, updatedMilliseconds: stored.updatedMilliseconds)
    }
}
