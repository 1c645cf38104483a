import IdentityEngine
import IdentityStore

/// What ids resolve to, now or at a sequence: each cluster of the past is looked for once.
struct PastIDs {
    private let identity: IdentityView
    private let sequence: Int64?
    private var known: [NodeKey: ResolvedID] = [:]

    /// - Parameters:
    ///   - identity: the project's clusters.
    ///   - sequence: the last entry that counts; nil for now.
    init(_ identity: IdentityView, asOf sequence: Int64?) {
        self.identity = identity
        self.sequence = sequence
    }

    mutating func resolve(_ id: DistinctID) throws(StoreError) -> ResolvedID {
        guard let node = try identity.node(for: id), node.firstSequence <= sequence ?? .max else {
            return ResolvedID(canonicalID: id, clusterSize: 1, isKnown: false)
        }
        return try resolve(node)
    }

    /// What a node resolves to that was there by then.
    mutating func resolve(_ node: Node) throws(StoreError) -> ResolvedID {
        guard let sequence else { return try identity.resolve(node) }
        if let known = known[node.key] { return known }
        let cluster = try identity.cluster(of: node, asOf: sequence)
        let resolved = ResolvedID(
            canonicalID: cluster.canonical.id, clusterSize: Int64(cluster.members.count), isKnown: true)
        for member in cluster.members { known[member.key] = resolved }
        return resolved
    }
}
