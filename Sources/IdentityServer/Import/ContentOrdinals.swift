import IdentityEngine
import IdentityStore

/// How often each record without a usable insert id has come in a file, so that identical ones stay apart, and the same
/// on a second run.
struct ContentOrdinals {
    /// The most different records without insert id in one file: about 2 GB of memory.
    private static let limit = 100_000_000

    private var seen: Set<UInt64> = []
    private var repeats: [UInt64: UInt64] = [:]

    /// - Throws: `ConfigurationError` where the file holds more such records than can be told apart.
    mutating func fillDedupKeys(
        of batch: inout EventBatch, path: String
    ) throws(ConfigurationError) {
        for index in batch.events.indices where !batch.events[index].isDeduplicated {
            let event = batch.events[index]
            var hash = StableHash()
            unsafe batch.bytes.withUnsafeBytes { bytes in
                for slice in [event.name, event.sentID, event.insertID, event.properties] {
                    hash.update(UInt64(slice.count))
                    unsafe hash.update(UnsafeRawBufferPointer(rebasing: bytes[slice.range]))
                }
            }
            hash.update(UInt64(bitPattern: event.timeMilliseconds))
            let content = hash
            let (low, _) = content.finish()
            var ordinal: UInt64 = 0
            if !seen.insert(low).inserted {
                ordinal = repeats[low, default: 0] + 1
                repeats[low] = ordinal
            } else if seen.count > Self.limit {
                throw ConfigurationError(
                    "\(path) holds more than \(Self.limit) records without $insert_id; split it, and import the parts")
            }
            hash.update(ordinal)
            let (first, second) = hash.finish()
            let key = EventKey(timeMilliseconds: 0, hashHigh: first, hashLow: second)
            batch.events[index].dedupKey = batch.append(Array(key.generatedInsertID.utf8))
            batch.events[index].isDeduplicated = true
        }
    }
}
