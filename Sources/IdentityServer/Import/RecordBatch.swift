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

    init(
        project: ProjectRecord, clock: ServerClock, acceptsMissingTime: Bool, reservedIDs: ReservedIDs = .standard
    ) {
        self.project = project
        self.clock = clock
        self.acceptsMissingTime = acceptsMissingTime
        var limits = WireLimits()
        limits.bodyBytes = 2 * RecordBatch.sizeLimitBytes + limits.eventBytes
        limits.reservedIDs = reservedIDs
        self.limits = limits
    }

    /// Opens a file of records.
    ///
    /// - Throws: `ConfigurationError` where it cannot be read.
    func open(_ path: String) throws(ConfigurationError) -> RecordStream {
        try RecordStream(
            path: path, recordSizeLimitBytes: limits.eventBytes, nowMilliseconds: clock.nowMilliseconds)
    }

    /// Decodes records whole, and one by one where they cannot be read as a whole: a fault is one record's alone.
    func decode(_ records: RecordBatch, statements: StatementReading = .asSaid) -> DecodedBatch {
        var batch = EventBatch(
            origin: EventBatch.Origin(endpoint: .import, principal: "command"),
            receivedMilliseconds: clock.nowMilliseconds)
        batch.countsRepeats = true
        var faults: [(index: Int, message: String)] = []
        let whole = decode(records.payload, records, statements, into: &batch)
        // A text that holds anything but one record would put the others out of their places.
        if whole.failure == nil, whole.recordCount == records.texts.count {
            faults = whole.rejections.map { ($0.index, $0.message) }
        } else if !records.texts.isEmpty {
            batch.events.removeAll()
            batch.bytes.removeAll()
            for (index, text) in records.texts.enumerated() {
                let alone = records.isLines ? text : [UInt8(ascii: "[")] + text + [UInt8(ascii: "]")]
                let decoded = batch.events.count
                let one = decode(alone, records, statements, into: &batch)
                for place in batch.events.indices.dropFirst(decoded) { batch.events[place].recordIndex = UInt32(index) }
                if let fault = one.rejections.first?.message { faults.append((index, fault)) }
                if one.failure != nil { faults.append((index, Answer.plainError(of: one) ?? "")) }
            }
        }
        var rejections = records.tooLarge.map { place in
            Importer.Rejection(
                path: records.path, place: place, message: "the record is larger than \(limits.eventBytes) bytes")
        }
        for (index, message) in faults {
            let place = JSONFault.place(in: records.texts[index], beginningAt: records.places[index])
            rejections.append(Importer.Rejection(path: records.path, place: place, message: message))
        }
        return DecodedBatch(
            events: batch, path: records.path, texts: records.texts, statements: statements, places: records.places,
            rejections: rejections, recordCount: records.count, ownLineCount: records.ownLineCount,
            offsetBytes: records.offsetBytes)
    }

    private func decode(
        _ json: [UInt8], _ records: RecordBatch, _ statements: StatementReading, into batch: inout EventBatch
    ) -> DecodeResult {
        var limits = limits
        // What was decided once was no reserved id there.
        if case .all = statements { limits.reservedIDs = ReservedIDs(text: "") }
        return decoder.decode(
            Payload(json: json, isLines: records.isLines), into: &batch,
            projects: .fixed(
                RecordProject(project: project.id, system: project.rules.system), mayMerge: true),
            strict: false, nowMilliseconds: clock.nowMilliseconds, limits: limits,
            timeRequired: !acceptsMissingTime, missingTimeMilliseconds: records.missingTime, statements: statements)
    }
}

/// Records that are decoded together, as many as one request to /import takes.
struct RecordBatch: Sendable {
    static let recordLimit = 2000
    static let sizeLimitBytes = 8 << 20

    let path: String
    let missingTime: Int64
    /// Whether the records were lines of their file, which none of them can leave.
    var isLines = false
    private(set) var texts: [[UInt8]] = []
    /// Where each text stands in the file.
    private(set) var places: [RecordPlace] = []
    private(set) var tooLarge: [RecordPlace] = []
    private(set) var sizeBytes = 0
    /// Lines of an export's log that are no events; they are counted and nothing else.
    private(set) var ownLineCount = 0
    /// How far in the file it ends, in bytes on disk.
    var offsetBytes: Int64 = 0

    init(path: String, missingTime: Int64) {
        self.path = path
        self.missingTime = missingTime
    }

    init(of stream: RecordStream) { self.init(path: stream.path, missingTime: stream.missingTime) }

    /// Rejected records are counted too.
    var count: Int { texts.count + tooLarge.count }

    var isEmpty: Bool { count + ownLineCount == 0 }

    var isFull: Bool { count >= Self.recordLimit || sizeBytes >= Self.sizeLimitBytes }

    mutating func add(_ record: RecordStream.Record) {
        guard let text = record.text else { return tooLarge.append(record.place) }
        guard !LogLine.isOne(text) else {
            ownLineCount += 1
            return
        }
        texts.append(text)
        places.append(record.place)
        sizeBytes += text.count
    }

    var payload: [UInt8] {
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

    /// The next records of a stream; nil at its end.
    ///
    /// - Throws: `ConfigurationError` where the file is damaged, after all that came before.
    static func next(of stream: RecordStream) throws(ConfigurationError) -> RecordBatch? {
        var batch = RecordBatch(of: stream)
        do throws(ConfigurationError) {
            while !batch.isFull, let record = try stream.next() { batch.add(record) }
        } catch {
            // Told again by the next call.
            if batch.isEmpty { throw error }
        }
        if batch.isEmpty { return nil }
        batch.isLines = stream.isLines
        batch.offsetBytes = stream.offsetBytes
        return batch
    }
}

/// Records that were decoded, with what is wrong with some of them.
struct DecodedBatch: Sendable {
    var events: EventBatch
    let path: String
    /// The records that `recordIndex` counts, as they stand in their file.
    let texts: [[UInt8]]
    /// Which of them were let state something.
    let statements: StatementReading
    /// Where the records that `recordIndex` counts stand in their file.
    let places: [RecordPlace]
    var rejections: [Importer.Rejection]
    /// How many records it was made of, rejected ones too.
    var recordCount: Int
    let ownLineCount: Int
    /// How far it ends in the file, or in all files that are read, in bytes on disk.
    var offsetBytes: Int64
}
