import IdentityEngine

/// The walk over one body: finds its records and reads them one by one (P 2-8).
struct BodyWalk {
    /// How the records of a body stand beside one another.
    enum Shape {
        /// In one array.
        case array
        /// Whole values, one after another: one object, most of the time.
        case values
        /// One to a line, which it cannot leave.
        case lines
    }

    /// Why a body has no records.
    private struct Unreadable: Error {
        var failure: DecodeResult.Failure
    }

    let text: UnsafeBufferPointer<UInt8>
    let isLines: Bool
    let scratch: DecodeScratch
    let checks: RecordChecks
    let projects: ProjectSelection
    let limits: WireLimits
    /// Whether the records are updates of profiles, and not events.
    private let areUpdates: Bool
    private var result = DecodeResult()
    /// Whether something was not JSON, in the reading that counts.
    private(set) var isFaulty = false

    init(
        text: UnsafeBufferPointer<UInt8>,
        isLines: Bool,
        scratch: DecodeScratch,
        checks: RecordChecks,
        projects: ProjectSelection,
        limits: WireLimits
    ) {
        self.text = text
        self.isLines = isLines
        self.scratch = scratch
        self.checks = checks
        self.projects = projects
        areUpdates = checks.endpoint == .engage || checks.endpoint == .groups
        self.limits = areUpdates ? limits.ofUpdates : checks.isStrict ? limits.ofStrictImport : limits
    }

    /// Reads every record.
    ///
    /// - Parameter batch: Where events and updates go; as it was where there is a failure.
    /// - Returns: What became of the records.
    mutating func run(into batch: inout EventBatch) -> DecodeResult {
        let mark = BatchMark(batch)
        guard text.count < Int(UInt32.max), let base = text.baseAddress else { return DecodeResult(failure: .empty) }
        let shape = self.shape(base)
        switch scratch.index.scan(text, isLines: shape == .lines) {
        case .indexed: break
        case .blank: return DecodeResult(failure: .empty)
        case .noMemory: return DecodeResult(failure: .unreadable("payload is too large"))
        }
        let first = walkOnce(base, shape, into: &batch)
        // A backslash outside a string is a fault of one record, but it may turn what is taken for a string around
        // for all that follow. simdjson lets such a backslash escape a quote, our scan does not; which of them keeps
        // the fault to its record depends on the record. So a body with a fault and a backslash is read both ways,
        // and the better counts.
        guard isFaulty, !scratch.index.isOwnScan,
            ByteSearch.offset(of: UInt8(ascii: "\\"), in: base, from: 0, to: text.count) < text.count
        else { return first }
        guard case .indexed = scratch.index.rescan(text, isLines: shape == .lines) else { return first }
        mark.restore(&batch)
        let second = walkOnce(base, shape, into: &batch)
        guard second.failure != nil || (first.failure == nil && second.validCount < first.validCount) else {
            return second
        }
        mark.restore(&batch)
        _ = scratch.index.scan(text, isLines: shape == .lines)
        return walkOnce(base, shape, into: &batch)
    }

    /// Reads every record by the positions that are there.
    private mutating func walkOnce(
        _ base: UnsafePointer<UInt8>,
        _ shape: Shape,
        into batch: inout EventBatch
    ) -> DecodeResult {
        guard let positions = scratch.index.positions else { return DecodeResult(failure: .empty) }
        result = DecodeResult()
        scratch.recordRanges.removeAll(keepingCapacity: true)
        let mark = BatchMark(batch)
        isFaulty = false
        var reader = RecordReader(
            text: text, base: base, positions: positions, scratch: scratch, limits: limits,
            sliceBase: batch.bytes.count)
        do throws(Unreadable) {
            try walk(&reader, shape, into: &batch)
        } catch {
            mark.restore(&batch)
            return DecodeResult(failure: error.failure)
        }
        batch.bytes.append(contentsOf: UnsafeBufferPointer(start: reader.output, count: reader.used))
        hashRecords()
        result.validCount = result.recordCount - result.rejections.count
        return result
    }

    /// A body is lines where its sender says so, or where its first line ends an object and the next one begins
    /// another.
    private func shape(_ base: UnsafePointer<UInt8>) -> Shape {
        if isLines { return .lines }
        guard let first = text.first(where: { !isJSONSpace($0) }) else { return .values }
        if first == UInt8(ascii: "[") { return .array }
        let newline = ByteSearch.offset(of: 0x0A, in: base, from: 0, to: text.count)
        guard newline < text.count,
            text[..<newline].last(where: { !isJSONSpace($0) }) == UInt8(ascii: "}"),
            text[newline...].first(where: { !isJSONSpace($0) }) == UInt8(ascii: "{")
        else { return .values }
        return .lines
    }

