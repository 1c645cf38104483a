import IdentityEngine
import IdentityStore

/// What ids resolve to, now or at a sequence: each cluster of the past is looked for once.
struct PastIDs {
    /// Where more ids than this would be kept, those from before a cluster are forgotten.
    private static let limit = 250_000

    private let sequence: Int64?
    private var known: [NodeKey: ResolvedID] = [:]

    /// - Parameter sequence: the last entry that counts; nil for now.
    init(asOf sequence: Int64?) { self.sequence = sequence }

    /// What an id resolves to in the project's clusters.
    mutating func resolve(_ id: DistinctID, in identity: IdentityView) throws(StoreError) -> ResolvedID {
        guard let node = try identity.node(for: id), node.firstSequence <= sequence ?? .max else {
            return ResolvedID(canonicalID: id, clusterSize: 1, isKnown: false)
        }
        return try resolve(node, in: identity)
    }

    /// What a node resolves to that was there by then.
    mutating func resolve(_ node: Node, in identity: IdentityView) throws(StoreError) -> ResolvedID {
        guard let sequence else { return try identity.resolve(node) }
        if let known = known[node.key] { return known }
        let cluster = try identity.cluster(of: node, asOf: sequence)
        let resolved = ResolvedID(
            canonicalID: cluster.canonical.id, clusterSize: Int64(cluster.members.count), isKnown: true)
        if known.count + cluster.members.count > Self.limit { known = [:] }
        if cluster.members.count > 1 { for member in cluster.members { known[member.key] = resolved } }
        return resolved
    }
}
