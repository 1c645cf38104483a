/// Cuts a stream of bytes into records: the elements of one JSON array, lines, or objects that follow one another.
///
/// It looks at brackets and strings only; whether a record is JSON is for the decoder to say. Memory is bounded: of a
/// record larger than the limit only its size is kept.
package struct RecordSplitter: Sendable {
    /// How records follow one another.
    package enum Form: Sendable {
        /// Elements of one array.
        case array
        /// One record a line.
        case lines
        /// Objects over any number of lines.
        case objects
    }

    /// One record, as it stands in the file.
    package enum Record: Hashable, Sendable {
        case bytes([UInt8])
        case tooLarge
    }

    /// Where something stands in a text, both from 1; the column in characters.
    package struct Place: Hashable, Sendable {
        package var line: Int
        package var column: Int

        package init(line: Int, column: Int) {
            self.line = line
            self.column = column
        }
    }

    /// Where each of the records begins that were given last.
    package private(set) var places: [Place] = []

    /// The form, known once the first record has ended.
    package private(set) var form: Form?

    private let recordSizeLimitBytes: Int
    private var records: [Record] = []
    private var current: [UInt8] = []
    private var isTooLarge = false
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    private var hasBegun = false
    private var isAfterArray = false
    /// Where the next byte stands, and where the record that is being read begins.
    private var next = Place(line: 1, column: 1)
    private var begin: Place?
    private var givenPlaces: [Place] = []

    package init(recordSizeLimitBytes: Int) { self.recordSizeLimitBytes = recordSizeLimitBytes }

    /// Takes the next bytes, and gives the records that end in them.
    package mutating func feed(_ bytes: [UInt8]) -> [Record] {
        for byte in bytes {
            take(byte)
            if byte == 0x0a {
                next = Place(line: next.line + 1, column: 1)
            } else if byte & 0xc0 != 0x80 {
                next.column += 1
            }
        }
        return given()
    }

    /// Ends the stream, and gives what was left without an end.
    package mutating func finish() -> [Record] {
        if form == nil { form = depth == 0 ? .lines : .objects }
        endRecord()
        return given()
    }

    private mutating func given() -> [Record] {
        places = givenPlaces
        givenPlaces.removeAll()
        defer { records.removeAll() }
        return records
    }

    private mutating func take(_ byte: UInt8) {
        if !hasBegun {
            // A byte order mark and blanks before the first record belong to nothing.
            if [0xef, 0xbb, 0xbf, 0x20, 0x09, 0x0a, 0x0d].contains(byte) { return }
            hasBegun = true
            if byte == UInt8(ascii: "[") {
                form = .array
                return
            }
        }
        if byte == 0x0a, form == .lines || (form == nil && depth == 0) {
            form = .lines
            endLine()
            return
        }
        if isInString {
            takeInString(byte)
        } else {
            takeOutsideString(byte)
        }
    }

    private mutating func takeInString(_ byte: UInt8) {
        append(byte)
        if isEscaped {
            isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
            isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
            isInString = false
        }
    }

    private mutating func takeOutsideString(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""):
            isInString = true
            append(byte)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            depth += 1
            append(byte)
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            if form == .array, depth == 0 {
                endRecord()
                isAfterArray = true
                return
            }
            depth = max(0, depth - 1)
            append(byte)
            if depth == 0, form == .objects { endRecord() }
        case UInt8(ascii: ",") where form == .array && depth == 0:
            endRecord()
        default:
            if byte == 0x0a, form == nil, depth > 0 { form = .objects }
            append(byte)
        }
    }

    private mutating func append(_ byte: UInt8) {
        if isAfterArray && current.isEmpty && (byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09) { return }
        if begin == nil, byte != 0x20, byte != 0x0a, byte != 0x0d, byte != 0x09 { begin = next }
        if current.count > recordSizeLimitBytes {
            isTooLarge = true
            return
        }
        current.append(byte)
    }

    /// A line ends whatever it holds: a fault in it is its own.
    private mutating func endLine() {
        depth = 0
        isInString = false
        isEscaped = false
        endRecord()
    }

    private mutating func endRecord() {
        let isBlank = current.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0a || $0 == 0x0d }
        if isTooLarge || !isBlank {
            records.append(isTooLarge ? .tooLarge : .bytes(current))
            givenPlaces.append(begin ?? next)
        }
        begin = nil
        current.removeAll(keepingCapacity: true)
        isTooLarge = false
    }
}
