import CSimdjson

/// UTF-8 in which a surrogate may be spelt too, in three bytes, as mixpanel-js spells each half of a pair (P 2-11).
///
/// Texts that are not ids are kept so: a lone surrogate is three bytes in memory and in a store, and a `\udXXX` escape
/// in JSON.
package enum LooseUTF8 {
    /// What the first sequence stands for: `scalar` is a unicode scalar or a surrogate, or `badByte` for a byte that
    /// begins no sequence, which counts as one.
    @inline(__always)
    static func sequence(_ bytes: UnsafePointer<UInt8>, _ available: Int) -> (scalar: UInt32, count: Int) {
        func tail(_ offset: Int, _ range: ClosedRange<UInt8> = 0x80...0xBF) -> UInt32? {
            offset < available && range.contains(bytes[offset]) ? UInt32(bytes[offset] & 0x3F) : nil
        }
        let first = bytes[0]
        switch first {
        case 0..<0x80: return (UInt32(first), 1)
        case 0xC2...0xDF:
            guard let last = tail(1) else { break }
            return (UInt32(first & 0x1F) << 6 | last, 2)
        case 0xE0...0xEF:
            guard let middle = tail(1, first == 0xE0 ? 0xA0...0xBF : 0x80...0xBF), let last = tail(2) else { break }
            return (UInt32(first & 0x0F) << 12 | middle << 6 | last, 3)
        case 0xF0...0xF4:
            let second: ClosedRange<UInt8> = first == 0xF0 ? 0x90...0xBF : first == 0xF4 ? 0x80...0x8F : 0x80...0xBF
            guard let high = tail(1, second), let middle = tail(2), let last = tail(3) else { break }
            return (UInt32(first & 0x07) << 18 | high << 12 | middle << 6 | last, 4)
        default: break
        }
        return (badByte, 1)
    }

    /// No scalar: stands for a byte that is no UTF-8.
    static let badByte = UInt32.max

    /// Whether bytes are UTF-8.
    package static func isUTF8(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBufferPointer { bytes in
            bytes.baseAddress.map { csimdjson_is_utf8($0, bytes.count) != 0 } ?? true
        }
    }

    /// Text that stands outside of JSON, the ids of a query among it, with the halves of surrogate pairs joined.
    ///
    /// - Parameter text: The bytes.
    /// - Returns: The text, UTF-8 unless some other byte of it is none.
    package static func joined(_ text: [UInt8]) -> [UInt8] {
        guard !isUTF8(text) else { return text }
        var joined: [UInt8] = []
        joined.reserveCapacity(text.count)
        text.withUnsafeBufferPointer { text in
            guard let base = text.baseAddress else { return }
            var index = 0
            while index < text.count {
                let (high, count) = sequence(base + index, text.count - index)
                if (0xD800...0xDBFF).contains(high), index + 3 < text.count {
                    let low = sequence(base + index + 3, text.count - index - 3).scalar
                    if (0xDC00...0xDFFF).contains(low),
                        let scalar = UnicodeScalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
                    {
                        joined.append(contentsOf: UTF8.encode(scalar) ?? .init())
                        index += 6
                        continue
                    }
                }
                joined.append(contentsOf: text[index..<index + count])
                index += count
            }
        }
        return joined
    }
}

/// Whether a byte of a string is a character that stands for itself.
@inline(__always)
private func isPlainASCII(_ byte: UInt8) -> Bool { byte >= 0x20 && byte < 0x80 && byte != UInt8(ascii: "\\") }

extension RecordReader {
    /// Copies a string of a text that is no UTF-8, as `copyEscapedString` does, and notes the first byte that is none.
    mutating func copyLooseString(
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
            let before = source
            while source < end, isPlainASCII(base[source]) { source += 1 }
            guard source == before else {
                let kept = min(source - before, max(textLimit - scalars, 0))
                copyBytes(before, before + kept)
                scalars += source - before
                continue
            }
            guard base[source] >= 0x20 else { throw .syntax }
            let scalar = try looseScalar(&source, end)
            scalars += 1
            if base[before] == UInt8(ascii: "\\") || (0xD800...0xDFFF).contains(scalar) || source - before > 4 {
                kind = .escapedString
            }
            if scalar == LooseUTF8.badByte {
                kind = .escapedString
                if badByteOffset < 0 { badByteOffset = before }
            } else if scalars <= textLimit {
                putEscaped(scalar)
            }
        }
        put(UInt8(ascii: "\""))
        return ValueReference(kind: kind, start: start, end: end, cursor: cursor)
    }

    /// The scalar, the lone surrogate or the bad byte at an offset of a string; the offset is set past it.
    ///
    /// - Throws: `RecordFault.syntax` for an escape that JSON does not know.
    @inline(__always)
    mutating func looseScalar(_ source: inout Int, _ end: Int) throws(RecordFault) -> UInt32 {
        guard base[source] != UInt8(ascii: "\\") else { return try unescape(&source, end) }
        let (scalar, count) = LooseUTF8.sequence(base + source, end - source)
        source += count
        return (0xD800...0xDBFF).contains(scalar) ? joined(scalar, &source, end) : scalar
    }

    /// The rejection of a record in one of whose strings there is a byte that is no UTF-8 (P 6.2, #9).
    ///
    /// It names the member that the byte is in, as `properties.city` or `$set.city`.
    ///
    /// - Parameter quotesPath: Whether the message quotes the member, as those of profile updates do.
    /// - Returns: The rejection.
    mutating func badByteRejection(quotesPath: Bool) -> RecordRejection {
        var names = ["", ""]
        var depth = 0
        var cursor = recordCursor
        while position(cursor) <= badByteOffset {
            switch byte(at: cursor) {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: "\"") where depth <= 2 && byte(at: cursor + 1) == UInt8(ascii: ":"):
                if depth == 1 { names[1] = "" }
                names[depth - 1] = name(at: cursor)
            default: break
            }
            cursor += 1
        }
        let path = names.filter { !$0.isEmpty }.joined(separator: ".")
        return .notUTF8(path: path, isQuoted: quotesPath)
    }

    /// The key at a structural position, for a message: not more than 64 bytes of it.
    private mutating func name(at cursor: Int) -> String {
        let start = position(cursor) + 1
        let end = min(position(cursor + 1), start + 64)
        let bytes = UnsafeBufferPointer(start: base + start, count: end - start)
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
    }
}
