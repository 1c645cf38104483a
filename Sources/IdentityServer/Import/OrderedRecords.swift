import IdentityEngine
import IdentityStore
import MixpanelWire

/// The records of files in the order in which they are imported (P 7.1-8): first those that state something about ids,
/// in the order in which an export says that they came, then the others as they stand.
///
/// A stream is read but once, so its records come as they stand; where their order goes back, that is told.
struct OrderedRecords {
    /// Where records come from.
    enum Source {
        case file(String)
        case stream(RecordStream)
    }

    private let sources: [Source]
    private let decoder: FileDecoder
    private let heldLimitBytes: Int
    private let warn: (String) -> Void

    private var statements: [Statement] = []
    private var last: Order?
    private var areStatementsDone = false
    /// The files whose statements say which entry of our log they made; all their other records are plain.
    private var ownExports: Set<Int> = []
    /// What is wrong with statements, by their file and ordinal.
    private var faults: [Int: [Int: String]] = [:]
    private var file = 0
    private var stream: RecordStream?
    /// The bytes of the files that were read to their end.
    private var doneBytes: Int64 = 0
    private var streamOrder: Order?
    private var hasWarned = false

    private struct Statement {
        let order: Order
        /// Whether it says itself which entry of our log it made.
        let isEntry: Bool
        let record: RecordStream.Record
        let file: Int
        let isLines: Bool
        let missingTime: Int64
    }

    /// - Parameters:
    ///   - sources: the files and streams.
    ///   - decoder: what reads their records.
    ///   - heldLimitBytes: the bytes of statements that are held at a time; of more, those that come first are taken,
    ///     and the files are read again for the rest.
    ///   - warn: told where the order of a stream goes back.
    init(
        _ sources: [Source], decoder: FileDecoder, heldLimitBytes: Int = 256 << 20,
        warn: @escaping (String) -> Void
    ) {
        self.sources = sources
        self.decoder = decoder
        self.heldLimitBytes = heldLimitBytes
        self.warn = warn
    }

    /// The next records, decoded; nil at the end.
    ///
    /// - Throws: `ConfigurationError` where a file is damaged, after all that came before in it.
    mutating func next() throws(ConfigurationError) -> DecodedBatch? {
        while true {
            if let batch = nextStatements() { return batch }
            if areStatementsDone { break }
            try select()
        }
        while file < sources.count {
            if stream == nil {
                switch sources[file] {
                case .file(let path): stream = try decoder.open(path)
                case .stream(let open): stream = open
                }
            }
            if let stream, let records = try RecordBatch.next(of: stream) {
                return others(of: records, isStream: stream.isStream)
            }
            doneBytes += stream?.sizeBytes ?? 0
            stream = nil
            streamOrder = nil
            file += 1
        }
        return nil
    }

    private mutating func others(of records: RecordBatch, isStream: Bool) -> DecodedBatch {
        let isOwn = ownExports.contains(file)
        var batch = decoder.decode(records, statements: isOwn ? .none : .asSaid)
        batch.offsetBytes += doneBytes
        if isStream {
            noteOrder(of: batch.events)
            return batch
        }
        let events = batch.events.events
        batch.events.events.removeAll { isOwn ? $0.exportOrder?.isSequence == true : $0.verb != nil }
        batch.recordCount -= events.count - batch.events.events.count
        if isOwn {
            for event in events where event.exportOrder?.isSequence == true {
                let place = batch.places[Int(event.recordIndex)]
                guard let message = faults[file]?[place.ordinal] else { continue }
                batch.rejections.append(Importer.Rejection(path: batch.path, place: place, message: message))
                batch.recordCount += 1
            }
        }
        return batch
    }

    private mutating func noteOrder(of batch: EventBatch) {
        for event in batch.events where event.verb != nil {
            guard let order = event.exportOrder.map({ Order($0, ordinal: 0) }) else { continue }
            if !hasWarned, let streamOrder, order < streamOrder {
                hasWarned = true
                warn(
                    "the identity events of the stream do not come in the order in which they were decided: they are "
                        + "taken as they come; import it as a file to have them sorted")
            }
            streamOrder = order
        }
    }

