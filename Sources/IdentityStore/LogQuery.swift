package import IdentityEngine

/// Which log entries are wanted.
package struct LogQuery: Hashable, Sendable {
    /// Only entries after this sequence.
    package var after: Int64
    /// Only entries before this sequence; `.max` for no bound.
    package var before: Int64
    /// Whether entries come from the last to the first.
    package var isLatestFirst: Bool
    /// The most entries to return, at least 1.
    package var limit: Int
    /// Only entries that name this id, whether or not they made a link.
    ///
    /// An operation about one id that has no node by then, `merge(a,a)` or `alias(a,a)`, is not found by it: such an
    /// operation leaves no trace of the id (P 7.8-1).
    package var distinctID: DistinctID?
    /// Only these outcomes, by their kind; nil is all, amendments and tombstones included, which have none.
    package var outcomes: Set<OutcomeKind>?
    package var verb: Verb?

    package init(
        after: Int64 = 0, limit: Int, before: Int64 = .max, isLatestFirst: Bool = false,
        distinctID: DistinctID? = nil, outcomes: Set<OutcomeKind>? = nil, verb: Verb? = nil
    ) {
        self.after = after
        self.limit = limit
        self.before = before
        self.isLatestFirst = isLatestFirst
        self.distinctID = distinctID
        self.outcomes = outcomes
        self.verb = verb
    }

    /// Whether an entry is wanted, its place aside.
    package func matches(_ entry: LogEntry) -> Bool {
        if let distinctID, entry.event.primary != distinctID, entry.event.secondary != distinctID { return false }
        if let outcomes, !outcomes.contains(entry.outcome.kind) { return false }
        if let verb, entry.event.verb != verb { return false }
        return true
    }

    /// Whether an amendment is wanted, which has no outcome, its place aside.
    package func matches(_ entry: AmendmentEntry) -> Bool {
        if let distinctID, !entry.ids.contains(distinctID) { return false }
        return outcomes == nil && (verb == nil || verb == entry.amendment.verb)
    }
}
