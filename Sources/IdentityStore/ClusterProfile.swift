package import IdentityEngine

/// The profile of a cluster, as a read computes it from the profiles of its members (P 7.10-1).
package struct ClusterProfile: Hashable, Sendable {
    /// The id that stands for the cluster; in a Legacy project, and for an id in no cluster, the id itself.
    package let canonicalID: DistinctID
    /// The member that ranks first and was sent something that counts: the place of the cluster in a listing.
    package let ownerID: DistinctID
    /// A minified JSON object, its names in byte order.
    package let properties: [UInt8]
    /// When the latest update that counts was received, in milliseconds since 1970.
    package let updatedMilliseconds: Int64

    package init(canonicalID: DistinctID, ownerID: DistinctID, properties: [UInt8], updatedMilliseconds: Int64) {
        self.canonicalID = canonicalID
        self.ownerID = ownerID
        self.properties = properties
        self.updatedMilliseconds = updatedMilliseconds
    }
}

extension StoreSnapshot {
    /// The profile of the cluster that an id is in.
    ///
    /// - Parameters:
    ///   - id: any member of the cluster.
    ///   - project: the project.
    ///   - system: the project's way of joining ids.
    ///   - rule: how the members' profiles make one.
    /// - Returns: the profile; nil where there is none.
    /// - Throws: `StoreError`.
    package func clusterProfile(
        of id: DistinctID, in project: ProjectID, system: IdentitySystem, rule: ProfileMergeRule
    ) throws(StoreError) -> ClusterProfile? {
        let reader = ProfileReader(snapshot: self, project: project, system: system, rule: rule)
        if let root = try reader.root(of: id) { return try reader.profile(ofRoot: root) }
        if let stored = try profile(of: id, in: project), let own = try reader.profile(of: stored) { return own }
        guard system == .legacy else { return nil }
        // What is sent under an alias goes to what the alias stands for (P 9-2).
        let canonicalID = try identity(of: project).canonicalID(of: id)
        guard let stored = try profile(of: canonicalID, in: project) else { return nil }
        return try reader.profile(of: stored)
    }

    /// One profile for each cluster that has one, in byte order of `ownerID`.
    ///
    /// Ends early, but never before the first, where the properties read so far reach `sizeLimitBytes`.
    ///
    /// - Parameters:
    ///   - project: the project.
    ///   - ownerID: where to go on: the `ownerID` of the last profile of the page before; nil for the first page.
    ///   - limit: the most profiles to return.
    ///   - sizeLimitBytes: the size at which the page ends.
    ///   - system: the project's way of joining ids.
    ///   - rule: how the members' profiles make one.
    /// - Returns: the page; empty after the last profile.
    /// - Throws: `StoreError`.
    package func clusterProfiles(
        in project: ProjectID, after ownerID: DistinctID?, limit: Int, sizeLimitBytes: Int, system: IdentitySystem,
        rule: ProfileMergeRule
    ) throws(StoreError) -> [ClusterProfile] {
        let reader = ProfileReader(snapshot: self, project: project, system: system, rule: rule)
        // The owners of clusters of which another member came first.
        var owners: [NodeKey: DistinctID] = [:]
        var page: [ClusterProfile] = []
        var sizeBytes = 0
        var last = ownerID
        while page.count < limit {
            let stored = try profiles(
                in: project, after: last, limit: ProfileReader.batchSize,
                sizeLimitBytes: ProfileReader.batchSizeBytes)
            guard let end = stored.last else { break }
            last = end.id
            for profile in stored where page.count < limit && (page.isEmpty || sizeBytes < sizeLimitBytes) {
                guard let found = try reader.profile(ownedBy: profile, &owners) else { continue }
                page.append(found)
                sizeBytes += found.properties.count
            }
            if sizeBytes >= sizeLimitBytes, !page.isEmpty { break }
        }
        return page
    }

    /// The properties of a group.
    ///
    /// - Parameters:
    ///   - key: the bytes of `$group_key`.
    ///   - id: the bytes of `$group_id`.
    ///   - project: the project.
    /// - Returns: a minified JSON object, its names in byte order; nil where the group has no profile.
    /// - Throws: `StoreError`.
    package func groupProfile(key: [UInt8], id: [UInt8], in project: ProjectID) throws(StoreError) -> [UInt8]? {
        guard let group = try group(GroupName(key: key, id: id), in: project) else { return nil }
        let member = ProfileViews.Member(ledger: group.ledger, updatedMilliseconds: group.updatedMilliseconds)
        guard let profile = ProfileViews([member], joinSequence: { _, _ in 0 }).profile(by: .hide) else { return nil }
        return try ProfileReader.checked(profile.properties)
    }
}