    private mutating func walk(
        _ reader: inout RecordReader,
        _ shape: Shape,
        into batch: inout EventBatch
    ) throws(Unreadable) {
        switch shape {
        case .array: try walkArray(&reader, into: &batch)
        case .values: try walkValues(&reader, into: &batch)
        case .lines: try walkLines(&reader, into: &batch)
        }
        if result.recordCount == 0 { throw Unreadable(failure: .empty) }
    }

    private mutating func walkArray(
        _ reader: inout RecordReader,
        into batch: inout EventBatch
    ) throws(Unreadable) {
        let end = reader.cursorEnd
        reader.cursor = 1
        if reader.byte(at: 1) == UInt8(ascii: "]") {
            guard end == 2 else { throw unreadable() }
            throw Unreadable(failure: .empty)
        }
        while true {
            let start = reader.cursor
            try readRecord(&reader, into: &batch) { reader in
                let follower = reader.byte(at: reader.cursor)
                return follower == UInt8(ascii: ",") || follower == UInt8(ascii: "]")
            } recover: { reader throws(RecordFault) in
                reader.cursor = start
                try reader.skipElement()
            }
            let follower = reader.byte(at: reader.cursor)
            reader.cursor += 1
            if follower == UInt8(ascii: "]") { break }
        }
        guard reader.cursor == end else { throw unreadable() }
    }

    private mutating func walkValues(
        _ reader: inout RecordReader,
        into batch: inout EventBatch
    ) throws(Unreadable) {
        // Anything but an object is a payload without records; what is not JSON at all is unreadable.
        guard reader.byte(at: 0) == UInt8(ascii: "{") else {
            guard (try? reader.copyScalar(reader.byte(at: 0), textLimit: .max)) != nil, reader.cursorEnd == 1 else {
                throw unreadable()
            }
            throw Unreadable(failure: .empty)
        }
        while reader.cursor < reader.cursorEnd {
            let start = reader.cursor
            try readRecord(&reader, into: &batch) { _ in
                true
            } recover: { reader throws(RecordFault) in
                reader.cursor = start
                try reader.skipValue()
            }
        }
    }

    private mutating func walkLines(
        _ reader: inout RecordReader,
        into batch: inout EventBatch
    ) throws(Unreadable) {
        let end = reader.cursorEnd
        var lineCount = 0
        while reader.cursor < end {
            let lineEnd = endOfLine(reader, end, likely: reader.cursor &+ lineCount)
            lineCount = lineEnd &- reader.cursor
            reader.cursorEnd = lineEnd
            try readRecord(&reader, into: &batch) {
                $0.cursor == lineEnd
            } recover: { reader throws(RecordFault) in
                reader.cursor = lineEnd
            }
            reader.cursorEnd = end
        }
    }

    /// The first cursor past the line that the reader is in.
    ///
    /// - Parameters:
    ///   - reader: The reader.
    ///   - end: The cursor past the last line.
    ///   - likely: Where the line ends if it has as many positions as the one before: as good a place as any to search
    ///     from, and often the right one.
    /// - Returns: The cursor.
    private func endOfLine(_ reader: borrowing RecordReader, _ end: Int, likely: Int) -> Int {
        let start = reader.position(reader.cursor)
        let newline = ByteSearch.offset(of: 0x0A, in: reader.base, from: start, to: text.count)
        var cursor = min(likely, end)
        while cursor > reader.cursor, reader.position(cursor &- 1) >= newline { cursor &-= 1 }
        while cursor < end, reader.position(cursor) < newline { cursor &+= 1 }
        return cursor
    }

