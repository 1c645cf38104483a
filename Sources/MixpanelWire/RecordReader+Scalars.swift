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
        guard end &- start <= textLimit, isPlain(start, end) else {
            guard scratch.index.isUTF8 else { return try copyLooseString(start, end, cursor, textLimit: textLimit) }
            return try copyEscapedString(start, end, cursor, textLimit: textLimit)
        }
        copyBytes(start &- 1, end &+ 1)
        return ValueReference(kind: .string, start: start, end: end, cursor: cursor)
    }

    /// Copies bytes of the text as they are: a few of them sixteen at a time, where the text goes on for as many.
    @inline(__always)
    mutating func copyBytes(_ start: Int, _ end: Int) {
        let length = end &- start
        let target = output + used
        used &+= length
        guard length <= 64, end <= lastWideStart else { return target.update(from: base + start, count: length) }
        let source = UnsafeRawPointer(base + start)
        var offset = 0
        repeat {
            let piece = source.loadUnaligned(fromByteOffset: offset, as: SIMD2<UInt64>.self)
            UnsafeMutableRawPointer(target).storeBytes(of: piece, toByteOffset: offset, as: SIMD2<UInt64>.self)
            offset &+= 16
        } while offset < length
    }

    /// Whether a string is copied as it stands: it has no escape, and what may not stand in a string is not in it.
    @inline(__always)
    mutating func isPlain(_ start: Int, _ end: Int) -> Bool {
        if start >= plainStart, end <= plainEnd { return true }
        return isPlainAfterSearch(start, end)
    }

    /// Looks for the next backslash, and says whether it stands past a string.
    @inline(never)
    mutating func isPlainAfterSearch(_ start: Int, _ end: Int) -> Bool {
        // simdjson takes no text with a control character in a string; our own scan does.
        guard !scratch.index.isOwnScan else { return false }
        // A record that is left and read again may have this look at the same bytes again, so it never looks far.
        let limit = min(count, max(end, start &+ 16 * 1024))
        plainStart = start
        plainEnd = ByteSearch.offset(of: UInt8(ascii: "\\"), in: base, from: start, to: limit)
        return end <= plainEnd
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

    /// The scalar, or the lone surrogate, that the escape at an offset stands for; the offset is set past it, and past
    /// what joins it to a pair.
    ///
    /// - Throws: `RecordFault.syntax` for an escape that JSON does not know.
    mutating func unescape(_ source: inout Int, _ end: Int) throws(RecordFault) -> UInt32 {
        let unit = try escapedUnit(&source, end)
        guard (0xD800...0xDBFF).contains(unit) else { return unit }
        return joined(unit, &source, end)
    }

    /// The scalar, or the half of a surrogate pair, that one escape stands for; the offset is set past it.
    private mutating func escapedUnit(_ source: inout Int, _ end: Int) throws(RecordFault) -> UInt32 {
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
        return unit
    }

    /// What a high surrogate stands for: the scalar, where a low one follows in whatever spelling, and the offset is
    /// set past that; itself elsewhere (P 2-11).
    mutating func joined(_ high: UInt32, _ source: inout Int, _ end: Int) -> UInt32 {
        let low: UInt32
        let length: Int
        if source + 6 <= end, base[source] == UInt8(ascii: "\\"), base[source + 1] == UInt8(ascii: "u"),
            let unit = codeUnit(source + 2, end)
        {
            (low, length) = (unit, 6)
        } else if source < end, base[source] == 0xED {
            // Text that is UTF-8 has no surrogate that is spelt in three bytes.
            let sequence = LooseUTF8.sequence(base + source, end - source)
            (low, length) = (sequence.scalar, sequence.count)
        } else {
            return high
        }
        guard (0xDC00...0xDFFF).contains(low) else { return high }
        source += length
        return 0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)
    }

    @inline(__always)
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
    mutating func putEscaped(_ scalar: UInt32) {
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
        let end = Self.endOfNumber(start) { $0 < next ? base[$0] : 0 }
        guard end > start else { throw .syntax }
        try checkSpace(end, next)
        copyBytes(start, end)
        return ValueReference(kind: .number, start: start, end: end, cursor: cursor)
    }

    /// The offset past a number; that of its start where it is none.
    ///
    /// - Parameters:
    ///   - start: Where it starts.
    ///   - byte: The byte at an offset. It is never asked for more than one past the number.
    /// - Returns: The offset.
    @inline(__always)
    static func endOfNumber(_ start: Int, _ byte: (Int) -> UInt8) -> Int {
        func isDigit(_ offset: Int) -> Bool { byte(offset) &- UInt8(ascii: "0") < 10 }
        var end = start
        if byte(end) == UInt8(ascii: "-") { end &+= 1 }
        guard isDigit(end) else { return start }
        let leadingZeros = byte(end) == UInt8(ascii: "0")
        end &+= 1
        if !leadingZeros {
            while isDigit(end) { end &+= 1 }
        }
        if byte(end) == UInt8(ascii: ".") {
            end &+= 1
            guard isDigit(end) else { return start }
            while isDigit(end) { end &+= 1 }
        }
        if byte(end) | 0x20 == UInt8(ascii: "e") {
            end &+= 1
            if byte(end) == UInt8(ascii: "+") || byte(end) == UInt8(ascii: "-") { end &+= 1 }
            guard isDigit(end) else { return start }
            while isDigit(end) { end &+= 1 }
        }
        return end
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
        copyBytes(start, end)
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
