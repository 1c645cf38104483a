import IdentityEngine
package import IdentityStore
import MixpanelWire

/// Brings files of records into a store, through the decoder and the commit of /import.
///
/// Run again over the same file it adds nothing twice: a record without insert id gets one made of the hash of its
/// content and its ordinal among records of the file with that content, and a record without time gets that of the
/// file's last change.
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
        let now = min(file.changedMilliseconds, clock.nowMilliseconds)
        var isAtEnd = false
        while !isAtEnd {
            let bytes = try file.read(upTo: 1 << 18)
            isAtEnd = bytes.isEmpty
            for record in isAtEnd ? splitter.finish() : splitter.feed(bytes) {
                pending.add(record)
                if pending.count == Self.batchRecordLimit || pending.sizeBytes >= Self.batchSizeLimitBytes {
                    tally.readBytes = before + file.offsetBytes
                    try await commit(
                        pending.take(), path, splitter.form == .lines, now, &ordinals, &tally, rejected)
                    progress(tally)
                }
            }
        }
        tally.readBytes = before + file.sizeBytes
        try await commit(pending.take(), path, splitter.form == .lines, now, &ordinals, &tally, rejected)
        progress(tally)
    }

    private func commit(
        _ records: PendingRecords, _ path: String, _ isLines: Bool, _ now: Int64, _ ordinals: inout ContentOrdinals,
        _ tally: inout Tally, _ rejected: (Rejection) -> Void
    ) async throws {
        guard records.count > 0 else { return }
        var batch = EventBatch(
            origin: EventBatch.Origin(endpoint: .import, principal: "command"), receivedMilliseconds: now)
        let target = RecordProject(project: project.id, system: project.rules.system)
        let result = decoder.decode(
            Payload(json: records.payload(isLines: isLines), isLines: isLines), into: &batch,
            projects: .fixed(target, mayMerge: true), strict: false, nowMilliseconds: now,
            limits: limits, timeRequired: !acceptsMissingTime)
        for ordinal in records.tooLarge {
            rejected(
                Rejection(path: path, ordinal: ordinal, message: "the record is larger than \(limits.eventBytes) bytes")
            )
        }
        for rejection in result.rejections {
            rejected(
                Rejection(path: path, ordinal: records.ordinals[rejection.index], message: rejection.message))
        }
        ordinals.fillInsertIDs(of: &batch)
        batch.receivedMilliseconds = clock.nowMilliseconds
        let committed = try await store.commit(
            [batch], by: [project.id: project.rules], nowMilliseconds: clock.nowMilliseconds)
        tally.read += records.count
        tally.rejected += records.tooLarge.count + result.rejections.count
        tally.stored += batch.events.count
        for result in committed {
            tally.merged += result.merged
            tally.unchanged += result.unchanged
            tally.refused += result.refused
        }
    }
}

/// Records that wait for their batch, with their places in the file.
private struct PendingRecords {
    private var texts: [[UInt8]] = []
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

/// How often each content has come in a file, so that identical records without insert id stay apart, and the same on a
/// second run.
private struct ContentOrdinals {
    private var counts: [UInt64: UInt32] = [:]

    mutating func fillInsertIDs(of batch: inout EventBatch) {
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
            let ordinal = counts[low, default: 0]
            counts[low] = ordinal + 1
            hash.update(UInt64(ordinal))
            let (first, second) = hash.finish()
            let key = EventKey(timeMilliseconds: 0, hashHigh: first, hashLow: second)
            batch.events[index].insertID = batch.append(Array(key.generatedInsertID.utf8))
            batch.events[index].isDeduplicated = true
        }
    }
}
