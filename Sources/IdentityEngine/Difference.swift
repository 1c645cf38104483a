/// A place where what is stored is not what the log says.
package struct Difference: Hashable, Sendable {
    /// The log entry that last concerned what differs, by the log or by what the store says.
    ///
    /// From it on the store cannot be explained.
    package let sequence: Int64
    /// What differs.
    package let subject: String
    /// What it is by the log.
    package let expected: String
    /// What it is in the store.
    package let found: String

    package init(sequence: Int64, subject: String, expected: String, found: String) {
        self.sequence = sequence
        self.subject = subject
        self.expected = expected
        self.found = found
    }
}

/// Counts differences, and keeps the first of them in the order of the log.
package struct DifferenceTally: Sendable {
    package private(set) var count = 0
    package private(set) var first: Difference?

    package init() {}

    /// Counts a difference, whose texts are only asked for where it comes before all others.
    package mutating func add(
        at sequence: Int64, _ subject: String, _ texts: () -> (expected: String, found: String)
    ) {
        count += 1
        guard isFirst(sequence) else { return }
        let (expected, found) = texts()
        first = Difference(sequence: sequence, subject: subject, expected: expected, found: found)
    }

    /// Whether a difference with a sequence would come before all that were counted.
    package func isFirst(_ sequence: Int64) -> Bool { first.map { sequence < $0.sequence } ?? true }
}
