import CSimdjson

/// The structural positions of one JSON text, found by simdjson or, where that refuses the text for one bad string, by
/// a scan of our own in the same format (P 2-11: one bad record never costs its neighbours).
///
/// Text that is no UTF-8 is such a text too: what its bytes mean is for the reader to say.
///
/// Owned by one decode at a time.
struct StructuralIndex: ~Copyable {
    /// What became of a scan.
    enum Outcome {
        case indexed
        case blank
        case noMemory
    }

    private let native: OpaquePointer?
    private(set) var count = 0
    /// Whether the positions are our own scan's: right for any text, while simdjson's are right where every backslash
    /// is in a string.
    private(set) var isOwnScan = false
    /// Whether the text is UTF-8; the positions of any other are our own scan's.
    private(set) var isUTF8 = true

    init() { native = csimdjson_index_create() }

    deinit {
        if let native { csimdjson_index_destroy(native) }
    }

    /// The positions of the last scan, followed by one that is the text's length; nil before the first.
    var positions: UnsafePointer<UInt32>? {
        guard let native else { return nil }
        return UnsafePointer(csimdjson_index_positions(native))
    }

    /// Finds the positions of a text.
    ///
    /// - Parameters:
    ///   - text: The text, at most `UInt32.max` bytes.
    ///   - isLines: Whether a string that is not closed ends with its line.
    /// - Returns: Whether there are positions, or why not.
    mutating func scan(_ text: UnsafeBufferPointer<UInt8>, isLines: Bool) -> Outcome {
        guard let native, let base = text.baseAddress else { return text.isEmpty ? .blank : .noMemory }
        switch csimdjson_index_scan(native, base, text.count) {
        case CSIMDJSON_INDEXED:
            isOwnScan = false
            isUTF8 = true
            count = csimdjson_index_count(native)
            return .indexed
        case CSIMDJSON_BLANK: return .blank
        case CSIMDJSON_NO_MEMORY: return .noMemory
        default:
            isUTF8 = csimdjson_is_utf8(base, text.count) != 0
            return rescan(text, isLines: isLines)
        }
    }

    /// Finds the positions of a text whose strings may be broken.
    ///
    /// A backslash outside a string escapes nothing here, while simdjson lets it; this is the reading that keeps a bad
    /// record to itself. Bytes above 0x7F are not told apart: no byte of a longer UTF-8 sequence is one of JSON's own,
    /// so a sequence that is cut short takes no quote with it.
    mutating func rescan(_ text: UnsafeBufferPointer<UInt8>, isLines: Bool) -> Outcome {
        guard let native, csimdjson_index_reserve(native, text.count) == 0,
            let target = csimdjson_index_positions(native)
        else { return .noMemory }
        var found = 0
        var index = 0
        // Whether the byte before this one belongs to a scalar, so that this one does not start another.
        var isInScalar = false
        while index < text.count {
            let byte = text[index]
            switch byte {
            case UInt8(ascii: "\""):
                target[found] = UInt32(truncatingIfNeeded: index)
                found += 1
                index = Self.endOfString(text, index + 1, isLines: isLines)
                isInScalar = false
            case 0x20, 0x09, 0x0A, 0x0D:
                isInScalar = false
            case 0x7B, 0x7D, 0x5B, 0x5D, 0x3A, 0x2C:
                target[found] = UInt32(truncatingIfNeeded: index)
                found += 1
                isInScalar = false
            default:
                if !isInScalar {
                    target[found] = UInt32(truncatingIfNeeded: index)
                    found += 1
                }
                isInScalar = true
            }
            index += 1
        }
        target[found] = UInt32(truncatingIfNeeded: text.count)
        isOwnScan = true
        count = found
        return found == 0 ? .blank : .indexed
    }

    /// The index of the closing quote, or of the last byte that the string can be said to hold.
    private static func endOfString(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, isLines: Bool) -> Int {
        var index = start
        while index < text.count {
            switch text[index] {
            case UInt8(ascii: "\""): return index
            case UInt8(ascii: "\\"): index += isLines && index + 1 < text.count && text[index + 1] == 0x0A ? 1 : 2
            case 0x0A where isLines: return index
            default: index += 1
            }
        }
        return text.count
    }

    /// Gives memory back that was needed for a large text only.
    mutating func trim(toTextOf byteCount: Int) {
        count = 0
        if let native { csimdjson_index_trim(native, byteCount) }
    }
}
