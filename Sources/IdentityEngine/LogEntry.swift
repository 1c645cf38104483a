/// One entry of a project's log: an identity operation, what was decided, and everything needed to say why.
package struct LogEntry: Hashable, Sendable {
    /// The entry's place in the project's one total order, from 1, without gaps.
    package let sequence: Int64
    /// When it was committed, in milliseconds since 1970; never less than the entry before (a time names one sequence).
    package let timeMilliseconds: Int64
    package let event: IdentityEvent
    package let outcome: MergeOutcome
    /// Whether it made a link, whose sequence is the entry's.
    package let hasLink: Bool
    /// Ids in the cluster afterwards; where refused for size, ids that it would have had.
    package let clusterSize: Int
    /// `identity.maxClusterSize` in force then.
    package let maxClusterSize: Int
    package let origin: EventBatch.Origin

    package init(
        sequence: Int64, timeMilliseconds: Int64, event: IdentityEvent, outcome: MergeOutcome, hasLink: Bool,
        clusterSize: Int, maxClusterSize: Int, origin: EventBatch.Origin
    ) {
        self.sequence = sequence
        self.timeMilliseconds = timeMilliseconds
        self.event = event
        self.outcome = outcome
        self.hasLink = hasLink
        self.clusterSize = clusterSize
        self.maxClusterSize = maxClusterSize
        self.origin = origin
    }

    package var refusal: MergeRefusal? {
        if case .refused(let refusal) = outcome { refusal } else { nil }
    }

    /// The text of `$failure_description`; nil where nothing was refused.
    package var failureDescription: String? {
        refusal?.failureDescription(of: event, clusterSize: clusterSize, maxClusterSize: maxClusterSize)
    }
}

/// What the log has at one sequence: an entry of either kind, or what a deletion left of one.
package enum LogRecord: Hashable, Sendable {
    case entry(LogEntry)
    case amendment(AmendmentEntry)
    case tombstone(LogTombstone)

    /// The place in the project's one total order.
    package var sequence: Int64 {
        switch self {
        case .entry(let entry): entry.sequence
        case .amendment(let amendment): amendment.sequence
        case .tombstone(let tombstone): tombstone.sequence
        }
    }

    /// The kind of statement.
    package var verb: Verb {
        switch self {
        case .entry(let entry): entry.event.verb
        case .amendment(let amendment): amendment.amendment.verb
        case .tombstone(let tombstone): tombstone.verb
        }
    }

    /// A time that orders the record among the others: an entry's own, and for a tombstone that of the record before
    /// it, so that times never go back.
    package var timeMilliseconds: Int64 {
        switch self {
        case .entry(let entry): entry.timeMilliseconds
        case .amendment(let amendment): amendment.timeMilliseconds
        case .tombstone(let tombstone): tombstone.timeMilliseconds
        }
    }

    /// The ids that the record names; none in a tombstone.
    package var ids: [DistinctID] {
        switch self {
        case .entry(let entry): [entry.event.primary, entry.event.secondary]
        case .amendment(let amendment): amendment.ids
        case .tombstone: []
        }
    }

    /// The entry of a statement; nil for an amendment, and for a tombstone.
    package var entry: LogEntry? {
        if case .entry(let entry) = self { entry } else { nil }
    }
}

/// What is left of an entry that named a deleted id: that there was one, and of which kind.
package struct LogTombstone: Hashable, Sendable {
    package let sequence: Int64
    package let verb: Verb
    /// The time of the record before it; 0 where there is none.
    package let timeMilliseconds: Int64

    package init(sequence: Int64, verb: Verb, timeMilliseconds: Int64) {
        self.sequence = sequence
        self.verb = verb
        self.timeMilliseconds = timeMilliseconds
    }
}
