package import IdentityEngine

/// The profile of a cluster, as a read computes it from the profiles of its members (P 7.10-1).
package struct ClusterProfile: Hashable, Sendable {
    /// The id that stands for the cluster; in a Legacy project, and for an id in no cluster, the id itself.
    package let canonicalID: DistinctID
    /// The member that ranks first and has a profile: the place of the cluster in a listing.
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
    /// - Returns: the profile; nil where no member has one.
    /// - Throws: `StoreError`.
    package func clusterProfile(
        of id: DistinctID, in project: ProjectID, system: IdentitySystem, rule: ProfileMergeRule
    ) throws(StoreError) -> ClusterProfile? {
        nil
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
        []
    }

    /// The properties of a group.
    ///
    /// - Parameters:
    ///   - key: the bytes of `$group_key`.
    ///   - id: the bytes of `$group_id`.
    ///   - project: the project.
    /// - Returns: a minified JSON object; nil where the group has no profile.
    /// - Throws: `StoreError`.
    package func groupProfile(key: [UInt8], id: [UInt8], in project: ProjectID) throws(StoreError) -> [UInt8]? {
        nil
    }
}
