/// What became of one identity event.
///
/// A refusal is a result, never an error (P 7.1).
package enum MergeOutcome: Hashable, Sendable {
    /// Two clusters became one.
    case merged
    /// The ids were already together.
    case unchanged
    /// A merge rule said no; both clusters are as they were.
    case refused(MergeRefusal)
}

/// Why a merge rule said no, in order of precedence: where several hold, the first is given (P 7.2, 7.5, 7.6).
///
/// The raw value is stored; it is never renumbered.
package enum MergeRefusal: UInt8, CaseIterable, Sendable {
    case sameIDs = 1
    case anonymousNotGUIDForm = 2
    case linkRevoked = 3
    case anonymousAssignedAlready = 4
    case aliasAlreadyExists = 5
    case manyIDs = 6

    /// `$failure_reason` on the stored event (P 7.1-3).
    package var failureReason: String {
        switch self {
        case .sameIDs: "errSameIDs"
        case .anonymousNotGUIDForm: "errAnonDistinctIdNonGUIDForm"
        case .linkRevoked: "errLinkRevoked"
        case .anonymousAssignedAlready: "errAnonDistinctIdAssignedAlready"
        case .aliasAlreadyExists: "errAliasAlreadyExists"
        case .manyIDs: "errManyIDs"
        }
    }

    /// `$failure_description` on the stored event: text for people, in the templates of P 7.1-3.
    ///
    /// - Parameters:
    ///   - event: the statement that was refused.
    ///   - clusterSize: ids that the merged cluster would have had.
    ///   - maxClusterSize: the limit in force then; the text names the first size that is refused (P 7.1-4).
    /// - Returns: one line of text.
    package func failureDescription(of event: IdentityEvent, clusterSize: Int, maxClusterSize: Int) -> String {
        switch self {
        case .sameIDs: "Identified and anon ID are same in the identify request \(event.primary)"
        case .anonymousNotGUIDForm: "$anon_distinct_id didn't match expected GUID pattern: \(event.secondary)"
        case .linkRevoked: "these ids were parted by an unmerge: \(event.secondary), \(event.primary)"
        case .anonymousAssignedAlready: "$anon_distinct_id already identified: \(event.secondary)"
        case .aliasAlreadyExists: "alias already exists with the id"
        case .manyIDs:
            "too many distinctIDs mapped together, Cluster size: \(clusterSize) Max limit: \(maxClusterSize + 1)"
        }
    }

    /// What to do about it, in plain words, for whoever reads the log.
    package var hint: String {
        switch self {
        case .sameIDs:
            "Both sides are the same id, so there is nothing to join. Send the id from before the login as $anon_id."
        case .anonymousNotGUIDForm:
            "$identify only takes an anonymous id that is a version 4 UUID, with or without $device: before it. "
                + "Use the SDK's own anonymous id, set identity.anonForm to any, or join the two with $merge."
        case .linkRevoked:
            "An unmerge parted these two on purpose. Delete the block or restore the unmerge; where the project has "
                + "Original ID Merge, a $merge joins them too."
        case .anonymousAssignedAlready:
            "The anonymous id already belongs to a cluster with an identified id: most often a second login on one "
                + "device without reset(). If both are one someone, join them with $merge."
        case .aliasAlreadyExists:
            "This alias already stands for another id, and an alias is given once. If both are one someone, join them "
                + "with $merge, which a project with Original ID Merge takes."
        case .manyIDs:
            "The merged cluster would hold more ids than identity.maxClusterSize allows. Raise the limit, "
                + "or look for a shared device or a reset() at every logout."
        }
    }
}

/// An outcome without its reason: the words of logs, headers and queries.
///
/// The raw value is part of our HTTP surface.
package enum OutcomeKind: String, CaseIterable, Sendable {
    case merged
    case unchanged
    case refused
}

extension MergeOutcome {
    package var kind: OutcomeKind {
        switch self {
        case .merged: .merged
        case .unchanged: .unchanged
        case .refused: .refused
        }
    }
}
