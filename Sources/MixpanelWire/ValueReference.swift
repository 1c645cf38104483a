/// Where a value stands in the JSON text.
struct ValueReference {
    /// What a value is.
    enum Kind: UInt8 {
        case absent
        case null
        case boolean
        case number
        /// A string without escapes: `start..<end` is its text.
        case string
        /// A string with escapes.
        case escapedString
        case object
        case array
    }

    var kind: Kind = .absent
    /// The first byte; after the quote, for a string.
    var start = 0
    /// Past the last byte; before the quote, for a string.
    var end = 0
    /// The index of the value's first structural position.
    var cursor = 0

    var isString: Bool { kind == .string || kind == .escapedString }
    /// P 6.4: what `??` steps over.
    var isMissing: Bool { kind == .absent || kind == .null }
}

/// Why a record cannot be read: always a fault of that record alone, but for `unbalanced`.
enum RecordFault: Error {
    case syntax
    case tooDeep
    /// The record's end cannot be found.
    case unbalanced
}
