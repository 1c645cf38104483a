/// JSON text, appended to a buffer: what every answer is written with.
package enum JSONText {
    /// Appends a quoted string.
    ///
    /// - Parameters:
    ///   - bytes: UTF-8, not yet escaped, in which a lone surrogate may stand in three bytes: it becomes an escape. Any
    ///     other bytes are written as they are.
    ///   - output: The buffer.
    package static func appendJSONString(_ bytes: some Collection<UInt8>, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        let isWritten: Void? = bytes.withContiguousStorageIfAvailable { appendEscaped($0, to: &output) }
        if isWritten == nil { Array(bytes).withUnsafeBufferPointer { appendEscaped($0, to: &output) } }
        output.append(UInt8(ascii: "\""))
    }

    /// Appends a quoted string.
    ///
    /// - Parameters:
    ///   - text: The text, not yet escaped.
    ///   - output: The buffer.
    package static func appendJSONString(_ text: String, to output: inout [UInt8]) {
        appendJSONString(text.utf8, to: &output)
    }

    /// Appends JSON text as it is.
    ///
    /// - Parameters:
    ///   - text: Punctuation, or a piece that is known whole.
    ///   - output: The buffer.
    package static func appendLiteral(_ text: StaticString, to output: inout [UInt8]) {
        output.append(contentsOf: text.bytes)
    }

    /// Appends a whole number.
    ///
    /// - Parameters:
    ///   - number: The number.
    ///   - output: The buffer.
    package static func appendNumber(_ number: some FixedWidthInteger, to output: inout [UInt8]) {
        var magnitude = number.magnitude
        if number < 0 { output.append(UInt8(ascii: "-")) }
        let start = output.count
        repeat {
            let (quotient, remainder) = magnitude.quotientAndRemainder(dividingBy: 10)
            output.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: remainder))
            magnitude = quotient
        } while magnitude != 0
        output[start...].reverse()
    }

    private static func appendEscaped(_ bytes: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) {
        var start = 0
        for index in bytes.indices {
            let byte = bytes[index]
            guard byte < 0x20 || byte == 0x22 || byte == 0x5C || byte == 0xED else { continue }
            if byte == 0xED {
                guard index + 2 < bytes.count, (0xA0...0xBF).contains(bytes[index + 1]),
                    (0x80...0xBF).contains(bytes[index + 2])
                else { continue }
                output.append(contentsOf: bytes[start..<index])
                appendSurrogate(bytes[index + 1], bytes[index + 2], to: &output)
                start = index + 3
            } else {
                output.append(contentsOf: bytes[start..<index])
                var escape = EscapeText(byte)
                output.append(contentsOf: escape.take())
                start = index + 1
            }
        }
        output.append(contentsOf: bytes[start...])
    }

    /// Appends the escape of a surrogate, given the bytes that follow 0xED in its three-byte spelling.
    private static func appendSurrogate(_ second: UInt8, _ third: UInt8, to output: inout [UInt8]) {
        let unit = 0xD000 | UInt32(second & 0x3F) << 6 | UInt32(third & 0x3F)
        appendLiteral("\\u", to: &output)
        for shift: UInt32 in [12, 8, 4, 0] {
            output.append(lowercaseHexDigit(UInt8(truncatingIfNeeded: unit >> shift) & 15))
        }
    }
}

/// The shortest escape of a byte that may not stand bare in a JSON string.
struct EscapeText {
    private var bytes: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)
    let count: Int

    init(_ byte: UInt8) {
        let short: UInt8? =
            switch byte {
            case 0x22, 0x5C: byte
            case 0x08: UInt8(ascii: "b")
            case 0x09: UInt8(ascii: "t")
            case 0x0A: UInt8(ascii: "n")
            case 0x0C: UInt8(ascii: "f")
            case 0x0D: UInt8(ascii: "r")
            default: nil
            }
        let slash = UInt8(ascii: "\\")
        if let short {
            bytes = (slash, short, 0, 0, 0, 0)
            count = 2
        } else {
            let zero = UInt8(ascii: "0")
            bytes = (slash, UInt8(ascii: "u"), zero, zero, zero + (byte >> 4), lowercaseHexDigit(byte & 15))
            count = 6
        }
    }

    /// The escape's bytes.
    mutating func take() -> [UInt8] { withUnsafeBytes(of: &bytes) { Array($0.prefix(count)) } }

    /// Writes the escape; there must be room for six bytes.
    @inline(__always)
    func write(to target: UnsafeMutablePointer<UInt8>) {
        withUnsafeBytes(of: bytes) { source in
            for index in 0..<count { target[index] = source[index] }
        }
    }
}

/// The digit of a value below 16.
@inline(__always)
func lowercaseHexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + (value - 10)
}
