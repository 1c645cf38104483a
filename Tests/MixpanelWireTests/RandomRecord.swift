/// Random numbers that one seed settles: SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    mutating func oneIn(_ bound: Int) -> Bool { below(bound) == 0 }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
}

/// A random JSON value that knows both a random spelling of itself and its normal form.
indirect enum RandomValue {
    case literal(String)
    /// Unicode scalars, or halves of surrogate pairs.
    case text([UInt32])
    case array([RandomValue])
    case object([(key: [UInt32], value: RandomValue)])

    init(depth: Int, _ random: inout SeededGenerator) {
        switch random.below(depth > 0 ? 8 : 6) {
        case 0: self = .literal(random.pick(["true", "false", "null"]))
        case 1, 2:
            self = .literal(
                random.pick([
                    "0", "-0", "12345678901234567890123", "1.50", "-1e9", "2E-400", "7", "1e+5", "1699999999.123",
                ]))
        case 3, 4, 5: self = .text(Self.randomText(&random))
        case 6: self = .array((0..<random.below(4)).map { _ in RandomValue(depth: depth - 1, &random) })
        default:
            self = .object(
                (0..<random.below(5)).map { _ in (Self.randomKey(&random), RandomValue(depth: depth - 1, &random)) })
        }
    }

    static func randomKey(_ random: inout SeededGenerator) -> [UInt32] {
        random.oneIn(4)
            ? randomText(&random)
            : Array(random.pick(["a", "b", "ab", "key one", "é", ""]).unicodeScalars.map(\.value))
    }

    private static func randomText(_ random: inout SeededGenerator) -> [UInt32] {
        let alphabet: [UInt32] = [
            0x61, 0x62, 0x20, 0x2C, 0x7B, 0x5D, 0x3A, 0x22, 0x5C, 0x2F, 0x08, 0x0A, 0x00, 0x1F, 0x7F, 0xE9, 0x301,
            0x2028,
            0xFFFD, 0x1F600, 0x10FFFF, 0xD800, 0xDC00, 0xDBFF,
        ]
        let length = random.oneIn(40) ? 250 + random.below(10) : random.below(20)
        return (0..<length).map { _ in random.oneIn(3) ? random.pick(alphabet) : 0x61 + UInt32(random.below(26)) }
    }

    /// The value in random spelling: white space, escapes, surrogate pairs.
    func spelt(_ random: inout SeededGenerator) -> String {
        func space() -> String { random.oneIn(4) ? random.pick([" ", "\n", "\t ", "\r\n"]) : "" }
        let body: String
        switch self {
        case .literal(let text): body = text
        case .text(let scalars): body = Self.spelt(scalars, &random)
        case .array(let elements):
            var parts: [String] = []
            for element in elements { parts.append(element.spelt(&random)) }
            body = "[\(space())\(parts.joined(separator: ","))]"
        case .object(let pairs):
            var parts: [String] = []
            for pair in pairs {
                parts.append("\(space())\(Self.spelt(pair.key, &random))\(space()):\(pair.value.spelt(&random))")
            }
            body = "{\(parts.joined(separator: ","))\(space())}"
        }
        return space() + body + space()
    }

    private static func spelt(_ scalars: [UInt32], _ random: inout SeededGenerator) -> String {
        var text = "\""
        for scalar in scalars {
            if let escape = shortEscapes[scalar], scalar != 0x2F || random.oneIn(2) {
                text += random.oneIn(3) ? hex(UInt16(scalar), &random) : escape
            } else if scalar < 0x20 || (0xD800...0xDFFF).contains(scalar) {
                text += hex(UInt16(scalar), &random)
            } else if random.oneIn(6) {
                for unit in UnicodeScalar(scalar).map({ String($0).utf16.map { $0 } }) ?? [] {
                    text += hex(unit, &random)
                }
            } else {
                text += UnicodeScalar(scalar).map(String.init) ?? ""
            }
        }
        return text + "\""
    }

    private static let shortEscapes: [UInt32: String] = [
        0x22: "\\\"", 0x5C: "\\\\", 0x2F: "\\/", 0x08: "\\b", 0x0A: "\\n", 0x0C: "\\f", 0x0D: "\\r", 0x09: "\\t",
    ]

    private static func hex(_ unit: UInt16, _ random: inout SeededGenerator) -> String {
        let digits = String(unit, radix: 16, uppercase: random.oneIn(2))
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }

    /// The value as a copy must have it.
    var normal: String {
        switch self {
        case .literal(let text): text
        case .text(let scalars): Self.normal(scalars, limit: 255)
        case .array(let elements): "[" + elements.map(\.normal).joined(separator: ",") + "]"
        case .object(let pairs):
            "{" + Self.lastOfEach(pairs).map { Self.normal($0.key) + ":" + $0.value.normal }.joined(separator: ",")
                + "}"
        }
    }

    /// The pairs whose key no later pair has.
    private static func lastOfEach(
        _ pairs: [(key: [UInt32], value: RandomValue)]
    ) -> [(key: [UInt32], value: RandomValue)] {
        pairs.enumerated().filter { offset, pair in
            !pairs[(offset + 1)...].contains { joined($0.key) == joined(pair.key) }
        }.map(\.element)
    }

    /// Scalars, with halves that stand together joined as any reader of UTF-16 does.
    private static func joined(_ scalars: [UInt32]) -> [UInt32] {
        var output: [UInt32] = []
        for scalar in scalars {
            if let high = output.last, (0xD800...0xDBFF).contains(high), (0xDC00...0xDFFF).contains(scalar) {
                output[output.count - 1] = 0x10000 + (high - 0xD800) << 10 + (scalar - 0xDC00)
            } else {
                output.append(scalar)
            }
        }
        return output
    }

    private static func normal(_ scalars: [UInt32], limit: Int = .max) -> String {
        var text = "\""
        for scalar in joined(scalars).prefix(limit) {
            if scalar != 0x2F, let escape = shortEscapes[scalar] {
                text += escape
            } else if scalar < 0x20 || (0xD800...0xDFFF).contains(scalar) {
                let digits = String(scalar, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            } else {
                text += UnicodeScalar(scalar).map(String.init) ?? ""
            }
        }
        return text + "\""
    }
}
