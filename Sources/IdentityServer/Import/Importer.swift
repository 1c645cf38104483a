import IdentityEngine
package import IdentityStore
import MixpanelWire

/// Brings files of records into a store, through the decoder and the commit of /import.
///
/// Run again over the same file it adds nothing twice: a record without a usable insert id is told apart by the hash of
/// what it says, whatever the white space between, and its ordinal among identical records of the file. A record
/// without time gets that of the file's last change.
package struct Importer: Sendable {
    /// What has become of the records so far.
    package struct Tally: Sendable {
        package var read = 0
        package var stored = 0
        package var rejected = 0
        package var merged = 0
        package var unchanged = 0
        package var refused = 0
        /// Bytes of the files that were read.
        package var readBytes: Int64 = 0

        package init() {}
    }

    /// A record that was not stored, by its ordinal in its file, from 1.
    package struct Rejection: Sendable {
        package let path: String
        package let ordinal: Int
        package let message: String
    }

    private let store: any Store
    private let decoder: FileDecoder

    /// - Parameters:
    ///   - store: where the events go.
    ///   - project: the project that they belong to, whatever token they carry.
    ///   - clock: the time of log entries.
    ///   - acceptsMissingTime: whether a record without time is taken rather than rejected.
    package init(store: any Store, project: ProjectRecord, clock: ServerClock, acceptsMissingTime: Bool) {
        self.store = store
        decoder = FileDecoder(project: project, clock: clock, acceptsMissingTime: acceptsMissingTime)
    }

    /// Imports one file.
    ///
    /// - Parameters:
    ///   - path: the file: JSON or NDJSON, plain or gzip.
    ///   - tally: what earlier files came to; added to.
    ///   - progress: told after each commit.
    ///   - rejected: told of each record that is not stored.
    /// - Throws: `ConfigurationError` for a file that cannot be read, `StoreError` for a store that cannot write.
    package func run(
        path: String, tally: inout Tally, progress: (Tally) -> Void, rejected: (Rejection) -> Void
    ) async throws {
        let before = tally.readBytes
        var batches = try RecordBatches(path: path, decoder: decoder)
        var ordinals = ContentOrdinals()
        while let batch = try batches.next() {
            batch.rejections.forEach(rejected)
            var events = batch.events
            try ordinals.fillDedupKeys(of: &events, path: path)
            let committed = try await store.commit(
                [events], by: [decoder.project.id: decoder.project.rules],
                nowMilliseconds: decoder.clock.nowMilliseconds)
            tally.count(batch)
            tally.stored += events.events.count
            for result in committed {
                tally.merged += result.merged
                tally.unchanged += result.unchanged
                tally.refused += result.refused
            }
            tally.readBytes = before + batch.offsetBytes
            progress(tally)
        }
        tally.readBytes = before + batches.sizeBytes
        progress(tally)
    }
}

extension Importer.Tally {
    /// Counts the records of a batch, whatever became of those that are in order.
    mutating func count(_ batch: RecordBatches.Batch) {
        read += batch.recordCount
        rejected += batch.rejections.count
    }
}

/// How often each record without a usable insert id has come in a file, so that identical ones stay apart, and the same
/// on a second run.
private struct ContentOrdinals {
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
