extension RecordReader {
    /// Copies the string at a structural position, quoted, with escapes normalised.
    ///
    /// - Parameters:
    ///   - cursor: The position of the opening quote.
    ///   - textLimit: The length to cut to, in unicode scalars.
    /// - Returns: Where the string stands.
    /// - Throws: `RecordFault.syntax` for a string that is not closed, a bare control character or a bad escape.
    @inline(__always)
    @discardableResult
    mutating func copyString(at cursor: Int, textLimit: Int) throws(RecordFault) -> ValueReference {
        let start = position(cursor) &+ 1
        let end = try closingQuote(start, position(cursor &+ 1))
        let length = end &- start
        let target = UnsafeMutableRawPointer(output + used)
        target.storeBytes(of: UInt8(ascii: "\""), as: UInt8.self)
        let source = UnsafeRawPointer(base + start)
        var special: UInt64 = 0
        var offset = 0
        while length &- offset >= 8 {
            let word = source.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            target.storeBytes(of: word, toByteOffset: offset &+ 1, as: UInt64.self)
            special |= specialBytes(word)
            offset &+= 8
        }
        let rest = length &- offset
        if rest > 0 {
            let word =
                start &+ offset &+ 8 <= count
                ? source.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                : lastWord(start &+ offset, rest)
            target.storeBytes(of: word, toByteOffset: offset &+ 1, as: UInt64.self)
            special |= specialBytes(word) & ((1 << UInt64(truncatingIfNeeded: rest &* 8)) &- 1)
        }
        if special != 0 || length > textLimit {
            return try copyEscapedString(start, end, cursor, textLimit: textLimit)
        }
        target.storeBytes(of: UInt8(ascii: "\""), toByteOffset: length &+ 1, as: UInt8.self)
        used &+= length &+ 2
        return ValueReference(kind: .string, start: start, end: end, cursor: cursor)
    }

    /// The offset of the quote that ends a string: the last byte before the next structural position but for white
    /// space.
    @inline(__always)
    private func closingQuote(_ start: Int, _ next: Int) throws(RecordFault) -> Int {
        var end = next &- 1
        while end >= start {
            let byte = base[end]
            if byte == UInt8(ascii: "\"") { return end }
            guard isJSONSpace(byte) else { break }
            end &-= 1
        }
        throw .syntax
    }

    /// The last bytes of the text, as a word.
    private func lastWord(_ start: Int, _ length: Int) -> UInt64 {
        var word: UInt64 = 0
        for index in 0..<length { word |= UInt64(base[start + index]) << UInt64(index * 8) }
        return word
    }

    /// Copies a string byte by byte: one with escapes, or one that may be too long.
    private mutating func copyEscapedString(
        _ start: Int,
        _ end: Int,
        _ cursor: Int,
        textLimit: Int
    ) throws(RecordFault) -> ValueReference {
        put(UInt8(ascii: "\""))
        var kind = ValueReference.Kind.string
        var scalars = 0
        var source = start
        while source < end {
            let byte = base[source]
            guard byte >= 0x20 else { throw .syntax }
            // What follows the cut is still checked, for it may make the record no JSON.
            if byte & 0xC0 != 0x80 { scalars += 1 }
            if byte == UInt8(ascii: "\\") {
                kind = .escapedString
                let scalar = try unescape(&source, end)
                if scalars <= textLimit { putEscaped(scalar) }
            } else {
                if scalars <= textLimit { put(byte) }
                source += 1
            }
        }
        put(UInt8(ascii: "\""))
        return ValueReference(kind: kind, start: start, end: end, cursor: cursor)
    }

