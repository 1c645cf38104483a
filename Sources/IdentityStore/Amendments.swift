package import IdentityEngine

/// What an operator asks to change of a project's identity state.
package enum AmendmentRequest: Hashable, Sendable {
    /// To switch one link off.
    ///
    /// - keepsApart: whether `$identify` and `$create_alias` may not join a parted pair again (P 7.2-3b, 7.5-0).
    case unmergeLink(Int64, keepsApart: Bool)
    /// To switch off every active link of an id.
    case unmergeID(DistinctID, keepsApart: Bool)
    /// To switch some links off, as an export's log says: those of them that are there and active.
    ///
    /// - target: the one link that was named; nil where an id was, which is the one of `named`.
    case unmergeLinks([Int64], target: Int64?, named: [DistinctID], keepsApart: Bool)
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
    package internal(set) var entry: AmendmentEntry
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

extension Store {
    /// Amends a project, or only plans what that would do.
    ///
    /// - Parameters:
    ///   - request: what is asked for.
    ///   - project: the project.
    ///   - origin: who asks.
    ///   - nowMilliseconds: the time that the entry gets, unless the entry before it is later.
    ///   - isPreview: whether nothing is to be changed.
    /// - Returns: what was done or would be, or why nothing was.
    /// - Throws: `StoreError`; nothing is changed then.
    package func amend(
        _ request: AmendmentRequest, in project: ProjectRecord, origin: EventBatch.Origin, nowMilliseconds: Int64,
        isPreview: Bool
    ) async throws(StoreError) -> Result<AmendmentReport, AmendmentRefusal> {
        guard isPreview else {
            return try await amend(
                request, in: project.id, by: project.rules, origin: origin, nowMilliseconds: nowMilliseconds)
        }
        return try await read { (snapshot) throws(StoreError) -> Result<AmendmentReport, AmendmentRefusal> in
            try snapshot.plan(
                request, in: project.id, system: project.rules.system, origin: origin,
                nowMilliseconds: nowMilliseconds
            ).map(\.report)
        }
    }

    /// How many events move with each of an amendment's ids.
    ///
    /// - Parameters:
    ///   - report: what was done, or would be.
    ///   - project: the project.
    ///   - limit: the most ids that are looked at.
    /// - Returns: the count by id, at most 10,000 each; without the ids after the first 100,000 events.
    /// - Throws: `StoreError`.
    package func eventCounts(
        of report: AmendmentReport, in project: ProjectID, limit: Int
    ) async throws(StoreError) -> [DistinctID: Int] {
        let moved = report.moved.prefix(limit)
        return try await read { (snapshot) throws(StoreError) -> [DistinctID: Int] in
            var counts: [DistinctID: Int] = [:]
            var total = 0
            for one in moved where total < 100_000 {
                let count = try snapshot.eventCount(filedUnder: one.id, in: project, limit: 10_000)
                counts[one.id] = count
                total += count
            }
            return counts
        }
    }
}