    /// Decodes the next statements that were selected.
    private mutating func nextStatements() -> DecodedBatch? {
        guard let first = statements.first else { return nil }
        guard case .file(let path) = sources[first.file] else { return nil }
        var records = RecordBatch(path: path, missingTime: first.missingTime)
        records.isLines = first.isLines
        var count = 0
        for statement in statements {
            guard statement.file == first.file, !records.isFull else { break }
            records.add(statement.record)
            count += 1
        }
        statements.removeFirst(count)
        return decoder.decode(records)
    }

    /// Selects the statements that come next, as many as are held at a time.
    private mutating func select() throws(ConfigurationError) {
        var held: [Statement] = []
        var sizeBytes = 0
        var isCut = false
        var ordinal = 0
        var isDamaged = false
        for (file, source) in sources.enumerated() {
            guard case .file(let path) = source else { continue }
            let stream = try decoder.open(path)
            var order: EventBatch.ExportOrder?
            while !isDamaged {
                var records: RecordBatch?
                // The others are read later, and the damage is told then.
                do throws(ConfigurationError) { records = try candidates(of: stream) } catch {
                    isDamaged = true
                }
                guard let records else { break }
                let batch = decoder.decode(records)
                for rejection in batch.rejections {
                    faults[file, default: [:]][rejection.place.ordinal] = rejection.message
                }
                for event in batch.events.events where event.verb != nil {
                    let index = Int(event.recordIndex)
                    if event.exportOrder?.isSequence == true { ownExports.insert(file) }
                    // One that does not say when it came follows the one before it.
                    order = event.exportOrder ?? order
                    let place = Order(order, ordinal: ordinal + batch.places[index].ordinal)
                    if let last, place <= last { continue }
                    held.append(
                        Statement(
                            order: place, isEntry: event.exportOrder?.isSequence == true,
                            record: .init(text: records.texts[index], place: batch.places[index]), file: file,
                            isLines: records.isLines, missingTime: records.missingTime))
                    sizeBytes += records.texts[index].count + MemoryLayout<Statement>.stride
                }
                if sizeBytes > heldLimitBytes {
                    isCut = true
                    held.sort { $0.order < $1.order }
                    while sizeBytes > heldLimitBytes / 2, held.count > 1, let dropped = held.popLast() {
                        sizeBytes -= (dropped.record.text?.count ?? 0) + MemoryLayout<Statement>.stride
                    }
                }
            }
            isDamaged = false
            ordinal += stream.readCount
        }
        held.sort { $0.order < $1.order }
        last = held.last?.order
        areStatementsDone = !isCut
        statements = held.filter { !ownExports.contains($0.file) || $0.isEntry }
    }

    /// Records that may state something: decoding all would take as long as the import.
    private func candidates(of stream: RecordStream) throws(ConfigurationError) -> RecordBatch? {
        var batch = RecordBatch(of: stream)
        do throws(ConfigurationError) {
            while !batch.isFull, let record = try stream.next() {
                if let text = record.text, mayState(text) { batch.add(record) }
            }
        } catch {
            if batch.count == 0 { throw error }
        }
        batch.isLines = stream.isLines
        return batch.count == 0 ? nil : batch
    }

    private func mayState(_ text: [UInt8]) -> Bool {
        // A Simplified event states something where it has both ids, whatever it is called.
        decoder.project.rules.system == .simplified || Self.marks.contains { text.holds($0) }
    }

    /// A verb's name, or the beginning of it where its `$` is escaped.
    private static let marks: [[UInt8]] = ["$identify", "$create_alias", "$merge", #"\u0024"#].map { Array($0.utf8) }
}

/// The order of statements: by their entry in our log, else by when Mixpanel took them, else as they stand.
private struct Order: Comparable {
    let isSequence: Bool
    private let number: Int64
    private let ordinal: Int

    init(_ order: EventBatch.ExportOrder?, ordinal: Int) {
        self.ordinal = ordinal
        switch order {
        case .sequence(let sequence): (isSequence, number) = (true, sequence)
        case .processed(let milliseconds): (isSequence, number) = (false, milliseconds)
        case nil: (isSequence, number) = (false, .min)
        }
    }

    static func < (a: Order, b: Order) -> Bool {
        if a.isSequence != b.isSequence { return a.isSequence }
        return (a.number, a.ordinal) < (b.number, b.ordinal)
    }
}

extension EventBatch.ExportOrder {
    fileprivate var isSequence: Bool {
        if case .sequence = self { true } else { false }
    }
}
