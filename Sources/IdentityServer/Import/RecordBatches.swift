import IdentityEngine
import IdentityStore
import MixpanelWire

/// Decodes records of files as /import does, for one project.
struct FileDecoder: Sendable {
    let project: ProjectRecord
    let clock: ServerClock
    let limits: WireLimits
    /// Whether a record without time is taken rather than rejected.
    let acceptsMissingTime: Bool

    private let decoder = EventDecoder()

    init(project: ProjectRecord, clock: ServerClock, acceptsMissingTime: Bool) {
        self.project = project
        self.clock = clock
        self.acceptsMissingTime = acceptsMissingTime
        var limits = WireLimits()
        limits.bodyBytes = 2 * RecordBatches.sizeLimitBytes + limits.eventBytes
        self.limits = limits
    }

    /// Decodes a batch of records whole, and one by one where it cannot be read as a whole: a fault is one record's
    /// alone.
    ///
    /// - Returns: the index and the fault of each record that is rejected.
    fileprivate func decode(
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
            let decoded = batch.events.count
            let one = decode(alone, isLines: isLines, missingTime: missingTime, into: &batch)
            for place in batch.events.indices.dropFirst(decoded) { batch.events[place].recordIndex = UInt32(index) }
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

/// The records of one file, in batches as large as those of /import.
///
/// What comes before damage is sound, and is given before the damage is told.
struct RecordBatches: ~Copyable {
    static let recordLimit = 2000
    static let sizeLimitBytes = 8 << 20

    /// Records that follow one another in the file.
    struct Batch {
        let events: EventBatch
        /// The ordinal in the file, from 1, of the records that `recordIndex` counts.
        let ordinals: [Int]
        let rejections: [Importer.Rejection]
        /// How many records it was made of, rejected ones too.
        let recordCount: Int
        /// How far in the file it ends, in bytes on disk.
        let offsetBytes: Int64
    }

    let sizeBytes: Int64

    private let path: String
    private let decoder: FileDecoder
    private let missingTime: Int64
    private var file: RecordFile
    private var splitter: RecordSplitter
    private var pending = PendingRecords()
    /// What the splitter gave last, and how much of it is pending or done.
    private var records: [RecordSplitter.Record] = []
    private var taken = 0
    private var isAtEnd = false
    private var damage: ConfigurationError?

    /// Opens a file.
    ///
    /// - Parameters:
    ///   - path: the file: JSON or NDJSON, plain or gzip.
    ///   - decoder: what reads its records.
    /// - Throws: `ConfigurationError` where the file cannot be read.
    init(path: String, decoder: FileDecoder) throws(ConfigurationError) {
        self.path = path
        self.decoder = decoder
        file = try RecordFile(path: path)
        sizeBytes = file.sizeBytes
        missingTime = min(file.changedMilliseconds, decoder.clock.nowMilliseconds)
        splitter = RecordSplitter(recordSizeLimitBytes: decoder.limits.eventBytes)
    }

    /// The next batch, which is not empty; nil at the end.
    ///
    /// - Throws: `ConfigurationError` where the file is damaged, after all that came before.
    mutating func next() throws(ConfigurationError) -> Batch? {
        while true {
            while taken < records.count {
                pending.add(records[taken])
                taken += 1
                if pending.count == Self.recordLimit || pending.sizeBytes >= Self.sizeLimitBytes { return decoded() }
            }
            if isAtEnd {
                if pending.count > 0 { return decoded() }
                if let damage { throw damage }
                return nil
            }
            var bytes: [UInt8] = []
            do throws(ConfigurationError) { bytes = try file.read(upTo: 1 << 18) } catch { damage = error }
            isAtEnd = bytes.isEmpty
            records = isAtEnd ? splitter.finish() : splitter.feed(bytes)
            taken = 0
        }
    }

    private mutating func decoded() -> Batch {
        let records = pending.take()
        var batch = EventBatch(
            origin: EventBatch.Origin(endpoint: .import, principal: "command"),
            receivedMilliseconds: decoder.clock.nowMilliseconds)
        let faults = decoder.decode(
            records, isLines: splitter.form == .lines, missingTime: missingTime, into: &batch)
        var rejections = records.tooLarge.map { ordinal in
            Importer.Rejection(
                path: path, ordinal: ordinal,
                message: "the record is larger than \(decoder.limits.eventBytes) bytes")
        }
        for (index, message) in faults {
            rejections.append(Importer.Rejection(path: path, ordinal: records.ordinals[index], message: message))
        }
        return Batch(
            events: batch, ordinals: records.ordinals, rejections: rejections, recordCount: records.count,
            offsetBytes: isAtEnd ? sizeBytes : file.offsetBytes)
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
