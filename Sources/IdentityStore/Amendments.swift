package import IdentityEngine

/// What an operator asks to change of a project's identity state.
package enum AmendmentRequest: Hashable, Sendable {
    /// To switch one link off.
    ///
    /// - keepsApart: whether `$identify` and `$create_alias` may not join a parted pair again (P 7.2-3b, 7.5-0).
    case unmergeLink(Int64, keepsApart: Bool)
    /// To switch off every active link of an id.
    case unmergeID(DistinctID, keepsApart: Bool)
    /// To undo the unmerge with a sequence.
    case restore(Int64)
    /// To lift the block of a pair.
    case unblock(DistinctID, DistinctID)
}

/// Why an amendment was not made.
///
/// A refusal is a result, never an error: nothing was changed, and nothing logged.
package enum AmendmentRefusal: Error, Hashable, Sendable {
    /// A Legacy project's map is one-way (P 9-2).
    case legacyProject
    /// No entry with this sequence made a link, or a deletion took it.
    case noSuchLink(Int64, lastSequence: Int64)
    /// The id took part in no identity operation.
    case unknownID(DistinctID)
    /// The link is switched off already, by the amendment with that sequence.
    case revokedAlready(link: Int64, by: Int64)
    /// The id has no active link.
    case noActiveLink(DistinctID)
    /// The entry with this sequence is not an unmerge, or a deletion took it.
    case noSuchUnmerge(Int64, lastSequence: Int64)
    /// The unmerge was undone already, by the restore with that sequence.
    case restoredAlready(unmerge: Int64, by: Int64)
    /// The device of a link belongs to another user by now (P 8-3).
    case deviceTaken(link: Int64, device: DistinctID)
    /// The pair is not blocked.
    case noSuchBlock
}

/// A pair that an unmerge parted, and that `$identify` and `$create_alias` may not join again.
package struct Block: Hashable, Sendable {
    package let pair: NodePair
    /// The sequence of the unmerge.
    package let sequence: Int64

    package init(pair: NodePair, sequence: Int64) {
        self.pair = pair
        self.sequence = sequence
    }
}

/// Since when a link is active, or is not.
package struct LinkState: Hashable, Sendable {
    /// The amendment that switched it.
    package let fromSequence: Int64
    package let isActive: Bool

    package init(fromSequence: Int64, isActive: Bool) {
        self.fromSequence = fromSequence
        self.isActive = isActive
    }
}

extension [LinkState] {
    /// The amendment that switched the link off that is off at a sequence; nil for a link that is active then.
    package func revokedSequence(asOf sequence: Int64 = .max) -> Int64? {
        guard let state = last(where: { $0.fromSequence <= sequence }), !state.isActive else { return nil }
        return state.fromSequence
    }
}

/// What an amendment did, or would do.
package struct AmendmentReport: Hashable, Sendable {
    /// A cluster and who is in it.
    package struct Cluster: Hashable, Sendable {
        package let canonicalID: DistinctID
        /// In the order in which their rows were made.
        package let members: [DistinctID]
    }

    /// A link with its ends by name.
    package struct NamedLink: Hashable, Sendable {
        package let link: Link
        package let from: DistinctID
        package let to: DistinctID
        /// Whether its two ends are in one cluster afterwards.
        package let isTogether: Bool
    }

    /// The entry that it made, or would make.
    package let entry: AmendmentEntry
    /// The links that it switched.
    package let links: [NamedLink]
    package let before: [Cluster]
    package let after: [Cluster]
    /// The ids whose canonical id is another afterwards, with both.
    package let moved: [MovedID]
    /// The pairs that it blocked, or whose block it lifted.
    package let blocks: [[DistinctID]]

    /// The links that were switched off and whose ends are in one cluster all the same.
    package var stayingTogether: [NamedLink] {
        guard case .unmerge = entry.amendment else { return [] }
        return links.filter(\.isTogether)
    }
}

/// An id whose canonical id changed.
package struct MovedID: Hashable, Sendable {
    package let id: DistinctID
    package let from: DistinctID
    package let to: DistinctID

    package init(id: DistinctID, from: DistinctID, to: DistinctID) {
        self.id = id
        self.from = from
        self.to = to
    }
}

extension StoreSnapshot {
    /// The most events of one id that are counted for an amendment, and of all its ids.
    private static var countLimits: (id: Int, total: Int) { (10_000, 100_000) }

    /// How many events moved with each id.
    ///
    /// - Parameters:
    ///   - moved: the ids.
    ///   - project: the project.
    /// - Returns: the count by id, at most 10,000 each; without the ids after the first 100,000 events.
    /// - Throws: `StoreError`.
    package func eventCounts(
        of moved: some Sequence<MovedID>, in project: ProjectID
    ) throws(StoreError) -> [DistinctID: Int] {
        var counts: [DistinctID: Int] = [:]
        var total = 0
        for one in moved where total < Self.countLimits.total {
            let count = try eventCount(filedUnder: one.id, in: project, limit: Self.countLimits.id)
            counts[one.id] = count
            total += count
        }
        return counts
    }
}
