import IdentityEngine
import IdentityStore
import MixpanelWire

/// Brings one export of ours into a store: its log entry by entry, then its other events (P 7.1-8).
struct ExportImport {
    private var replay: LogReplay
    private(set) var tally: Importer.Tally

    private let store: any Store
    private let decoder: FileDecoder
    private let listener: Importer.Listener
    private let before: Importer.Tally
    /// Events that state nothing, and those that made an entry after the export's last.
    private var plain: RecordBatch?
    private var late: RecordBatch?
    private var ordinals = ContentOrdinals()
    private var countedEvents = 0
    private var unknownLines = 0

    init(
        _ replay: LogReplay, store: any Store, decoder: FileDecoder, listener: Importer.Listener,
        tally: Importer.Tally
    ) {
        self.replay = replay
        self.store = store
        self.decoder = decoder
        self.listener = listener
        self.tally = tally
        before = tally
    }

    /// The project, with the rules that are in force by now.
    var project: ProjectRecord { replay.project }

    /// Imports what a stream holds.
    ///
    /// - Throws: `ConfigurationError` for a file that cannot be read, `StoreError` for a store that cannot write.
    mutating func run(_ stream: RecordStream) async throws {
        do {
            while !listener.isStopped(), let record = try stream.next() {
                try await take(record, of: stream)
                tally.readBytes = before.readBytes + stream.offsetBytes
            }
        } catch let error as ConfigurationError {
            // What comes before damage is sound.
            try await finish()
            throw error
        }
        try await finish()
    }

    private mutating func finish() async throws {
        count(try await replay.flush())
        try await commitPlain()
        try await commitLate()
        notice()
        listener.progress(tally)
    }

    private mutating func take(_ record: RecordStream.Record, of stream: RecordStream) async throws {
        if let text = record.text, LogLine.isOne(text) {
            guard let line = try stream.line(text, at: record.place, after: replay.header) else {
                unknownLines += 1
                tally.lost += 1
                return listener.warned("\(stream.path), line \(record.place.line): the line is not known")
            }
            if case .entry(let entry) = line { try await take(entry, record, of: stream) }
            return
        }
        if let text = record.text { try stream.checkRow(text, at: record.place, after: replay.header) }
        if let text = record.text, text.holds(Self.mark), try await takeStatement(record, of: stream) { return }
        plain = plain ?? RecordBatch(of: stream)
        plain?.isLines = stream.isLines
        plain?.offsetBytes = stream.offsetBytes
        plain?.add(record)
        if plain?.isFull == true {
            count(try await replay.flush())
            try await commitPlain()
        }
    }

    private static let mark = Array(#""$selfsame_sequence""#.utf8)

    private mutating func take(
        _ entry: LogLine.Entry, _ record: RecordStream.Record, of stream: RecordStream
    ) async throws {
        if replay.hasReplayed(entry.sequence) { return replay.skip() }
        let (results, refusal) = try await replay.apply(entry)
        count(results)
        if let refusal {
            listener.warned(
                "\(stream.path), line \(record.place.line): entry \(entry.sequence) of the log is left out: \(refusal)")
        }
        notice()
    }

    /// Takes an event that made an entry.
    ///
    /// - Returns: whether it is one.
    private mutating func takeStatement(
        _ record: RecordStream.Record, of stream: RecordStream
    ) async throws -> Bool {
        var records = RecordBatch(of: stream)
        records.isLines = stream.isLines
        records.add(record)
        let decoded = decoder.decode(records, statements: .all)
        guard case .sequence(let sequence)? = decoded.events.events.first?.exportOrder else {
            // Where it made no entry, it is read as a plain event.
            guard let rejection = decoded.rejections.first else { return false }
            tally.read += 1
            tally.rejected += 1
            listener.rejected(rejection)
            return true
        }
        guard sequence <= replay.header.sequence else {
            late = late ?? RecordBatch(of: stream)
            late?.isLines = stream.isLines
            late?.add(record)
            if late?.isFull == true { try await commitLate() }
            return true
        }
        tally.read += 1
        if replay.hasReplayed(sequence) {
            tally.repeated += 1
            return true
        }
        var events = decoded.events
        try ordinals.fillDedupKeys(of: &events, path: decoded.path)
        count(try await replay.add(events, sequence: sequence))
        return true
    }

    private mutating func commitPlain() async throws {
        guard let batch = plain else { return }
        plain = nil
        try await commit(batch, statements: .none)
    }

    private mutating func commitLate() async throws {
        guard let batch = late else { return }
        late = nil
        try await commit(batch, statements: .asSaid)
    }

    private mutating func commit(_ batch: RecordBatch, statements: StatementReading) async throws {
        let decoded = decoder.decode(batch, statements: statements)
        decoded.rejections.forEach(listener.rejected)
        var events = decoded.events
        try ordinals.fillDedupKeys(of: &events, path: decoded.path)
        let results = try await store.commit(
            [events], by: [project.id: project.rules], nowMilliseconds: decoder.clock.nowMilliseconds)
        tally.count(decoded)
        tally.count(results, of: decoded.events.events.count)
        listener.progress(tally)
    }

    /// Counts statements that were decided: an event each, but for those whose event did not come along.
    private mutating func count(_ results: [CommitResult]) {
        if results.isEmpty { return }
        tally.count(results, of: replay.storedEvents - countedEvents)
        countedEvents = replay.storedEvents
        listener.progress(tally)
    }

    /// Takes over what the replay counts.
    private mutating func notice() {
        tally.amendments = before.amendments + replay.tally.amendments
        tally.lost = before.lost + unknownLines + replay.tally.lost
        tally.skippedRules = before.skippedRules + replay.tally.skippedRules
    }
}
