import Foundation

/// A record of a file as it is sent to a server.
enum SentRecord {
    /// A record with members added to its properties, where the last of two members of one name counts.
    ///
    /// - Parameters:
    ///   - text: the record, which is sound JSON.
    ///   - members: the members, without braces.
    /// - Returns: nil for a text that is not one object with properties.
    static func text(_ text: [UInt8], with members: [UInt8]) -> [UInt8]? {
        guard let properties = properties(of: text) else { return nil }
        let isBare = text[properties].allSatisfy { isSpace($0) }
        var sent: [UInt8] = []
        sent.reserveCapacity(text.count + members.count + 1)
        sent += text[..<properties.upperBound]
        if !isBare, !members.isEmpty { sent.append(UInt8(ascii: ",")) }
        sent += members
        sent += text[properties.upperBound...]
        return sent
    }

    /// What stands between the braces of the record's properties.
    private static func properties(of text: [UInt8]) -> Range<Int>? {
        guard text.first(where: { !isSpace($0) }) == UInt8(ascii: "{") else { return nil }
        var depth = 0
        var offset = 0
        var isNamed = false
        var start: Int?
        var found: Range<Int>?
        while offset < text.count {
            let byte = text[offset]
            switch byte {
            case UInt8(ascii: "\""):
                guard let end = end(ofStringAt: offset, in: text) else { return nil }
                if depth == 1 { isNamed = isProperties(text[offset..<end]) }
                offset = end
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                // A second object: the text is more than a record.
                if depth == 0, offset > 0, !text[..<offset].allSatisfy(isSpace) { return nil }
                depth += 1
                if depth == 2, isNamed, byte == UInt8(ascii: "{") { start = offset + 1 }
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if depth == 1, let begin = start {
                    found = begin..<offset
                    start = nil
                }
            case UInt8(ascii: ","): if depth == 1 { isNamed = false }
            default: break
            }
            offset += 1
        }
        return depth == 0 ? found : nil
    }

    private static func end(ofStringAt start: Int, in text: [UInt8]) -> Int? {
        var offset = start + 1
        while offset < text.count {
            switch text[offset] {
            case UInt8(ascii: "\""): return offset + 1
            case UInt8(ascii: "\\"): offset += 2
            default: offset += 1
            }
        }
        return nil
    }

    private static func isProperties(_ quoted: ArraySlice<UInt8>) -> Bool {
        if quoted.elementsEqual(#""properties""#.utf8) { return true }
        // A letter of a name may be escaped.
        guard quoted.contains(UInt8(ascii: "\\")) else { return false }
        return (try? JSONDecoder().decode(String.self, from: Data(quoted))) == "properties"
    }

    private static func isSpace(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0a, 0x0d].contains(byte) }
}
