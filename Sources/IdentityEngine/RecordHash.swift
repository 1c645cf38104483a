/// What stands for a record as it was sent: a hash of its bytes under a key that nobody knows.
///
/// Without the key, nobody can make two records meet, and nothing can be learnt of a record from its hash.
package struct RecordHash: Hashable, Comparable, Sendable {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package static func < (a: RecordHash, b: RecordHash) -> Bool { (a.high, a.low) < (b.high, b.low) }
}

/// The key of the hashes of records.
package struct RecordHashKey: Sendable {
    private let key0: UInt64
    private let key1: UInt64

    /// A key from the system's random numbers.
    package init() {
        var generator = SystemRandomNumberGenerator()
        key0 = generator.next()
        key1 = generator.next()
    }

    /// The hash of a record.
    ///
    /// The same bytes are another record where they mean something else: an event, an update of a profile, one of a
    /// group.
    ///
    /// - Parameters:
    ///   - record: the record as sent.
    ///   - endpoint: the door it came through.
    /// - Returns: the hash.
    package func hash(of record: UnsafeRawBufferPointer, sentTo endpoint: EventBatch.Endpoint) -> RecordHash {
        var hash = StableHash(key0: key0, key1: key1)
        hash.update(UInt64((endpoint == .import ? .track : endpoint).rawValue))
        unsafe hash.update(record)
        let halves = hash.finish()
        return RecordHash(high: halves.high, low: halves.low)
    }
}

/// What tells that a request comes again: hashes of its records, where some are invalid (P 4.1-1b).
package struct RepeatMarks: Sendable {
    /// Those of the invalid records, ascending, each once.
    package let invalid: [RecordHash]
    /// One for each event of the batch.
    package internal(set) var events: [RecordHash]
    /// One for each update of the batch.
    package internal(set) var updates: [RecordHash]

    package init(invalid: [RecordHash], events: [RecordHash], updates: [RecordHash]) {
        self.invalid = Set(invalid).sorted()
        self.events = events
        self.updates = updates
    }

    /// How much memory it takes, in bytes.
    var sizeBytes: Int { (invalid.count + events.count + updates.count) * MemoryLayout<RecordHash>.stride }
}

extension EventBatch {
    /// The records to be stored, counted by project and hash; nothing for a request without invalid records.
    package var countsByHash: [ProjectID: [RecordHash: Int]] {
        guard let marks = repeatMarks else { return [:] }
        var counts: [ProjectID: [RecordHash: Int]] = [:]
        for (event, hash) in zip(events, marks.events) { counts[event.project, default: [:]][hash, default: 0] += 1 }
        for (update, hash) in zip(profileUpdates, marks.updates) {
            counts[update.project, default: [:]][hash, default: 0] += 1
        }
        return counts
    }

    /// Leaves records out, of those with a verb only the event: what they state is decided again, as it would be of a
    /// request that has no invalid record, for an unmerge may have taken it back.
    ///
    /// - Parameter excess: how many to leave out of those with a hash, by project.
    /// - Returns: how many were left out of each project.
    package mutating func leaveOut(_ excess: [ProjectID: [RecordHash: Int]]) -> [ProjectID: Int] {
        guard let marks = repeatMarks else { return [:] }
        var excess = excess
        var leftOut: [ProjectID: Int] = [:]
        func stays(_ project: ProjectID, _ hash: RecordHash) -> Bool {
            guard let rest = excess[project]?[hash], rest > 0 else { return true }
            excess[project]?[hash] = rest - 1
            leftOut[project, default: 0] += 1
            return false
        }
        let keptEvents = zip(events, marks.events).compactMap { event, hash in
            if stays(event.project, hash) { return (event, hash) }
            guard event.verb != nil else { return nil }
            var stated = event
            stated.isStoredAlready = true
            return (stated, hash)
        }
        let keptUpdates = zip(profileUpdates, marks.updates).filter { stays($0.project, $1) }
        events = keptEvents.map(\.0)
        profileUpdates = keptUpdates.map(\.0)
        repeatMarks?.events = keptEvents.map(\.1)
        repeatMarks?.updates = keptUpdates.map(\.1)
        return leftOut
    }
}
