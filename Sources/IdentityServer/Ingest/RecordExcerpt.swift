import IdentityEngine
import MixpanelWire

/// The beginning of a rejected record as it was sent, whatever it is: it need not be JSON.
struct RecordExcerpt: Sendable {
    let bytes: [UInt8]

    /// An excerpt that ends where a text or a number does, so that no beginning of an id is left that nobody finds.
    ///
    /// - Parameters:
    ///   - record: the beginning of the record.
    ///   - isWhole: whether it is all of the record.
    init(_ record: [UInt8], isWhole: Bool) {
        bytes = isWhole ? record : Array(record.prefix(Self.end(of: record)))
    }

    /// Whether a text or a number in it is one of some ids, as an id is written in a record.
    func names(_ ids: Set<DistinctID>) -> Bool {
        var isNamed = false
        forEachText { text in
            if !isNamed { isNamed = Self.isOne(of: ids, text) }
        }
        return isNamed
    }

    /// Whether a text is one of some ids, however the halves of its surrogate pairs are spelt (P 2-11).
    static func isOne(of ids: Set<DistinctID>, _ text: [UInt8]) -> Bool {
        guard !text.isEmpty else { return false }
        let text = LooseUTF8.joined(text)
        return ids.contains(DistinctID(text)) || ids.contains(DistinctID(devicePrefix + text))
    }

    private static let devicePrefix = Array("$device:".utf8)

    private static func isQuote(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\"") }

    private static func isPunctuation(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: ":"),
            UInt8(ascii: ","), 0x09, 0x0A, 0x0D, 0x20:
            true
        default: false
        }
    }

    /// Where a text that was cut ends if its last, perhaps incomplete, part is left out.
    private static func end(of record: [UInt8]) -> Int {
        var open: Int?
        var place = 0
        while place < record.count {
            if record[place] == UInt8(ascii: "\\"), open != nil {
                place += 2
                continue
            }
            if isQuote(record[place]) { open = open == nil ? place : nil }
            place += 1
        }
        if let open { return open }
        let last = record.lastIndex { isQuote($0) || (isPunctuation($0) && $0 != 0x20) }
        return last.map { $0 + 1 } ?? 0
    }

    /// Every text between quotes, read as JSON has them and as they stand, and every word outside.
    ///
    /// A record that is no JSON may have a quote too many, so that its texts stand where others would be outside.
    private func forEachText(_ body: ([UInt8]) -> Void) {
        var place = 0
        while place < bytes.count {
            if Self.isQuote(bytes[place]) {
                let start = place + 1
                place = start
                while place < bytes.count, !Self.isQuote(bytes[place]) {
                    place += bytes[place] == UInt8(ascii: "\\") ? 2 : 1
                }
                body(Self.decoded(bytes[start..<min(place, bytes.count)]))
                place += 1
            } else if Self.isPunctuation(bytes[place]) {
                place += 1
            } else {
                let start = place
                while place < bytes.count, !Self.isPunctuation(bytes[place]), !Self.isQuote(bytes[place]) { place += 1 }
                let word = Array(bytes[start..<place])
                body(word)
                if let number = Double(String(decoding: word, as: UTF8.self)) { body(Self.idText(of: number)) }
            }
        }
        for part in bytes.split(whereSeparator: Self.isQuote) { body(Self.decoded(part)) }
    }

    /// How an id that was sent as a number is written (P 6.4-2).
    private static func idText(of number: Double) -> [UInt8] {
        if let whole = Int64(exactly: number) { return Array(String(whole).utf8) }
        return Array("\(number)".utf8)
    }

    /// A text without JSON's escapes, with half a surrogate pair in three bytes; one that cannot be read is left as it
    /// is.
    private static func decoded(_ text: ArraySlice<UInt8>) -> [UInt8] {
        guard text.contains(UInt8(ascii: "\\")) else { return Array(text) }
        var decoded: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let escape = rest.popFirst() else {
                decoded.append(byte)
                continue
            }
            switch escape {
            case UInt8(ascii: "b"): decoded.append(8)
            case UInt8(ascii: "f"): decoded.append(12)
            case UInt8(ascii: "n"): decoded.append(10)
            case UInt8(ascii: "r"): decoded.append(13)
            case UInt8(ascii: "t"): decoded.append(9)
            case UInt8(ascii: "u"):
                guard let unit = UInt16(String(decoding: rest.prefix(4), as: UTF8.self), radix: 16) else { fallthrough }
                append(unit, to: &decoded)
                rest = rest.dropFirst(4)
            default: decoded.append(escape)
            }
        }
        return decoded
    }

    private static func append(_ unit: UInt16, to text: inout [UInt8]) {
        if let scalar = UnicodeScalar(unit) {
            text += Array(String(Character(scalar)).utf8)
        } else {
            text += [0xE0 | UInt8(unit >> 12), 0x80 | UInt8(unit >> 6 & 0x3F), 0x80 | UInt8(unit & 0x3F)]
        }
    }
}
