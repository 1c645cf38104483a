import IdentityEngine

/// What a profile says of the cluster that its id was in at its last update.
struct ClusterMark {
    let id: DistinctID
    let linkedSequence: Int64
    /// The key that the store has for the cluster's root.
    let root: NodeKey
    /// The root by the log, and its latest link then; nil where that cannot be told.
    var expected: (root: NodeKey, linkedSequence: Int64)?
}

/// Profiles.
///
/// The profile of a cluster is computed from the ledgers of its members, their places, and since when each two are
/// together. Rows of ids are compared for all of that; here is what the profiles' own rows say of clusters. What is in
/// a ledger follows from updates, which no log has.
extension Verification {
    mutating func readProfiles() throws(StoreError) {
        var after: DistinctID?
        repeat {
            let page = try rows.profiles(
                in: project, after: after, limit: Self.pageSize, sizeLimitBytes: ProfileReader.batchSizeBytes)
            after = page.last?.id
            report.profiles += page.count
            tell(.profiles, report.profiles)
            for profile in page where profile.root != 0 || profile.linkedSequence != 0 {
                clusterMarks.append(
                    ClusterMark(id: profile.id, linkedSequence: profile.linkedSequence, root: profile.root))
                guard let latest = profile.ledger.latestLink, latest > profile.linkedSequence else { continue }
                tally.add(at: profile.linkedSequence, "the profile of \(profile.id)") {
                    ("a last update after link \(latest) or later", "after link \(profile.linkedSequence)")
                }
            }
        } while after != nil
        clusterMarks.sort { $0.linkedSequence < $1.linkedSequence }
    }

    /// Finds the cluster that a mark is of, once the record of the cluster's latest link was applied.
    mutating func look(at place: Int) {
        let mark = clusterMarks[place]
        guard !replay.isTombstone(mark.linkedSequence) else { return }
        guard let node = replay.index.node(for: mark.id) else {
            return tally.add(at: max(mark.linkedSequence, 0), "the profile of \(mark.id)") {
                ("an id in no cluster", "one in a cluster, after link \(mark.linkedSequence)")
            }
        }
        guard !replay.frayed.contains(node.key) else { return }
        let root = replay.index.root(of: node.key)
        clusterMarks[place].expected = (root.size > 1 ? root.key : 0, root.linkedSequence)
    }

    mutating func compareProfiles() throws(StoreError) {
        for mark in clusterMarks {
            guard let expected = mark.expected else { continue }
            let root = expected.root == 0 ? 0 : stored(expected.root)
            // What refers to a row that is missing differs because of that row.
            if expected.root != 0, root == 0 { continue }
            let isLinked =
                expected.linkedSequence == mark.linkedSequence
                || expected.linkedSequence < mark.linkedSequence && carriedSequences.contains(mark.linkedSequence)
            guard root != mark.root || !isLinked else { continue }
            try note(at: max(mark.linkedSequence, 0), "the profile of \(mark.id)") {
                (verification) throws(StoreError) in
                let name = expected.root == 0 ? "none" : verification.id(expected.root).description
                let found = mark.root == 0 ? "none" : try verification.name(ofStored: mark.root)
                return (
                    "root \(name), linked_sequence \(expected.linkedSequence)",
                    "root \(found), linked_sequence \(mark.linkedSequence)"
                )
            }
        }
    }
}

extension ProfileLedger {
    /// The latest link that any of its steps came after.
    fileprivate var latestLink: Int64? {
        steps.values.lazy.flatMap { $0 }.map(\.linkedSequence).max()
    }
}
