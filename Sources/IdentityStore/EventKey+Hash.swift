import IdentityEngine

extension EventKey {
    /// The key of an event that carries an insert id: the same for every copy of it (P 6.5).
    ///
    /// Each part goes into the hash after its length, so that no two different triples are the same bytes.
    ///
    /// - Parameters:
    ///   - timeMilliseconds: the event's time.
    ///   - name: the event's name.
    ///   - sentID: the `distinct_id` as sent.
    ///   - insertID: the `$insert_id`, not empty.
    package init(
        timeMilliseconds: Int64, name: UnsafeRawBufferPointer, sentID: UnsafeRawBufferPointer,
        insertID: UnsafeRawBufferPointer
    ) {
        var hash = StableHash()
        hash.update(part: name)
        hash.update(part: sentID)
        hash.update(part: insertID)
        let halves = hash.finish()
        self.init(timeMilliseconds: timeMilliseconds, hashHigh: halves.high, hashLow: halves.low)
    }
}

extension EventBatch.Event {
    /// The key that copies of the event share; nil where it never deduplicates (P 6.5).
    ///
    /// - Parameter arena: the bytes of the event's batch.
    /// - Returns: the key.
    func sharedKey(_ arena: UnsafeRawBufferPointer) -> EventKey? {
        guard isDeduplicated else { return nil }
        return EventKey(
            timeMilliseconds: timeMilliseconds, name: UnsafeRawBufferPointer(rebasing: arena[name.range]),
            sentID: UnsafeRawBufferPointer(rebasing: arena[sentID.range]),
            insertID: UnsafeRawBufferPointer(rebasing: arena[(dedupKey.isEmpty ? insertID : dedupKey).range]))
    }
}

/// Hashes for events without an insert id, which never deduplicate (P 6.5): a count, under a key that is random for
/// each instance of a store, so that neither two events of one process nor those of two processes meet.
package struct GeneratedHashes: Sendable {
    private let key0: UInt64
    private let key1: UInt64
    private var count: UInt64 = 0

    /// Starts with a key from the system's random numbers.
    package init() {
        var generator = SystemRandomNumberGenerator()
        key0 = generator.next()
        key1 = generator.next()
    }

    /// The key of an event at a time, unlike every other.
    package mutating func nextKey(timeMilliseconds: Int64) -> EventKey {
        count += 1
        var hash = StableHash(key0: key0, key1: key1)
        hash.update(count)
        let halves = hash.finish()
        return EventKey(timeMilliseconds: timeMilliseconds, hashHigh: halves.high, hashLow: halves.low)
    }
}

extension StableHash {
    /// Adds the length of a part, then its bytes.
    fileprivate mutating func update(part: UnsafeRawBufferPointer) {
        update(UInt64(part.count))
        update(part)
    }
}
