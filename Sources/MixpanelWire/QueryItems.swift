/// The pairs of a query string or of a form body (P 1.2).
///
/// Names are compared as bytes after decoding, and case counts. Values are decoded when they are asked for.
package struct QueryItems: Sendable {
    private struct Item: Sendable {
        var name: [UInt8]
        var value: Range<Int>
    }

    private let raw: [UInt8]
    private let items: [Item]
    /// Whether there were more pairs than the limit.
    package let isTruncated: Bool

    /// The longest name that is read; no option's name comes near it.
    private static let nameLimitBytes = 256

    /// Finds the pairs.
    ///
    /// - Parameters:
    ///   - raw: A query without its `?`, or a form body.
    ///   - limit: The most pairs that are read; what follows is left out, so that a body of pairs costs no memory.
    package init(_ raw: [UInt8], limit: Int = 256) {
        self.raw = raw
        (items, isTruncated) = raw.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return ([], false) }
            var found: [Item] = []
            var start = 0
            while start < bytes.count {
                let end = ByteSearch.offset(of: UInt8(ascii: "&"), in: base, from: start, to: bytes.count)
                let nameLimit = min(end, start + Self.nameLimitBytes + 1)
                let equals = ByteSearch.offset(of: UInt8(ascii: "="), in: base, from: start, to: nameLimit)
                if end > start, equals - start <= Self.nameLimitBytes {
                    guard found.count < limit else { return (found, true) }
                    let name = Self.decoded(raw[start..<equals])
                    found.append(Item(name: name, value: min(equals + 1, end)..<end))
                }
                start = end + 1
            }
            return (found, false)
        }
    }

    /// Every name, decoded, in order.
    package var names: [[UInt8]] { items.map(\.name) }

    /// The first value of a name, decoded.
    ///
    /// - Parameter name: The option's name.
    /// - Returns: The value, empty for a name without one; nil where the name does not occur.
    package func first(_ name: String) -> [UInt8]? {
        items.first { $0.name.elementsEqual(name.utf8) }.map { Self.decoded(raw[$0.value]) }
    }

    /// Every value of a name, decoded, in order.
    ///
    /// - Parameter name: The option's name.
    /// - Returns: The values; empty where the name does not occur.
    package func all(_ name: String) -> [[UInt8]] {
        items.filter { $0.name.elementsEqual(name.utf8) }.map { Self.decoded(raw[$0.value]) }
    }

    /// The first value of a name, decoded, as text.
    ///
    /// - Parameter name: The option's name.
    /// - Returns: The value; nil where the name does not occur or the value is not UTF-8.
    package func text(_ name: String) -> String? {
        first(name).flatMap { String(validating: $0, as: UTF8.self) }
    }

    /// Undoes percent-encoding, and `+` for a space; a `%` without two digits stands for itself.
    ///
    /// - Parameter raw: The encoded bytes.
    /// - Returns: The bytes.
    package static func decoded(_ raw: ArraySlice<UInt8>) -> [UInt8] {
        raw.withUnsafeBufferPointer { source in
            guard let base = source.baseAddress else { return [] }
            return [UInt8](unsafeUninitializedCapacity: source.count) { target, count in
                guard let output = target.baseAddress else { return }
                count = decode(base, source.count, into: output)
            }
        }
    }

    private static func decode(
        _ source: UnsafePointer<UInt8>,
        _ sourceCount: Int,
        into target: UnsafeMutablePointer<UInt8>
    ) -> Int {
        let raw = UnsafeRawPointer(source)
        // Before here, eight bytes and what an encoded byte among them needs can be read without a look at the end.
        let wideEnd = sourceCount &- 16
        var read = 0
        var written = 0
        return hexDigits.withUnsafeBufferPointer { digits in
            while read < wideEnd {
                // What is written never passes what is read, so where eight bytes are left there is room for eight.
                let word = raw.loadUnaligned(fromByteOffset: read, as: UInt64.self)
                UnsafeMutableRawPointer(target).storeBytes(of: word, toByteOffset: written, as: UInt64.self)
                let plain = ByteSearch.plainCount(word)
                read &+= plain
                written &+= plain
                guard plain < 8 else { continue }
                // Encoded bytes come in rows.
                repeat {
                    let encoded = decodedByte(source + read, digits)
                    target[written] = encoded.byte
                    written &+= 1
                    read &+= encoded.count
                } while read < wideEnd && source[read] == UInt8(ascii: "%")
            }
            while read < sourceCount {
                let isWhole = sourceCount &- read > 2 || source[read] != UInt8(ascii: "%")
                let encoded = isWhole ? decodedByte(source + read, digits) : (byte: source[read], count: 1)
                target[written] = encoded.byte
                written &+= 1
                read &+= encoded.count
            }
            return written
        }
    }

    /// The byte that stands encoded at a place, and how many bytes it takes there; after `%`, two more can be read.
    @inline(__always)
    private static func decodedByte(
        _ source: UnsafePointer<UInt8>,
        _ digits: UnsafeBufferPointer<UInt8>
    ) -> (byte: UInt8, count: Int) {
        let byte = source[0]
        guard byte == UInt8(ascii: "%") else { return (byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte, 1) }
        let (high, low) = (digits[Int(source[1])], digits[Int(source[2])])
        return high | low < 16 ? (high << 4 | low, 3) : (byte, 1)
    }

    /// The values of all bytes as hexadecimal digits; 255 for a byte that is none.
    private static let hexDigits = (UInt8.min...UInt8.max).map { hexDigit($0) ?? 255 }
}

/// The value of a hexadecimal digit; nil for any other byte.
@inline(__always)
func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}

/// Whether a byte is white space in JSON.
@inline(__always)
func isJSONSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }
