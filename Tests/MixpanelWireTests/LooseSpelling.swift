/// JSON as clients write it whose encoder knows UTF-16 units only, and bytes that no encoder writes (P 2-11).
enum LooseSpelling {
    private static let badSequences: [[UInt8]] = [
        [0xFF], [0x80], [0xC0, 0x80], [0xC3], [0xE2, 0x82], [0xE0, 0x80, 0x80], [0xED, 0xA0], [0xF0, 0x9F, 0x8C],
        [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80],
    ]

    /// The same JSON text in which some surrogates are spelt in three bytes each.
    static func bytes(of json: String, _ random: inout SeededGenerator) -> [UInt8] {
        var output: [UInt8] = []
        let text = Array(json.utf8)
        var index = 0
        while index < text.count {
            let byte = text[index]
            if byte >= 0xF0 {
                let scalar = String(decoding: text[index..<index + 4], as: UTF8.self)
                for unit in scalar.utf16 { output += spelt(unit, &random, allowsEscape: true) }
                index += 4
            } else if byte == UInt8(ascii: "\\") {
                let length = text[index + 1] == UInt8(ascii: "u") ? 6 : 2
                let escape = text[index..<index + length]
                let unit = length == 6 ? UInt16(String(decoding: escape.dropFirst(2), as: UTF8.self), radix: 16) : nil
                if let unit, (0xD800...0xDFFF).contains(unit), random.oneIn(2) {
                    output += spelt(unit, &random, allowsEscape: false)
                } else {
                    output += escape
                }
                index += length
            } else {
                output.append(byte)
                index += 1
            }
        }
        return output
    }

    /// A record with a byte that is no UTF-8, in one of its strings.
    static func badRecord(_ random: inout SeededGenerator) -> [UInt8] {
        let frame = random.pick([
            (#"{"event":"E"#, #"","properties":{}}"#), (#"{"event":"E","properties":{"a":{"b":[""#, #""]}}}"#),
            (#"{"event":"E","properties":{""#, #"x":1}}"#), (#"{"event":"E","properties":{},"x":""#, #""}"#),
            (#"{"event":"E","properties":{"distinct_id":"u"#, #""}}"#),
        ])
        return Array(frame.0.utf8) + random.pick(badSequences) + Array(frame.1.utf8)
    }

    /// Bytes of a sequence, whole or not, or surrogates.
    static func piece(_ random: inout SeededGenerator) -> [UInt8] {
        if random.oneIn(2) { return random.pick(badSequences) }
        var output: [UInt8] = []
        for _ in 0...random.below(3) {
            output += spelt(UInt16(0xD800 + random.below(0x800)), &random, allowsEscape: true)
        }
        return output
    }

    /// A UTF-16 unit in three bytes, or as an escape.
    private static func spelt(_ unit: UInt16, _ random: inout SeededGenerator, allowsEscape: Bool) -> [UInt8] {
        if allowsEscape, random.oneIn(3) {
            return Array("\\u\(String(unit, radix: 16, uppercase: random.oneIn(2)))".utf8)
        }
        return [
            0xE0 | UInt8(unit >> 12), 0x80 | UInt8(unit >> 6 & 0x3F), 0x80 | UInt8(unit & 0x3F),
        ]
    }
}
