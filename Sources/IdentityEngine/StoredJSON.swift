/// Whether JSON that was checked and minified when it was stored still is what it was.
///
/// What is damaged would make a whole answer unreadable, and is refused before it is written into one.
package enum StoredJSON {
    /// Whether bytes are one object, without blanks, and text.
    package static func isObject(_ bytes: [UInt8]) -> Bool {
        guard bytes.first == UInt8(ascii: "{"), bytes.last == UInt8(ascii: "}") else { return false }
        if bytes.count == 2 { return true }
        var walk = StoredJSONWalk(bytes)
        return walk.isOneValue() && (bytes.allSatisfy { $0 < 0x80 } || String(validating: bytes, as: UTF8.self) != nil)
    }

    /// Whether bytes are UTF-8, in which lone surrogates may stand as three bytes each, as in an event's name.
    package static func isText(_ bytes: [UInt8]) -> Bool {
        if bytes.allSatisfy({ $0 < 0x80 }) { return true }
        var rest = bytes[...]
        while let first = rest.popFirst() {
            if first < 0x80 { continue }
            // What may follow first, and how many come behind that.
            let (second, count): (ClosedRange<UInt8>, Int)
            switch first {
            case 0xC2...0xDF: (second, count) = (0x80...0xBF, 0)
            case 0xE0: (second, count) = (0xA0...0xBF, 1)
            case 0xE1...0xEF: (second, count) = (0x80...0xBF, 1)
            case 0xF0: (second, count) = (0x90...0xBF, 2)
            case 0xF1...0xF3: (second, count) = (0x80...0xBF, 2)
            case 0xF4: (second, count) = (0x80...0x8F, 2)
            default: return false
            }
            guard let next = rest.popFirst(), second.contains(next), rest.count >= count,
                rest.prefix(count).allSatisfy({ (0x80...0xBF).contains($0) })
            else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}

/// Goes over a JSON value once, whatever it is nested to.
private struct StoredJSONWalk {
    private let bytes: [UInt8]
    private var place = 0
    /// The brackets that are to come, the next one last.
    private var closings: [UInt8] = []

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private var byte: UInt8? { place < bytes.count ? bytes[place] : nil }

    mutating func isOneValue() -> Bool {
        while true {
            switch byte {
            case UInt8(ascii: "{"):
                place += 1
                if !skip(UInt8(ascii: "}")) {
                    closings.append(UInt8(ascii: "}"))
                    guard skipName() else { return false }
                    continue
                }
            case UInt8(ascii: "["):
                place += 1
                if !skip(UInt8(ascii: "]")) {
                    closings.append(UInt8(ascii: "]"))
                    continue
                }
            case UInt8(ascii: "\""): guard skipString() else { return false }
            default: guard skipScalar() else { return false }
            }
            while let closing = closings.last, skip(closing) { closings.removeLast() }
            guard let closing = closings.last else { return place == bytes.count }
            guard skip(UInt8(ascii: ",")) else { return false }
            if closing == UInt8(ascii: "}"), !skipName() { return false }
        }
    }

    private mutating func skip(_ expected: UInt8) -> Bool {
        guard byte == expected else { return false }
        place += 1
        return true
    }

    private mutating func skipName() -> Bool { skipString() && skip(UInt8(ascii: ":")) }

    private mutating func skipString() -> Bool {
        guard skip(UInt8(ascii: "\"")) else { return false }
        while let next = byte {
            place += 1
            switch next {
            case UInt8(ascii: "\""): return true
            case UInt8(ascii: "\\"): guard skipEscape() else { return false }
            case 0..<0x20: return false
            default: break
            }
        }
        return false
    }

    private mutating func skipEscape() -> Bool {
        guard let escape = byte else { return false }
        place += 1
        guard escape == UInt8(ascii: "u") else { return "\"\\/bfnrt".utf8.contains(escape) }
        for _ in 0..<4 {
            switch byte {
            case .some(0x30...0x39), .some(0x41...0x46), .some(0x61...0x66): place += 1
            default: return false
            }
        }
        return true
    }

    /// A number, or one of the three words.
    private mutating func skipScalar() -> Bool {
        for word in ["true", "false", "null"] where byte == word.utf8.first {
            for letter in word.utf8 where !skip(letter) { return false }
            return true
        }
        let start = place
        while let next = byte, "+-.0123456789Ee".utf8.contains(next) { place += 1 }
        return place > start
    }
}
