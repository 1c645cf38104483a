/// Reading of JSON that was checked and minified before: what stores hold and answers are made of.
///
/// No other text is given to it, but for strings alone; of one it would make no sense, but neither trap nor run for
/// ever.
enum MinifiedJSON {
    /// Calls the body with each member of an object: its key as it stands there, quoted, and its value.
    static func forEachMember(
        of object: ArraySlice<UInt8>, _ body: (_ key: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) -> Void
    ) {
        var index = object.startIndex + 1
        while index < object.endIndex, object[index] == UInt8(ascii: "\"") {
            let keyEnd = endOfString(object, index)
            let valueStart = min(keyEnd + 1, object.endIndex)
            let valueEnd = endOfValue(object, valueStart)
            body(object[index..<keyEnd], object[valueStart..<valueEnd])
            index = valueEnd + 1
        }
    }

    /// The elements of an array.
    static func elements(of array: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        var found: [ArraySlice<UInt8>] = []
        var index = array.startIndex + 1
        while index < array.endIndex, array[index] != UInt8(ascii: "]") {
            let end = endOfValue(array, index)
            found.append(array[index..<end])
            index = end + 1
        }
        return found
    }

    /// The text of a string, given without its quotes; a lone surrogate becomes three bytes.
    static func unescaped(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard text.contains(UInt8(ascii: "\\")) else { return text }
        var bytes: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            guard text[index] == UInt8(ascii: "\\"), index + 1 < text.endIndex else {
                bytes.append(text[index])
                index += 1
                continue
            }
            switch text[index + 1] {
            case UInt8(ascii: "b"): bytes.append(0x08)
            case UInt8(ascii: "f"): bytes.append(0x0C)
            case UInt8(ascii: "n"): bytes.append(0x0A)
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "u"):
                guard let (scalar, length) = unicodeEscape(text, at: index) else { break }
                appendUTF8(scalar, to: &bytes)
                index += length
                continue
            case let plain: bytes.append(plain)
            }
            index += 2
        }
        return bytes[...]
    }

    /// The scalar, or the lone surrogate, of the escape at an index that begins with `\u`, and the length of the one or
    /// two escapes that it takes; nil where four digits do not follow.
    static func unicodeEscape(
        _ text: ArraySlice<UInt8>, at start: Int
    ) -> (scalar: UInt32, length: Int)? {
        guard let unit = codeUnit(text, start) else { return nil }
        guard (0xD800...0xDBFF).contains(unit), let low = codeUnit(text, start + 6), (0xDC00...0xDFFF).contains(low)
        else { return (unit, 6) }
        return (0x1_0000 + (unit - 0xD800) << 10 + (low - 0xDC00), 12)
    }

    private static func codeUnit(_ text: ArraySlice<UInt8>, _ start: Int) -> UInt32? {
        guard start + 6 <= text.endIndex, text[start] == UInt8(ascii: "\\"), text[start + 1] == UInt8(ascii: "u")
        else { return nil }
        var unit: UInt32 = 0
        for byte in text[(start + 2)..<(start + 6)] {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: return nil
            }
            unit = unit << 4 | UInt32(digit)
        }
        return unit
    }

    /// Appends a scalar, or a lone surrogate as if it were one.
    static func appendUTF8(_ scalar: UInt32, to bytes: inout [UInt8]) {
        func tail(_ shift: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: scalar >> shift) & 0x3F | 0x80 }
        switch scalar {
        case 0..<0x80: bytes.append(UInt8(truncatingIfNeeded: scalar))
        case 0x80..<0x800: bytes += [UInt8(truncatingIfNeeded: scalar >> 6) | 0xC0, tail(0)]
        case 0x800..<0x1_0000: bytes += [UInt8(truncatingIfNeeded: scalar >> 12) | 0xE0, tail(6), tail(0)]
        default: bytes += [UInt8(truncatingIfNeeded: scalar >> 18) | 0xF0, tail(12), tail(6), tail(0)]
        }
    }

    /// The index past the closing quote of the string at an index.
    private static func endOfString(_ json: ArraySlice<UInt8>, _ start: Int) -> Int {
        var index = start + 1
        while index < json.endIndex {
            switch json[index] {
            case UInt8(ascii: "\""): return index + 1
            case UInt8(ascii: "\\"): index += 2
            default: index += 1
            }
        }
        return json.endIndex
    }

    /// The index past the value at an index.
    private static func endOfValue(_ json: ArraySlice<UInt8>, _ start: Int) -> Int {
        var index = start
        var depth = 0
        while index < json.endIndex {
            switch json[index] {
            case UInt8(ascii: "\""):
                index = endOfString(json, index)
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: ",") where depth == 0: return index
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return index }
                depth -= 1
            default: break
            }
            index += 1
        }
        return json.endIndex
    }
}
