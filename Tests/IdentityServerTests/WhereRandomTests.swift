import IdentityServer
import Testing

/// Conditions that are made at random, with what they come to, and texts that are none.
@Suite struct `Where expression, random` {
    /// SplitMix64: the same numbers for the same seed.
    struct Randomness: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    /// A condition's text with its truth, as a model of its own has it.
    struct Condition {
        let text: String
        let isTrue: Bool
        /// How tightly its outermost operator binds: 0 `or`, 1 `and`, 2 `not`, 3 a comparison, 4 a value.
        let binding: Int

        /// The text, in parentheses where an operator that binds so tightly would tear it apart.
        func text(within outer: Int, _ random: inout Randomness) -> String {
            binding < outer || Int.random(in: 0..<6, using: &random) == 0 ? "(\(text))" : text
        }
    }

    static let numbers: [String: Int] = ["a": 1, "b": 2, "c": 3]
    static let texts: [String: String] = ["s": "red", "t": "green", "u": "red or green"]
    static let properties = #"{"a":1,"s":"red","b":2,"t":"green","c":3,"u":"red or green"}"#

    static func condition(_ depth: Int, _ random: inout Randomness) -> Condition {
        switch depth == 0 ? 3 : Int.random(in: 0...4, using: &random) {
        case 0, 1:
            let isAll = Bool.random(using: &random)
            let binding = isAll ? 1 : 0
            let parts = (0..<Int.random(in: 2...4, using: &random)).map { _ in condition(depth - 1, &random) }
            let text = parts.map { $0.text(within: binding + 1, &random) }.joined(separator: isAll ? " and " : " or ")
            let truths = parts.map(\.isTrue)
            return Condition(
                text: text, isTrue: isAll ? truths.allSatisfy { $0 } : truths.contains(true), binding: binding)
        case 2:
            let part = condition(depth - 1, &random)
            return Condition(text: "not " + part.text(within: 2, &random), isTrue: !part.isTrue, binding: 2)
        default:
            return comparison(&random)
        }
    }

    static func comparison(_ random: inout Randomness) -> Condition {
        let quote = Bool.random(using: &random) ? "\"" : "'"
        if Bool.random(using: &random), let (name, value) = numbers.sorted(by: <).randomElement(using: &random) {
            let other = Int.random(in: 0...4, using: &random)
            let operators: [(String, Bool)] = [
                ("==", value == other), ("!=", value != other), ("<", value < other), ("<=", value <= other),
                (">", value > other), (">=", value >= other),
            ]
            let (text, isTrue) = operators[Int.random(in: 0..<6, using: &random)]
            return Condition(text: "properties[\(quote)\(name)\(quote)] \(text) \(other)", isTrue: isTrue, binding: 3)
        }
        guard let (name, value) = texts.sorted(by: <).randomElement(using: &random) else { return comparison(&random) }
        let part = ["red", "green", "e", "or", "blue"].randomElement(using: &random) ?? ""
        let property = "properties[\(quote)\(name)\(quote)]"
        return Bool.random(using: &random)
            ? Condition(text: "\(quote)\(part)\(quote) in \(property)", isTrue: value.contains(part), binding: 3)
            : Condition(text: "\(property)==\(quote)\(part)\(quote)", isTrue: value == part, binding: 3)
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func `operators bind as in Python`(_ seed: UInt64) throws {
        var random = Randomness(state: seed)
        let bytes = Array(Self.properties.utf8)
        var counts = [true: 0, false: 0]
        for _ in 0..<500 {
            let condition = Self.condition(4, &random)
            guard condition.text.utf8.count <= WhereExpression.sizeLimitBytes else { continue }
            let expression = try WhereExpression(parsing: Array(condition.text.utf8))
            #expect(expression.matches(bytes, in: bytes.indices) == condition.isTrue, "\(seed): \(condition.text)")
            counts[condition.isTrue, default: 0] += 1
        }
        #expect(counts.values.allSatisfy { $0 > 100 }, "both outcomes are tried")
    }

    @Test(arguments: [5, 6, 7, 8] as [UInt64])
    func `no text is too strange to be refused or read`(_ seed: UInt64) {
        var random = Randomness(state: seed)
        let pieces =
            [
                "properties", "[", "]", "(", ")", "\"a\"", "'s'", "and", "or", "not", "in", "defined", "boolean",
                "true", "false", "==", "!=", "<", ">=", "=", "!", "-", "1", "2.5", "1e9", ",", " ", "\\", "\"", "'",
                "\\u",
                "d83d", "é", "\u{0}", "user", "properties[\"a\"]", "properties['s']", "(((",
            ].map { Array($0.utf8) } + [[0xFF], [0xC3], [0xE2, 0x9C]]
        let bytes = Array(Self.properties.utf8)
        var read = 0
        for _ in 0..<3000 {
            var text: [UInt8] = []
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                text += pieces.randomElement(using: &random) ?? []
                if Bool.random(using: &random) { text.append(UInt8(ascii: " ")) }
            }
            do throws(WhereError) {
                let expression = try WhereExpression(parsing: text)
                _ = expression.matches(bytes, in: bytes.indices)
                read += 1
            } catch {
                let length = String(decoding: text, as: UTF8.self).unicodeScalars.count
                if let position = error.position { #expect((1...(length + 1)).contains(position), "\(text)") }
                #expect(!error.message.isEmpty)
            }
        }
        #expect(read > 10)
    }

    @Test(arguments: [9, 10] as [UInt64])
    func `a condition with one byte changed is refused or read`(_ seed: UInt64) {
        var random = Randomness(state: seed)
        let bytes = Array(Self.properties.utf8)
        for _ in 0..<1000 {
            var text = Array(Self.condition(3, &random).text.utf8.prefix(WhereExpression.sizeLimitBytes))
            let place = Int.random(in: text.indices, using: &random)
            text[place] = UInt8.random(in: 0...255, using: &random)
            if let expression = try? WhereExpression(parsing: text) { _ = expression.matches(bytes, in: bytes.indices) }
        }
    }
}
