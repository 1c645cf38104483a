package import IdentityEngine

/// What became of one submission of a group.
package struct CommitResult: Hashable, Sendable {
    /// The last log sequence that the commit can see, for each project that the submission names.
    package var lastSequences: [ProjectID: Int64] = [:]
    /// Operations by outcome, repeats that make no entry included.
    package var merged = 0
    package var unchanged = 0
    package var refused = 0
    /// Simplified events whose device belongs to another user (P 8-3).
    package var conflicts = 0
    /// Records that were left out because they are stored already (P 4.1-1b), by project.
    package var leftOut: [ProjectID: Int] = [:]
    /// Entries of the log that the submission made: of the operations that are counted, one that repeats what its event
    /// says already makes none.
    package var entries = 0
    /// Events that replaced a copy of them, where the submission asked for that (`EventBatch.countsRepeats`).
    package var repeated = 0

    package init() {}

    /// Counts what was decided about one statement.
    mutating func count(_ decision: Decision) {
        if decision.conflict != nil { conflicts += 1 }
        guard decision.isLogged else { return }
        switch decision.outcome {
        case .merged: merged += 1
        case .unchanged: unchanged += 1
        case .refused: refused += 1
        }
    }
}
