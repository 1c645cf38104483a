/// A JSON checker of its own, by recursive descent, that also asks for the minimal form: the oracle of what a copy
/// may be.
struct StrictJSON {
    /// What a copy may hold.
    struct Bounds {
        var depth: Int
        var keys: Int
        var nestedKeys = 254
        var elements: Int

        /// The properties of an event.
        static let event = Bounds(depth: 64, keys: 254, elements: 254)
        /// The operand of an operator.
        static let operand = Bounds(depth: 64, keys: 2000, elements: .max)
    }

    private let bytes: [UInt8]
    private let bounds: Bounds
    private var index = 0

    private init(bytes: [UInt8], bounds: Bounds) {
        self.bytes = bytes
        self.bounds = bounds
    }

    /// Why a text is no minified, normalised object without repeated keys; nil where it is one.
    static func fault(
        _ text: some Collection<UInt8>, in bounds: Bounds = .event, opening: Character = "{"
    ) -> String? {
        var reader = StrictJSON(bytes: Array(text), bounds: bounds)
        guard String(validating: reader.bytes, as: UTF8.self) != nil else { return "not UTF-8" }
        do {
            guard reader.peek == opening.asciiValue else { throw Fault(text: "does not begin with \(opening)") }
            try reader.value(depth: 0)
            guard reader.index == reader.bytes.count else { throw Fault(text: "something follows") }
            return nil
        } catch {
            return "\(error) at \(reader.index)"
        }
    }

    private struct Fault: Error {
        var text: String
    }

    private var peek: UInt8 { index < bytes.count ? bytes[index] : 0 }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte, index < bytes.count else { return false }
        index += 1
        return true
    }

    private mutating func value(depth: Int) throws {
        switch peek {
        case UInt8(ascii: "{") where depth > bounds.depth, UInt8(ascii: "[") where depth > bounds.depth:
            throw Fault(text: "too deep")
        case UInt8(ascii: "{"): try object(depth)
        case UInt8(ascii: "["): try array(depth)
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "t"): try literal("true")
        case UInt8(ascii: "f"): try literal("false")
        case UInt8(ascii: "n"): try literal("null")
        default: try number()
        }
    }

    private mutating func object(_ depth: Int) throws {
        index += 1
        if take(UInt8(ascii: "}")) { return }
        var keys: Set<[UInt8]> = []
        repeat {
            guard peek == UInt8(ascii: "\"") else { throw Fault(text: "no key") }
            guard keys.insert(try string()).inserted else { throw Fault(text: "repeated key") }
            guard take(UInt8(ascii: ":")) else { throw Fault(text: "no colon") }
            try value(depth: depth + 1)
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw Fault(text: "object not closed") }
        guard keys.count <= (depth == 0 ? bounds.keys : bounds.nestedKeys) else { throw Fault(text: "too many keys") }
    }

    private mutating func array(_ depth: Int) throws {
        index += 1
        if take(UInt8(ascii: "]")) { return }
        var count = 0
        repeat {
            try value(depth: depth + 1)
            count += 1
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw Fault(text: "array not closed") }
        guard count <= bounds.elements else { throw Fault(text: "too many elements") }
    }

    private mutating func literal(_ text: String) throws {
        guard bytes[index...].starts(with: text.utf8) else { throw Fault(text: "bad literal") }
        index += text.utf8.count
    }

    private mutating func digits() throws {
        guard (0x30...0x39).contains(peek) else { throw Fault(text: "no digit") }
        while (0x30...0x39).contains(peek) { index += 1 }
    }

    private mutating func number() throws {
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) { try digits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
    }

    /// The text between the quotes, as it stands: a normal form, so equal texts are equal keys.
    private mutating func string() throws -> [UInt8] {
        index += 1
        let start = index
        while !take(UInt8(ascii: "\"")) {
            guard index < bytes.count, bytes[index] >= 0x20 else { throw Fault(text: "bad string") }
            guard take(UInt8(ascii: "\\")) else {
                index += 1
                continue
            }
            if take(UInt8(ascii: "u")) {
                let digits = bytes[index...].prefix(4)
                let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0x41
                let needsEscape = unit < 0x20 && ![8, 9, 10, 12, 13].contains(unit) || (0xD800...0xDFFF).contains(unit)
                guard digits.count == 4, needsEscape, digits.allSatisfy({ !(0x41...0x46).contains($0) }) else {
                    throw Fault(text: "needless escape")
                }
                index += 4
            } else {
                guard "\"\\bfnrt".utf8.contains(peek) else { throw Fault(text: "bad escape") }
                index += 1
            }
        }
        return Array(bytes[start..<index - 1])
    }
}
