/// A value while a condition is evaluated.
enum WhereValue: Hashable, Sendable {
    /// A property that is not there, or is null.
    case undefined
    case boolean(Bool)
    case number(WhereNumber)
    /// The text without quotes and escapes. A lone surrogate is three bytes, as if it were a scalar.
    case string(ArraySlice<UInt8>)
    /// A time, in milliseconds since 1970: of an event, or made by `datetime(…)`.
    case time(Int64)
    /// A JSON array, minified.
    case array(ArraySlice<UInt8>)
    /// A JSON object, minified.
    case object(ArraySlice<UInt8>)

    /// Reads a minified JSON value.
    ///
    /// - Parameter json: the value's bytes.
    init(json: ArraySlice<UInt8>) {
        switch json.first {
        case UInt8(ascii: "\"")?: self = .string(MinifiedJSON.unescaped(json.dropFirst().dropLast()))
        case UInt8(ascii: "t")?: self = .boolean(true)
        case UInt8(ascii: "f")?: self = .boolean(false)
        case UInt8(ascii: "[")?: self = .array(json)
        case UInt8(ascii: "{")?: self = .object(json)
        case nil, UInt8(ascii: "n")?: self = .undefined
        default: self = WhereNumber(json).map { .number($0) } ?? .undefined
        }
    }

    /// Whether the value counts as true on its own.
    ///
    /// False are what is not there, `false`, 0, and the texts `""` and `"false"`, as Mixpanel casts to boolean.
    var isTrue: Bool {
        switch self {
        case .undefined: false
        case .boolean(let value): value
        case .number(let number): number != .integer(0)
        case .string(let text): !text.isEmpty && !text.elementsEqual("false".utf8)
        case .time, .array, .object: true
        }
    }

    /// The elements of an array; nil for anything else.
    var elements: [WhereValue]? {
        guard case .array(let json) = self else { return nil }
        return MinifiedJSON.elements(of: json).map { WhereValue(json: $0) }
    }

    /// Whether both are there and are the same; never for values of two types, but for what a time is compared with.
    func isEqual(to other: WhereValue) -> Bool {
        if let (one, other) = times(with: other) { return one == other }
        return self != .undefined && self == other
    }

    /// Whether this comes before the other; nil where they have no order: two types, or anything but numbers or texts.
    func isLess(than other: WhereValue) -> Bool? {
        if let (one, other) = times(with: other) { return one < other }
        return switch (self, other) {
        case (.number(let one), .number(let other)): one < other
        case (.string(let one), .string(let other)): one.lexicographicallyPrecedes(other)
        default: nil
        }
    }

    /// The times that both stand for, where one of them is a time; nil where none is, or the other stands for none.
    private func times(with other: WhereValue) -> (Int64, Int64)? {
        switch (self, other) {
        case (.time, _), (_, .time): break
        default: return nil
        }
        guard let one = milliseconds, let other = other.milliseconds else { return nil }
        return (one, other)
    }

    /// Whether a text stands in another one, in time that grows with the two lengths only (Knuth, Morris and Pratt).
    static func contains(_ text: ArraySlice<UInt8>, in whole: ArraySlice<UInt8>) -> Bool {
        let pattern = Array(text)
        guard !pattern.isEmpty else { return true }
        guard pattern.count <= whole.count else { return false }
        // For each length of a beginning of the pattern: the longest shorter beginning that it also ends with.
        var border = [Int](repeating: 0, count: pattern.count)
        var matched = 0
        for index in pattern.indices.dropFirst() {
            while matched > 0, pattern[index] != pattern[matched] { matched = border[matched - 1] }
            if pattern[index] == pattern[matched] { matched += 1 }
            border[index] = matched
        }
        matched = 0
        for byte in whole {
            while matched > 0, byte != pattern[matched] { matched = border[matched - 1] }
            if byte == pattern[matched] { matched += 1 }
            if matched == pattern.count { return true }
        }
        return false
    }
}

/// A number: exact where it is whole and has at most 64 bits.
enum WhereNumber: Hashable, Comparable, Sendable {
    case integer(Int64)
    /// Never a value that an integer of 64 bits has.
    case double(Double)

    /// Reads the text of a number; nil where it is none.
    init?(_ text: ArraySlice<UInt8>) {
        let text = String(decoding: text, as: UTF8.self)
        if let integer = Int64(text) {
            self = .integer(integer)
        } else if let double = Double(text) {
            self = Int64(exactly: double).map { .integer($0) } ?? .double(double)
        } else {
            return nil
        }
    }

    static func < (a: WhereNumber, b: WhereNumber) -> Bool {
        if case .integer(let one) = a, case .integer(let other) = b { return one < other }
        return a.approximate < b.approximate
    }

    private var approximate: Double {
        switch self {
        case .integer(let integer): Double(integer)
        case .double(let double): double
        }
    }
}
