/// A JSON number as `$add` counts with it: a whole number of 64 bits where it is one, a Double elsewhere.
enum JSONNumber: Sendable {
    case whole(Int64)
    case double(Double)

    init(_ text: [UInt8]) {
        let string = String(decoding: text, as: UTF8.self)
        if JSONNumber.isWhole(text), let whole = Int64(string) {
            self = .whole(whole)
        } else {
            self = .double(JSONNumber.finite(Double(string) ?? 0))
        }
    }

    /// The sum of two numbers, as text.
    ///
    /// Whole numbers add exactly as long as 64 bits hold the sum; a sum beyond the greatest Double is the greatest
    /// Double.
    static func sum(_ a: [UInt8], _ b: [UInt8]) -> [UInt8] {
        switch (JSONNumber(a), JSONNumber(b)) {
        case (.whole(let a), .whole(let b)):
            let (sum, isTooGreat) = a.addingReportingOverflow(b)
            return isTooGreat ? text(Double(a) + Double(b)) : Array(String(sum).utf8)
        case (let a, let b): return text(finite(a.double + b.double))
        }
    }

    /// A text that numbers of one value share.
    static func comparable(_ value: [UInt8]) -> [UInt8] {
        switch JSONNumber(value) {
        case .whole(let whole): Array(String(whole).utf8)
        // Whole numbers of more than 64 bits are told apart by every digit.
        case .double(let double): isWhole(value) ? value : text(double)
        }
    }

    private var double: Double {
        switch self {
        case .whole(let whole): Double(whole)
        case .double(let double): double
        }
    }

    private static func isWhole(_ text: [UInt8]) -> Bool {
        !text.contains { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }
    }

    private static func finite(_ double: Double) -> Double {
        double.isInfinite ? (double < 0 ? -.greatestFiniteMagnitude : .greatestFiniteMagnitude) : double
    }

    /// The shortest text that reads back as the same number, without a point where it is whole.
    private static func text(_ double: Double) -> [UInt8] {
        if double.magnitude < 0x1p53, let whole = Int64(exactly: double) { return Array(String(whole).utf8) }
        return Array("\(double)".utf8)
    }
}
