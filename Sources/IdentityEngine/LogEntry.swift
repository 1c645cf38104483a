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
