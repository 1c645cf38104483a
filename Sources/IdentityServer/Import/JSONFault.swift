/// Where a text stops being JSON, for messages about records that cannot be read.
///
/// It says no more than a place: what is wrong is for the decoder to say.
struct JSONFault {
    private let text: [UInt8]
    private var offset = 0

    private init(_ text: [UInt8]) { self.text = text }

    /// The place of the first byte of a record that cannot stand there; where the record begins if it is JSON.
    static func place(in text: [UInt8], beginningAt begin: RecordPlace) -> RecordPlace {
        var fault = JSONFault(text)
        guard let offset = fault.firstFault() else { return begin }
        let lead = text.prefix { $0 == 0x20 || $0 == 0x09 || $0 == 0x0a || $0 == 0x0d }.count
        var place = begin
        for byte in text[min(lead, offset)..<offset] {
            if byte == 0x0a {
                place.line += 1
                place.column = 1
            } else if byte & 0xc0 != 0x80 {
                place.column += 1
            }
        }
        return place
    }

    private mutating func firstFault() -> Int? {
        skipSpace()
        var closers: [UInt8] = []
        repeat {
            guard readValue(&closers) else { return offset }
            while let closer = closers.last {
                skipSpace()
                guard let byte = peek() else { return offset }
                if byte == closer {
                    offset += 1
                    closers.removeLast()
                    continue
                }
                guard byte == UInt8(ascii: ",") else { return offset }
                offset += 1
                skipSpace()
                if closer == UInt8(ascii: "}"), !readKey() { return offset }
                break
            }
        } while !closers.isEmpty
        skipSpace()
        return offset < text.count ? offset : nil
    }

    /// Reads a value up to its end, or up to its first element.
    private mutating func readValue(_ closers: inout [UInt8]) -> Bool {
        while true {
            skipSpace()
            guard let byte = peek() else { return false }
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                let closer: UInt8 = byte == UInt8(ascii: "{") ? UInt8(ascii: "}") : UInt8(ascii: "]")
                offset += 1
                skipSpace()
                closers.append(closer)
                if peek() == closer { return true }
                if closer == UInt8(ascii: "}"), !readKey() { return false }
            case UInt8(ascii: "\""): return readString()
            default: return readScalar()
            }
        }
    }

    private mutating func readKey() -> Bool {
        guard peek() == UInt8(ascii: "\""), readString() else { return false }
        skipSpace()
        guard peek() == UInt8(ascii: ":") else { return false }
        offset += 1
        return true
    }

    private mutating func readString() -> Bool {
        offset += 1
        while let byte = peek() {
            if byte == UInt8(ascii: "\"") {
                offset += 1
                return true
            }
            if byte < 0x20 { return false }
            if byte == UInt8(ascii: "\\") {
                guard offset + 1 < text.count, #""\/bfnrtu"#.utf8.contains(text[offset + 1]) else { return false }
                offset += 1
            }
            offset += 1
        }
        return false
    }

    private mutating func readScalar() -> Bool {
        let rest = text[offset...]
        for literal in ["true", "false", "null"] where rest.starts(with: literal.utf8) {
            offset += literal.utf8.count
            return true
        }
        let digits = rest.prefix { "+-.eE0123456789".utf8.contains($0) }
        var body = digits.first == UInt8(ascii: "-") ? digits.dropFirst() : digits
        guard let first = body.popFirst(), (0x30...0x39).contains(first) else { return false }
        if first == UInt8(ascii: "0"), let second = body.first, (0x30...0x39).contains(second) {
            offset = body.startIndex
            return false
        }
        offset += digits.count
        return true
    }

    private func peek() -> UInt8? { offset < text.count ? text[offset] : nil }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d { offset += 1 }
    }
}
