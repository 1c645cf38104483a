package import IdentityEngine

/// That the canonical id of an id became another.
package struct IdentityChange: Hashable, Sendable {
    /// Where the change stands among all changes of its project.
    package let cursor: ChangeCursor
    package let id: DistinctID
    /// What the id resolved to before the entry: itself, where it was not known.
    package let from: DistinctID
    /// What it resolves to from the entry on.
    package let to: DistinctID
    /// What kind of entry it was.
    package let cause: Verb

    package init(cursor: ChangeCursor, id: DistinctID, from: DistinctID, to: DistinctID, cause: Verb) {
        self.cursor = cursor
        self.id = id
        self.from = from
        self.to = to
        self.cause = cause
    }
}

/// A place in the changes of a project: an entry of the log, and how many of its changes lie before the place.
///
/// The changes of one entry are numbered from 1, in the order of the bytes of their ids.
package struct ChangeCursor: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Before everything.
    package static let start = ChangeCursor(sequence: 0)

    package let sequence: Int64
    /// The last change of the entry that lies before the place; `.max` where all of them do.
    package let ordinal: Int64

    package init(sequence: Int64, ordinal: Int64 = .max) {
        self.sequence = sequence
        self.ordinal = ordinal
    }

    /// Reads `17`, the place behind everything that entry 17 changed, or `17:3`, the one behind its third change.
    ///
    /// - Parameter text: the cursor as `description` writes it.
    package init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(Self.number)
        guard let sequence = parts[0] else { return nil }
        if parts.count == 1 {
            self.init(sequence: sequence)
        } else if let ordinal = parts[1] {
            self.init(sequence: sequence, ordinal: ordinal)
        } else {
            return nil
        }
    }

    package var description: String { ordinal == .max ? "\(sequence)" : "\(sequence):\(ordinal)" }

    package static func < (a: ChangeCursor, b: ChangeCursor) -> Bool {
        (a.sequence, a.ordinal) < (b.sequence, b.ordinal)
    }

    private static func number(_ text: Substring) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            return nil
        }
        return Int64(text)
    }
}

/// A link, and what is recorded of the canonical ids that it changed.
package struct LinkChange: Hashable, Sendable {
    package let link: Link
    /// What it changed, which may be nothing; nil where that was not recorded, and has to be found out.
    package let change: CanonicalChange?
    /// Whether the record holds of clusters that were revised since.
    ///
    /// It does not where a deletion took an id that had been parted from others: what the id had held together then is
    /// told as if it never had been.
    package let isCertain: Bool

    package init(link: Link, change: CanonicalChange?, isCertain: Bool) {
        self.link = link
        self.change = change
        self.isCertain = isCertain
    }
}

/// How long a read may go on.
struct ReadLimit {
    private let deadline: ContinuousClock.Instant
    private var looked = 0
    private var isPast = false

    init(_ time: Duration) { deadline = .now.advanced(by: time) }

    /// Whether the time is over; asks the clock now and then only, and never before something was looked at.
    mutating func isOver() -> Bool {
        looked += 1
        if !isPast, looked % 16 == 0 { isPast = ContinuousClock.now >= deadline }
        return isPast
    }
}
