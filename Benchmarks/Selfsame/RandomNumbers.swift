/// Xorshift: the same numbers in every run, here and in the reference programs, so that both store the same rows.
struct RandomNumbers {
    private var state: UInt64

    init(seed: UInt64 = 88_172_645_463_325_252) { state = seed }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }

    mutating func next(below limit: UInt64) -> Int { Int(next() % limit) }
}

extension [UInt8] {
    mutating func append(_ text: String) { append(contentsOf: text.utf8) }

    mutating func append(number: Int) { append(contentsOf: String(number).utf8) }

    /// Appends a number as so many hexadecimal digits, its lowest.
    mutating func append(hex value: UInt64, digits: Int) {
        for place in (0..<digits).reversed() {
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(4 * place)) & 15
            append(digit < 10 ? 0x30 + digit : 0x57 + digit)
        }
    }

    /// Appends the text of a version 4 UUID, made of two numbers.
    mutating func append(uuidOf a: UInt64, _ b: UInt64) {
        append(hex: a >> 32, digits: 8)
        append("-")
        append(hex: a >> 16, digits: 4)
        append("-4")
        append(hex: a, digits: 3)
        append("-a")
        append(hex: b >> 48, digits: 3)
        append("-")
        append(hex: b, digits: 12)
    }
}