    /// Reads and checks the record at the cursor, and leaves the cursor past it.
    ///
    /// - Parameters:
    ///   - reader: The reader.
    ///   - batch: Where an event or an update goes.
    ///   - endsWell: Whether what follows the record may follow one.
    ///   - recover: Sets the cursor past a record that cannot be read.
    /// - Throws: Why the body has no records.
    private mutating func readRecord(
        _ reader: inout RecordReader,
        into batch: inout EventBatch,
        endsWell: (borrowing RecordReader) -> Bool,
        recover: (inout RecordReader) throws(RecordFault) -> Void
    ) throws(Unreadable) {
        guard result.recordCount < limits.recordsPerRequest else {
            throw Unreadable(failure: .tooManyRecords(limit: limits.recordsPerRequest))
        }
        let index = result.recordCount
        let usedBefore = reader.used
        let start = reader.position(reader.cursor)
        let head = reader.byte(at: reader.cursor)
        do throws(RecordFault) {
            if areUpdates { try reader.readUpdate() } else { try reader.readRecord() }
            guard endsWell(reader) else { throw .syntax }
        } catch {
            isFaulty = true
            reader.used = usedBefore
            do throws(RecordFault) { try recover(&reader) } catch { throw unreadable() }
            noteRange(start, reader.position(reader.cursor))
            var rejection = EventRejection(index, head == UInt8(ascii: "{") ? .notJSON : .notAnObject, insertID: [])
            if case .fixed(let project, mayMerge: _) = projects { rejection.project = project.project }
            reject(rejection)
            result.recordCount += 1
            return
        }
        noteRange(start, start + reader.recordBytes)
        result.recordCount += 1
        do throws(RecordRejection) {
            let verdict =
                areUpdates
                ? try reader.updateVerdict(checks, projects)
                : try reader.verdict(checks, projects, index: index, into: &batch.events)
            switch verdict {
            case .stored: return
            case .updated(let update):
                batch.profileUpdates.append(update)
                batch.profileUpdates[batch.profileUpdates.count - 1].recordIndex = UInt32(truncatingIfNeeded: index)
                return
            case .dropped(let project): result.noteDropped(project)
            case .unknownToken:
                noteUnknownToken(areUpdates ? reader.update.token : reader.value(.token))
                result.unknownTokenRejections.append(
                    areUpdates
                        ? EventRejection(index, .updateTokenUnknown, insertID: [])
                        : EventRejection(index, .tokenUnknown, insertID: reader.sentInsertID()))
            }
        } catch {
            var rejection = EventRejection(index, error, insertID: areUpdates ? [] : reader.sentInsertID())
            rejection.project = reader.namedProject(areUpdates ? reader.update.token : reader.value(.token), projects)
            reject(rejection)
        }
        reader.used = usedBefore
    }

    /// Notes a rejection of the record whose range was noted last, with the beginning of the record.
    private mutating func reject(_ rejection: EventRejection) {
        var rejection = rejection
        if let range = scratch.recordRanges.last {
            let record = text[Int(range.lowerBound)..<Int(range.upperBound)]
            rejection.recordBytes = record.count
            rejection.record = Array(record.prefix(EventRejection.excerptBytes))
        }
        result.rejections.append(rejection)
    }

    /// Notes where the next record stands, without the white space behind it.
    private func noteRange(_ start: Int, _ end: Int) {
        var end = end
        while end > start, isJSONSpace(text[end - 1]) { end -= 1 }
        scratch.recordRanges.append(UInt32(start)..<UInt32(end))
    }

    /// Hashes the records, where one of them is invalid, or may be made so by what the server does with unknown tokens.
    private mutating func hashRecords() {
        guard let key = checks.hashKey, !result.rejections.isEmpty || !result.unknownTokenRejections.isEmpty else {
            return
        }
        result.recordHashes = scratch.recordRanges.map { range in
            let record = text[Int(range.lowerBound)..<Int(range.upperBound)]
            return key.hash(of: UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: record)), sentTo: checks.endpoint)
        }
    }

    private mutating func noteUnknownToken(_ value: ValueReference) {
        result.noteUnknown(
            token: String(decoding: text[value.start..<min(value.end, value.start + 64)], as: UTF8.self))
    }

    /// The body's records cannot be told apart.
    private mutating func unreadable() -> Unreadable {
        isFaulty = true
        return Unreadable(failure: .unreadable("payload is not valid JSON"))
    }
}

/// How much a batch held before something was added that may have to be taken back.
struct BatchMark {
    private let events: Int
    private let updates: Int
    private let bytes: Int

    init(_ batch: EventBatch) {
        events = batch.events.count
        updates = batch.profileUpdates.count
        bytes = batch.bytes.count
    }

    func restore(_ batch: inout EventBatch) {
        batch.events.removeLast(batch.events.count - events)
        batch.profileUpdates.removeLast(batch.profileUpdates.count - updates)
        batch.bytes.removeLast(batch.bytes.count - bytes)
    }
}
