package import IdentityEngine
package import IdentityStore

/// The profile of each cluster, one JSON object a line, as a query for profiles answers it (P 10-6).
package struct ProfileExport: AsyncSequence, Sendable {
    private let store: any Store
    private let project: ProjectRecord
    private let rule: ProfileMergeRule

    /// - Parameters:
    ///   - store: where the profiles are.
    ///   - project: their project.
    ///   - rule: how the members' profiles make a cluster's.
    package init(store: any Store, project: ProjectRecord, rule: ProfileMergeRule) {
        self.store = store
        self.project = project
        self.rule = rule
    }

    /// Whole lines, a page of profiles each time.
    package struct Iterator: AsyncIteratorProtocol {
        fileprivate let export: ProfileExport
        private var after: DistinctID?

        fileprivate init(_ export: ProfileExport) { self.export = export }

        /// The next lines; nil at the end.
        ///
        /// - Throws: `StoreError`.
        package mutating func next() async throws -> [UInt8]? {
            let (from, project, rule) = (after, export.project, export.rule)
            let profiles = try await export.store.read {
                (snapshot: any StoreSnapshot) throws(StoreError) -> [ClusterProfile] in
                try snapshot.clusterProfiles(
                    in: project.id, after: from, limit: 500, sizeLimitBytes: 4 << 20, system: project.rules.system,
                    rule: rule)
            }
            guard let last = profiles.last else { return nil }
            after = last.ownerID
            var json = JSONBuilder()
            for profile in profiles {
                json.object { json in
                    json.field("$distinct_id", profile.canonicalID)
                    json.field("$properties", json: profile.properties)
                }
                json.endLine()
            }
            return json.takeLines()
        }
    }

    package func makeAsyncIterator() -> Iterator { Iterator(self) }
}
