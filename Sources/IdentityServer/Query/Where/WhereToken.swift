/// A piece of a condition's text.
struct WhereToken {
    /// What the piece is.
    enum Kind: Hashable {
        /// A string, without quotes and escapes.
        case string([UInt8])
        case number(WhereNumber)
        /// A name or a keyword.
        case word(String)
        /// A bracket, a comma or an operator.
        case symbol(String)
        case end
    }

    let kind: Kind
    /// The offset of its first byte.
    let start: Int

    /// How a message names the piece.
    var description: String {
        switch kind {
        case .string: "a string"
        case .number: "a number"
        case .word(let word): "\"\(word.prefix(40))\""
        case .symbol(let symbol): "\"\(symbol)\""
        case .end: "the end"
        }
    }
}

/// Cuts a condition's text into pieces.
struct WhereScanner {
    private let text: [UInt8]
    private var offset = 0

    /// - Parameter text: valid UTF-8.
    init(_ text: [UInt8]) { self.text = text }

    /// The next piece.
    ///
    /// - Throws: `WhereError` for a character that begins none, and for a string that is not closed.
    mutating func next() throws(WhereError) -> WhereToken {
        while let byte = peek(), byte == 0x20 || (0x09...0x0D).contains(byte) { offset += 1 }
        let start = offset
        guard let byte = peek() else { return WhereToken(kind: .end, start: start) }
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            return WhereToken(kind: .string(try string()), start: start)
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
            return WhereToken(kind: .number(try number()), start: start)
        case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: ","):
            offset += 1
            return WhereToken(kind: .symbol(String(UnicodeScalar(byte))), start: start)
        case UInt8(ascii: "="), UInt8(ascii: "!"), UInt8(ascii: "<"), UInt8(ascii: ">"):
            return WhereToken(kind: .symbol(try comparison(byte)), start: start)
        case _ where Self.isLetter(byte):
            while let byte = peek(), Self.isLetter(byte) || Self.isDigit(byte) { offset += 1 }
            return WhereToken(kind: .word(String(decoding: text[start..<offset], as: UTF8.self)), start: start)
        default:
            throw error(start, "\(character(at: start)) means nothing here")
        }
    }

    /// A fault at an offset.
    func error(_ offset: Int, _ message: String) -> WhereError {
        WhereError(position: text[..<offset].count { $0 & 0xC0 != 0x80 } + 1, message)
    }

    private func peek(_ distance: Int = 0) -> UInt8? {
        offset + distance < text.count ? text[offset + distance] : nil
    }

    private mutating func comparison(_ byte: UInt8) throws(WhereError) -> String {
        let start = offset
        offset += 1
        if peek() == UInt8(ascii: "=") {
            offset += 1
            return String(UnicodeScalar(byte)) + "="
        }
        switch byte {
        case UInt8(ascii: "="): throw error(start, "a single \"=\" compares nothing; write \"==\"")
        case UInt8(ascii: "!"): throw error(start, "\"!\" alone means nothing; write \"!=\" or \"not\"")
        default: return String(UnicodeScalar(byte))
        }
    }

    private mutating func number() throws(WhereError) -> WhereNumber {
        let start = offset
        if peek() == UInt8(ascii: "-") { offset += 1 }
        try digits(start)
        if peek() == UInt8(ascii: ".") {
            offset += 1
            try digits(start)
        }
        if let byte = peek(), byte | 0x20 == UInt8(ascii: "e") {
            offset += 1
            if let sign = peek(), sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { offset += 1 }
            try digits(start)
        }
        if let byte = peek(), Self.isLetter(byte) || byte == UInt8(ascii: ".") {
            throw error(start, "this is not a number")
        }
        guard let number = WhereNumber(text[start..<offset]) else { throw error(start, "this is not a number") }
        return number
    }

    private mutating func digits(_ start: Int) throws(WhereError) {
        guard let byte = peek(), Self.isDigit(byte) else { throw error(start, "this is not a number") }
        while let byte = peek(), Self.isDigit(byte) { offset += 1 }
    }

    private mutating func string() throws(WhereError) -> [UInt8] {
        let start = offset
        let quote = text[start]
        offset += 1
        var bytes: [UInt8] = []
        while let byte = peek() {
            if byte == quote {
                offset += 1
                return bytes
            }
            if byte == UInt8(ascii: "\\") {
                try appendEscape(to: &bytes)
            } else {
                bytes.append(byte)
                offset += 1
            }
        }
        throw error(start, "this string is not closed")
    }

    private mutating func appendEscape(to bytes: inout [UInt8]) throws(WhereError) {
        guard let letter = peek(1) else { throw error(offset, "this escape is not finished") }
        let plain: UInt8
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "\\"), UInt8(ascii: "/"): plain = letter
        case UInt8(ascii: "b"): plain = 0x08
        case UInt8(ascii: "f"): plain = 0x0C
        case UInt8(ascii: "n"): plain = 0x0A
        case UInt8(ascii: "r"): plain = 0x0D
        case UInt8(ascii: "t"): plain = 0x09
        case UInt8(ascii: "u"):
            guard let (scalar, length) = MinifiedJSON.unicodeEscape(text[...], at: offset) else {
                throw error(offset, "\"\\u\" must be followed by four hexadecimal digits")
            }
            MinifiedJSON.appendUTF8(scalar, to: &bytes)
            offset += length
            return
        default: throw error(offset, "there is no such escape; a backslash itself is written \"\\\\\"")
        }
        bytes.append(plain)
        offset += 2
    }

    /// The character at an offset, as a message shows it.
    private func character(at offset: Int) -> String {
        let scalar = String(decoding: text[offset...].prefix(4), as: UTF8.self).unicodeScalars.first ?? " "
        return scalar.properties.generalCategory == .control
            ? "the character U+\(String(scalar.value, radix: 16, uppercase: true))" : "\"\(scalar)\""
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
