package import IdentityEngine

/// The clusters of one project in a snapshot.
package struct IdentityView: LinkSource {
    package typealias Failure = StoreError

    private let snapshot: any StoreSnapshot
    private let project: ProjectID

    init(snapshot: any StoreSnapshot, project: ProjectID) {
        self.snapshot = snapshot
        self.project = project
    }

    package func failure(_ fault: NodeFault) -> StoreError { .damaged(fault) }

    package func node(for id: DistinctID) throws(StoreError) -> Node? { try snapshot.node(for: id, in: project) }

    package func node(_ key: NodeKey) throws(StoreError) -> Node? { try snapshot.node(key, in: project) }

    package func links(of key: NodeKey, activeAsOf sequence: Int64) throws(StoreError) -> [Link] {
        try snapshot.links(of: key, activeAsOf: sequence, in: project)
    }

    /// What an id resolves to: itself, alone, where it took part in no identity operation.
    ///
    /// - Parameters:
    ///   - id: the id.
    ///   - sequence: the last entry that counts; `.max` for now.
    /// - Returns: its canonical id, and the size of its cluster.
    /// - Throws: `StoreError`.
    package func resolve(_ id: DistinctID, asOf sequence: Int64 = .max) throws(StoreError) -> ResolvedID {
        guard let node = try node(for: id), node.firstSequence <= sequence else {
            return ResolvedID(canonicalID: id, clusterSize: 1, isKnown: false)
        }
        guard sequence == .max else {
            let cluster = try cluster(of: node, asOf: sequence)
            return ResolvedID(
                canonicalID: cluster.canonical.id, clusterSize: Int64(cluster.members.count), isKnown: true)
        }
        return try resolve(node)
    }

    /// What a node resolves to now.
    package func resolve(_ node: Node) throws(StoreError) -> ResolvedID {
        let root = try root(of: node)
        return ResolvedID(
            canonicalID: try canonicalNode(ofRoot: root).id, clusterSize: root.size, isKnown: true)
    }
}

/// What an id resolves to.
package struct ResolvedID: Hashable, Sendable {
    package let canonicalID: DistinctID
    package let clusterSize: Int64
    /// Whether the id took part in an identity operation.
    package let isKnown: Bool

    package init(canonicalID: DistinctID, clusterSize: Int64, isKnown: Bool) {
        self.canonicalID = canonicalID
        self.clusterSize = clusterSize
        self.isKnown = isKnown
    }
}
