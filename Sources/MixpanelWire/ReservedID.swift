import IdentityEngine

/// The texts that stand for nobody, so that no event may be joined by them (P 6.3).
enum ReservedID {
    private static let nilUUID: StaticString = "00000000-0000-0000-0000-000000000000"
    private static let words: [StaticString] = [
        "anon", "anonymous", "nil", "none", "null", "n/a", "na", "undefined",
        "unknown", "<nil>", "0", "-1", "true", "false", "[]", "{}",
    ]

    /// Whether an id is reserved, in any case, not trimmed (P 6.3-1).
    static func contains(_ id: UnsafeBufferPointer<UInt8>) -> Bool {
        switch id.count {
        case 1...5, 7, 9: words.contains { equalsFolded($0, id) }
        // Nearly every id of this length is a UUID, and no word.
        case 36: id[0] == UInt8(ascii: "0") && nilUUID.bytes.elementsEqual(id)
        default: false
        }
    }

    private static func equalsFolded(_ value: StaticString, _ id: UnsafeBufferPointer<UInt8>) -> Bool {
        guard value.utf8CodeUnitCount == id.count else { return false }
        for (own, byte) in zip(value.bytes, id) {
            guard own == ((0x41...0x5A).contains(byte) ? byte | 0x20 : byte) else { return false }
        }
        return true
    }
}

/// Whether a text is empty or nothing but white space.
func isBlank(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    // One byte settles nearly every text.
    if let first = text.first, first > 0x20, first < 0x80 { return false }
    return String(decoding: text, as: UTF8.self).unicodeScalars.allSatisfy(\.properties.isWhitespace)
}

/// What makes an id one that an identity operation can name.
package enum MergeID {
    /// The rule that an id breaks, as the rejection of a record that names it says it; nil for one that is in order
    /// (P 6.3-2, 6.4).
    package static func fault(of id: [UInt8]) -> String? {
        if id.count > DistinctID.sizeLimitBytes { return "\(Rule.long)" }
        return id.withUnsafeBufferPointer { bytes in
            if isBlank(bytes) { return "\(Rule.blank)" }
            return ReservedID.contains(bytes) ? "\(Rule.reserved)" : nil
        }
    }
}
