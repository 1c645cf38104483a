package import IdentityEngine

/// What a verification of one project found.
package struct VerificationReport: Sendable {
    /// The log's last sequence.
    package internal(set) var lastSequence: Int64 = 0
    /// Records of which a deletion left a tombstone.
    package internal(set) var tombstones = 0
    package internal(set) var ids = 0
    package internal(set) var clusters = 0
    /// Ids of which a deletion took part of the history, so that they are compared by what is left to tell.
    package internal(set) var frayed = 0
    package internal(set) var links = 0
    package internal(set) var blocks = 0
    package internal(set) var profiles = 0
    /// Events that were looked at; nil where none were to be.
    package internal(set) var events: Int?
    package internal(set) var tally = DifferenceTally()
    /// What deciding anew came to; nil where it was not asked for.
    package internal(set) var verdicts: DecidedAnew?
    /// The last change of the rules that the log records, and its sequence.
    package internal(set) var rules: (sequence: Int64, rules: MergeRules)?

    /// Whether the store is what its log says, and every verdict what its rules say.
    package var isIdentical: Bool { tally.count == 0 && (verdicts?.count ?? 0) == 0 }
}

/// What deciding the entries of a log anew came to.
package struct DecidedAnew: Sendable {
    /// The most verdicts that are listed one by one.
    package static let listLimit = 100

    /// An entry whose verdict is another than the recorded one.
    package struct Verdict: Hashable, Sendable {
        package let sequence: Int64
        package let event: IdentityEvent
        package let recorded: String
        package let anew: String
    }

    /// Entries that were decided.
    package internal(set) var decided = 0
    /// Entries that were not, because a deletion took what their verdicts rest on.
    package internal(set) var undecided = 0
    /// Entries whose verdict is another than the recorded one.
    package internal(set) var count = 0
    /// The first of them.
    package internal(set) var first: [Verdict] = []

    mutating func compare(_ entry: LogEntry, with decision: Decision?) {
        guard let decision else {
            undecided += 1
            return
        }
        decided += 1
        let isSame =
            decision.isLogged && decision.outcome == entry.outcome && (decision.link != nil) == entry.hasLink
            && decision.clusterSize == entry.clusterSize
        guard !isSame else { return }
        count += 1
        guard first.count < Self.listLimit else { return }
        let anew = Replay.text(
            decision.outcome, hasLink: decision.link != nil, clusterSize: decision.clusterSize)
        first.append(
            Verdict(
                sequence: entry.sequence, event: entry.event,
                recorded: Replay.text(entry.outcome, hasLink: entry.hasLink, clusterSize: entry.clusterSize),
                anew: decision.isLogged ? anew : "not logged"))
    }
}

/// How far a verification is.
package struct VerificationProgress: Sendable {
    /// What is looked at.
    package enum Stage: String, Sendable {
        case profiles
        case log
        case ids
        case links
        case names
        case events
    }

    package let stage: Stage
    package let done: Int
    /// How many there are; nil where nobody counted.
    package let total: Int?
}