    /// The scalar, or the lone surrogate, that the escape at an offset stands for; the offset is set past it.
    ///
    /// - Throws: `RecordFault.syntax` for an escape that JSON does not know.
    func unescape(_ source: inout Int, _ end: Int) throws(RecordFault) -> UInt32 {
        guard source + 1 < end else { throw .syntax }
        let letter = base[source + 1]
        source += 2
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return UInt32(letter)
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "u"): break
        default: throw .syntax
        }
        guard let unit = codeUnit(source, end) else { throw .syntax }
        source += 4
        guard (0xD800...0xDBFF).contains(unit), source + 6 <= end, base[source] == UInt8(ascii: "\\"),
            base[source + 1] == UInt8(ascii: "u"), let low = codeUnit(source + 2, end), (0xDC00...0xDFFF).contains(low)
        else { return unit }
        source += 6
        return 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
    }

    private func codeUnit(_ start: Int, _ end: Int) -> UInt32? {
        guard start + 4 <= end else { return nil }
        var unit: UInt32 = 0
        for index in start..<start + 4 {
            guard let digit = hexDigit(base[index]) else { return nil }
            unit = unit << 4 | UInt32(digit)
        }
        return unit
    }

    /// Writes a scalar, or a lone surrogate, as it stands in a JSON string.
    private mutating func putEscaped(_ scalar: UInt32) {
        if (0xD800...0xDFFF).contains(scalar) {
            put(UInt8(ascii: "\\"))
            put(UInt8(ascii: "u"))
            for shift: UInt32 in [12, 8, 4, 0] {
                put(lowercaseHexDigit(UInt8(truncatingIfNeeded: scalar >> shift) & 15))
            }
        } else if scalar < 0x20 || scalar == 0x22 || scalar == 0x5C {
            let escape = EscapeText(UInt8(truncatingIfNeeded: scalar))
            escape.write(to: output + used)
            used += escape.count
        } else {
            used += writeUTF8(scalar, to: output + used)
        }
    }

    /// Copies the number at the cursor as sent, however long it is (P 2-10, 2-11).
    @inline(__always)
    mutating func copyNumber() throws(RecordFault) -> ValueReference {
        let start = position(cursor)
        let next = position(cursor + 1)
        var end = start
        func peek() -> UInt8 { end < next ? base[end] : 0 }
        func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }
        if peek() == UInt8(ascii: "-") { end &+= 1 }
        guard isDigit(peek()) else { throw .syntax }
        if peek() == UInt8(ascii: "0") {
            end &+= 1
        } else {
            while isDigit(peek()) { end &+= 1 }
        }
        if peek() == UInt8(ascii: ".") {
            end &+= 1
            guard isDigit(peek()) else { throw .syntax }
            while isDigit(peek()) { end &+= 1 }
        }
        if peek() | 0x20 == UInt8(ascii: "e") {
            end &+= 1
            if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { end &+= 1 }
            guard isDigit(peek()) else { throw .syntax }
            while isDigit(peek()) { end &+= 1 }
        }
        try checkSpace(end, next)
        for index in start..<end { output[used &+ index &- start] = base[index] }
        used &+= end &- start
        return ValueReference(kind: .number, start: start, end: end, cursor: cursor)
    }

    /// Copies the literal at the cursor.
    mutating func copyLiteral(
        _ text: StaticString,
        _ kind: ValueReference.Kind
    ) throws(RecordFault) -> ValueReference {
        let start = position(cursor)
        let end = start + text.utf8CodeUnitCount
        let next = position(cursor + 1)
        guard end <= next, text.equals(base + start, end - start) else { throw .syntax }
        try checkSpace(end, next)
        for index in start..<end { put(base[index]) }
        return ValueReference(kind: kind, start: start, end: end, cursor: cursor)
    }

    /// Checks that nothing but white space stands between a scalar and the next structural position.
    @inline(__always)
    private func checkSpace(_ end: Int, _ next: Int) throws(RecordFault) {
        var index = end
        while index < next {
            guard isJSONSpace(base[index]) else { throw .syntax }
            index &+= 1
        }
    }
}

/// Nonzero where one of eight bytes is a backslash or a control character; exact in the lowest such byte and below.
@inline(__always)
private func specialBytes(_ word: UInt64) -> UInt64 {
    let high: UInt64 = 0x8080_8080_8080_8080
    let other = word ^ 0x5C5C_5C5C_5C5C_5C5C
    let isBackslash = (other &- 0x0101_0101_0101_0101) & ~other
    let isControl = (word &- 0x2020_2020_2020_2020) & ~word
    return (isBackslash | isControl) & high
}

/// Writes a scalar's UTF-8.
///
/// - Parameters:
///   - scalar: A unicode scalar; not a surrogate.
///   - target: Room for four bytes.
/// - Returns: How many bytes were written.
func writeUTF8(_ scalar: UInt32, to target: UnsafeMutablePointer<UInt8>) -> Int {
    func tail(_ shift: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: scalar >> shift) & 0x3F | 0x80 }
    switch scalar {
    case 0..<0x80:
        target[0] = UInt8(truncatingIfNeeded: scalar)
        return 1
    case 0x80..<0x800:
        target[0] = UInt8(truncatingIfNeeded: scalar >> 6) | 0xC0
        target[1] = tail(0)
        return 2
    case 0x800..<0x10000:
        target[0] = UInt8(truncatingIfNeeded: scalar >> 12) | 0xE0
        target[1] = tail(6)
        target[2] = tail(0)
        return 3
    default:
        target[0] = UInt8(truncatingIfNeeded: scalar >> 18) | 0xF0
        target[1] = tail(12)
        target[2] = tail(6)
        target[3] = tail(0)
        return 4
    }
}
