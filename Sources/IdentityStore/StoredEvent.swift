package import IdentityEngine

/// The place of an event in its project: by time, then by the hash of what makes it one event (P 6.5).
package struct EventKey: Hashable, Comparable, Sendable {
    package let timeMilliseconds: Int64
    /// The first eight bytes of the hash, as a big-endian number, so that numbers order as the bytes do.
    package let hashHigh: UInt64
    package let hashLow: UInt64

    package init(timeMilliseconds: Int64, hashHigh: UInt64, hashLow: UInt64) {
        self.timeMilliseconds = timeMilliseconds
        self.hashHigh = hashHigh
        self.hashLow = hashLow
    }

    /// Less than every key of an event at this time or later.
    package static func before(_ timeMilliseconds: Int64) -> EventKey {
        EventKey(timeMilliseconds: timeMilliseconds - 1, hashHigh: .max, hashLow: .max)
    }

    /// The greatest key that is less than this one.
    package var predecessor: EventKey {
        if hashLow > 0 {
            return EventKey(timeMilliseconds: timeMilliseconds, hashHigh: hashHigh, hashLow: hashLow - 1)
        }
        if hashHigh > 0 {
            return EventKey(timeMilliseconds: timeMilliseconds, hashHigh: hashHigh - 1, hashLow: .max)
        }
        return .before(timeMilliseconds)
    }

    /// No event has a greater key.
    package static let last = EventKey(timeMilliseconds: .max, hashHigh: .max, hashLow: .max)

    package static func < (a: EventKey, b: EventKey) -> Bool {
        (a.timeMilliseconds, a.hashHigh, a.hashLow) < (b.timeMilliseconds, b.hashHigh, b.hashLow)
    }
}

/// One event as a store has it.
package struct StoredEvent: Hashable, Sendable {
    package var key: EventKey
    package var name: [UInt8]
    /// The `distinct_id` as sent; empty for an event of nobody.
    package var sentID: [UInt8]
    /// The id that it is filed under, which reads resolve.
    package var filedID: [UInt8]
    /// `$insert_id` as sent; empty where none was.
    package var insertID: [UInt8]
    /// A minified JSON object.
    package var properties: [UInt8]
    package var endpoint: EventBatch.Endpoint
    package var receivedMilliseconds: Int64
    /// The log entry of the statement that the event makes; 0 for a plain event.
    package var sequence: Int64
    /// Why its device and its user were not joined (P 8-3): the device belonged to another, or they had been parted.
    package var conflict: MergeRefusal?
}

extension StoredEvent {
    /// Makes sure that the event can be written into an answer.
    ///
    /// - Throws: `StoreError.corrupt` where its properties are not a JSON object, or its name or insert id no text.
    package func check() throws(StoreError) {
        guard StoredJSON.isObject(properties), StoredJSON.isText(name), StoredJSON.isText(insertID) else {
            throw .unreadable("event", key.timeMilliseconds)
        }
    }
}
