/// The records of one file, one after another, with their places.
///
/// What comes before damage is sound, and is given before the damage is told.
final class RecordStream {
    /// A record as it stands in its file.
    struct Record: Sendable {
        /// Nil for a record that is too large.
        let text: [UInt8]?
        let place: RecordPlace
    }

    let path: String
    /// The file's size on disk; 0 for a stream, whose end is not known.
    let sizeBytes: Int64
    /// The time of a record that has none, where that is accepted.
    let missingTime: Int64
    /// Whether it can be read but once.
    let isStream: Bool

    /// Nil for a text that is in memory.
    private var file: RecordFile?
    private var splitter: RecordSplitter
    private var queue: [Record] = []
    private var taken = 0
    private var ordinal = 0
    private var isAtEnd = false
    private var damage: ConfigurationError?

    /// Opens a file.
    ///
    /// - Parameters:
    ///   - path: the file: JSON or NDJSON, plain or gzip; `-` for standard input.
    ///   - recordSizeLimitBytes: the most bytes of one record.
    ///   - nowMilliseconds: the time.
    /// - Throws: `ConfigurationError` where the file cannot be read.
    init(path: String, recordSizeLimitBytes: Int, nowMilliseconds: Int64) throws(ConfigurationError) {
        let opened = try RecordFile(path: path)
        self.path = path == RecordFile.standardInput ? "standard input" : path
        sizeBytes = opened.sizeBytes
        isStream = opened.isStream
        missingTime = min(opened.changedMilliseconds, nowMilliseconds)
        file = consume opened
        splitter = RecordSplitter(recordSizeLimitBytes: recordSizeLimitBytes)
    }

    /// The records of a text.
    ///
    /// - Parameters:
    ///   - text: the text.
    ///   - name: what to call it in messages.
    ///   - recordSizeLimitBytes: the most bytes of one record.
    ///   - nowMilliseconds: the time.
    init(_ text: [UInt8], name: String, recordSizeLimitBytes: Int, nowMilliseconds: Int64) {
        path = name
        (sizeBytes, isStream) = (Int64(text.count), true)
        missingTime = nowMilliseconds
        file = nil
        splitter = RecordSplitter(recordSizeLimitBytes: recordSizeLimitBytes)
        enqueue(splitter.feed(text))
        enqueue(splitter.finish())
        isAtEnd = true
    }

    /// Whether records are lines; known once the first has ended.
    var isLines: Bool { splitter.form == .lines }

    /// How many records were read.
    var readCount: Int { ordinal }

    /// How far reading has come, in bytes on disk.
    var offsetBytes: Int64 { isAtEnd ? sizeBytes : file?.offsetBytes ?? 0 }

    /// The next record, which stays the next; nil at the end.
    ///
    /// - Throws: `ConfigurationError` where the file is damaged, after all that came before.
    func peek() throws(ConfigurationError) -> Record? {
        while taken == queue.count {
            if isAtEnd {
                if let damage { throw damage }
                return nil
            }
            var bytes: [UInt8] = []
            do throws(ConfigurationError) {
                bytes = try file?.read(upTo: isStream ? 1 << 14 : 1 << 18) ?? []
            } catch {
                damage = error
            }
            isAtEnd = bytes.isEmpty
            (queue, taken) = ([], 0)
            enqueue(isAtEnd ? splitter.finish() : splitter.feed(bytes))
        }
        return queue[taken]
    }

    private func enqueue(_ records: [RecordSplitter.Record]) {
        for (record, place) in zip(records, splitter.places) {
            ordinal += 1
            let found = RecordPlace(ordinal: ordinal, line: place.line, column: place.column)
            if case .bytes(let text) = record {
                queue.append(Record(text: text, place: found))
            } else {
                queue.append(Record(text: nil, place: found))
            }
        }
    }

    /// What the first record says of the log that follows; nil where the file does not begin with a log of ours.
    ///
    /// - Throws: `ConfigurationError` where the file is damaged, or of a version that this one does not know.
    func header() throws(ConfigurationError) -> LogLine.Header? {
        guard let text = try peek()?.text else { return nil }
        do throws(LogLine.Fault) {
            guard LogLine.isOne(text) else { return try LogLine.header(bornBy: text) }
            switch try LogLine(text) {
            case .header(let header): return header
            case .entry: return nil
            case nil: break
            }
        } catch {
            throw ConfigurationError("\(path) begins with a line that is no line of an export: \(error.message)")
        }
        throw ConfigurationError(
            "\(path) begins with a line that this version of selfsame does not know; import it with the version "
                + "that exported it, or a later one")
    }

    /// Reads a record that follows a header: what it says of a log, if it is a line of one.
    ///
    /// - Parameters:
    ///   - text: the record.
    ///   - place: where it stands.
    ///   - header: what the file began with.
    /// - Returns: the line; nil for one that this version does not know.
    /// - Throws: `ConfigurationError` for a line with a number that no export has, and for the header of another one:
    ///   files that were joined into one.
    func line(
        _ text: [UInt8], at place: RecordPlace, after header: LogLine.Header
    ) throws(ConfigurationError) -> LogLine? {
        do throws(LogLine.Fault) {
            let line = try LogLine(text)
            if case .header(let other)? = line { try refuse(other, at: place, after: header) }
            return line
        } catch {
            throw ConfigurationError("\(path), line \(place.line): \(error.message)")
        }
    }

    /// Checks that a record which is no line of a log is not the first of another export.
    ///
    /// - Throws: `ConfigurationError` where it is.
    func checkRow(_ text: [UInt8], at place: RecordPlace, after header: LogLine.Header) throws(ConfigurationError) {
        do throws(LogLine.Fault) {
            if let other = try LogLine.header(bornBy: text) { try refuse(other, at: place, after: header) }
        } catch {
            throw ConfigurationError("\(path), line \(place.line): \(error.message)")
        }
    }

    private func refuse(
        _ other: LogLine.Header, at place: RecordPlace, after header: LogLine.Header
    ) throws(LogLine.Fault) {
        if other == header { return }
        throw LogLine.Fault(
            message: "another export begins here, and nothing from this line on was imported; import the files of "
                + "exports one by one")
    }

    /// The next record; nil at the end.
    ///
    /// - Throws: `ConfigurationError` where the file is damaged, after all that came before.
    func next() throws(ConfigurationError) -> Record? {
        let record = try peek()
        if record != nil { taken += 1 }
        return record
    }
}

/// Where a record stands in its file.
package struct RecordPlace: Hashable, Sendable {
    /// Its number among the records, from 1.
    package let ordinal: Int
    /// Where it begins, or what is wrong with it stands: both from 1.
    package var line: Int
    package var column: Int
}
