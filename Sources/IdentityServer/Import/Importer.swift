import IdentityEngine
package import IdentityStore
import MixpanelWire

/// Brings files of records into a store, through the decoder and the commit of /import.
///
/// Run again over the same file it adds nothing twice: a record without a usable insert id is told apart by the hash of
/// what it says, whatever the white space between, and its ordinal among identical records of the file. A record
/// without time gets that of the file's last change.
package struct Importer: Sendable {
    private static let batchRecordLimit = 2000
    private static let batchSizeLimitBytes = 8 << 20

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
    private let project: ProjectRecord
    private let clock: ServerClock
    private let decoder: EventDecoder
    private let limits: WireLimits
    private let acceptsMissingTime: Bool

    /// - Parameters:
    ///   - store: where the events go.
    ///   - project: the project that they belong to, whatever token they carry.
    ///   - clock: the time of log entries.
    ///   - acceptsMissingTime: whether a record without time is taken rather than rejected.
    package init(store: any Store, project: ProjectRecord, clock: ServerClock, acceptsMissingTime: Bool) {
        self.store = store
        self.project = project
        self.clock = clock
        self.acceptsMissingTime = acceptsMissingTime
        var limits = WireLimits()
        limits.bodyBytes = 2 * Self.batchSizeLimitBytes + limits.eventBytes
        self.limits = limits
        self.decoder = EventDecoder()
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
        var file = try RecordFile(path: path)
        var splitter = RecordSplitter(recordSizeLimitBytes: limits.eventBytes)
        var pending = PendingRecords()
        var ordinals = ContentOrdinals()
        let before = tally.readBytes
        let missingTime = min(file.changedMilliseconds, clock.nowMilliseconds)
        var damage: ConfigurationError?
        var isAtEnd = false
        while !isAtEnd {
            var bytes: [UInt8] = []
            // What came before the damage is sound, and is imported.
            do throws(ConfigurationError) { bytes = try file.read(upTo: 1 << 18) } catch { damage = error }
            isAtEnd = bytes.isEmpty
            for record in isAtEnd ? splitter.finish() : splitter.feed(bytes) {
                pending.add(record)
                if pending.count == Self.batchRecordLimit || pending.sizeBytes >= Self.batchSizeLimitBytes {
                    tally.readBytes = before + file.offsetBytes
                    try await commit(
                        pending.take(), path, splitter.form == .lines, missingTime, &ordinals, &tally, rejected)
                    progress(tally)
                }
            }
        }
        tally.readBytes = before + file.sizeBytes
        try await commit(pending.take(), path, splitter.form == .lines, missingTime, &ordinals, &tally, rejected)
        progress(tally)
        if let damage { throw damage }
    }

    private func commit(
        _ records: PendingRecords, _ path: String, _ isLines: Bool, _ missingTime: Int64,
        _ ordinals: inout ContentOrdinals, _ tally: inout Tally, _ rejected: (Rejection) -> Void
    ) async throws {
        guard records.count > 0 else { return }
        var batch = EventBatch(
            origin: EventBatch.Origin(endpoint: .import, principal: "command"),
            receivedMilliseconds: clock.nowMilliseconds)
        let rejections = decode(records, isLines: isLines, missingTime: missingTime, into: &batch)
        for ordinal in records.tooLarge {
            rejected(
                Rejection(
                    path: path, ordinal: ordinal, message: "the record is larger than \(limits.eventBytes) bytes"))
        }
        for (index, message) in rejections {
            rejected(Rejection(path: path, ordinal: records.ordinals[index], message: message))
        }
        try ordinals.fillDedupKeys(of: &batch, path: path)
        let committed = try await store.commit(
            [batch], by: [project.id: project.rules], nowMilliseconds: clock.nowMilliseconds)
        tally.read += records.count
        tally.rejected += records.tooLarge.count + rejections.count
        tally.stored += batch.events.count
        for result in committed {
            tally.merged += result.merged
            tally.unchanged += result.unchanged
            tally.refused += result.refused
        }
    }

    /// Decodes a batch of records whole, and one by one where it cannot be read as a whole: a fault is one record's
    /// alone.
    ///
    /// - Returns: the index and the fault of each record that is rejected.
    private func decode(
        _ records: PendingRecords, isLines: Bool, missingTime: Int64, into batch: inout EventBatch
    ) -> [(index: Int, message: String)] {
        let whole = decode(records.payload(isLines: isLines), isLines: isLines, missingTime: missingTime, into: &batch)
        // A text that holds anything but one record would put the others out of their places.
        if whole.failure == nil, whole.recordCount == records.texts.count {
            return whole.rejections.map { ($0.index, $0.message) }
        }
        batch.events.removeAll()
        batch.bytes.removeAll()
        var rejections: [(index: Int, message: String)] = []
        for (index, text) in records.texts.enumerated() {
            let alone = isLines ? text : [UInt8(ascii: "[")] + text + [UInt8(ascii: "]")]
            let one = decode(alone, isLines: isLines, missingTime: missingTime, into: &batch)
            if let fault = one.rejections.first?.message { rejections.append((index, fault)) }
            if one.failure != nil { rejections.append((index, Answer.plainError(of: one) ?? "")) }
        }
        return rejections
    }

    private func decode(
        _ json: [UInt8], isLines: Bool, missingTime: Int64, into batch: inout EventBatch
    ) -> DecodeResult {
        decoder.decode(
            Payload(json: json, isLines: isLines), into: &batch,
            projects: .fixed(
                RecordProject(project: project.id, system: project.rules.system), mayMerge: true),
            strict: false, nowMilliseconds: clock.nowMilliseconds, limits: limits,
            timeRequired: !acceptsMissingTime, missingTimeMilliseconds: missingTime)
    }
}

/// Records that wait for their batch, with their places in the file.
private struct PendingRecords {
    private(set) var texts: [[UInt8]] = []
    /// The ordinal in the file of each text.
    private(set) var ordinals: [Int] = []
    private(set) var tooLarge: [Int] = []
    private(set) var sizeBytes = 0
    private var last = 0

    var count: Int { texts.count + tooLarge.count }

    mutating func add(_ record: RecordSplitter.Record) {
        last += 1
        switch record {
        case .tooLarge: tooLarge.append(last)
        case .bytes(let bytes):
            texts.append(bytes)
            ordinals.append(last)
            sizeBytes += bytes.count
        }
    }

    mutating func take() -> PendingRecords {
        let taken = self
        self = PendingRecords()
        last = taken.last
        return taken
    }

    func payload(isLines: Bool) -> [UInt8] {
        var payload: [UInt8] = []
        payload.reserveCapacity(sizeBytes + texts.count + 2)
        if !isLines { payload.append(UInt8(ascii: "[")) }
        for (index, text) in texts.enumerated() {
            if index > 0 { payload.append(isLines ? 0x0a : UInt8(ascii: ",")) }
            payload.append(contentsOf: text)
        }
        if !isLines { payload.append(UInt8(ascii: "]")) }
        return payload
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
