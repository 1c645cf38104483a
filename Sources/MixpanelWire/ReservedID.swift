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
        value.utf8CodeUnitCount == id.count && zip(value.bytes, id).allSatisfy { $0 == folded($1) }
    }
}

/// An ASCII letter in lower case; any other byte as it is.
private func folded(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }

/// The texts that no identity operation may name: those that are always reserved, and those that a setting adds
/// (P 6.3-0).
package struct ReservedIDs: Hashable, Sendable {
    /// What the setting adds where it is not given.
    package static let standardText = #"[object Object],NaN,(null),guest,distinct_id,email,not_authenticated,"""#

    /// Those that are reserved where the setting is not given.
    package static let standard = ReservedIDs(text: standardText)

    /// What is added, in lower case.
    private let added: [[UInt8]]
    /// A bit for each length that a text of `added` has: nearly every id has another.
    private let lengths: UInt64

    /// Reads the setting.
    ///
    /// - Parameter text: Texts with commas between them, and perhaps spaces around those; nothing adds none. ASCII
    ///   letters count without regard to case.
    package init(text: String) {
        added = text.utf8.split(separator: UInt8(ascii: ",")).compactMap { part in
            let start = part.drop { $0 == 0x20 }
            let length = (start.lastIndex { $0 != 0x20 }).map { start.distance(from: start.startIndex, to: $0) + 1 }
            return length.map { start.prefix($0).map(folded) }
        }
        lengths = added.reduce(0) { $0 | Self.bit($1.count) }
    }

    /// Whether an id is reserved, in any case, not trimmed (P 6.3-1).
    func contains(_ id: UnsafeBufferPointer<UInt8>) -> Bool {
        if ReservedID.contains(id) { return true }
        guard lengths & Self.bit(id.count) != 0 else { return false }
        return added.contains { word in word.count == id.count && zip(word, id).allSatisfy { $0 == folded($1) } }
    }

    private static func bit(_ length: Int) -> UInt64 { 1 << UInt64(min(length, 63)) }

    /// The rule that an id breaks, as the rejection of a record that names it in an identity operation says it; nil for
    /// one that is in order (P 6.3-2, 6.4).
    package func fault(of id: [UInt8]) -> String? {
        if id.count > DistinctID.sizeLimitBytes { return "\(Rule.long)" }
        return id.withUnsafeBufferPointer { bytes in
            if isBlank(bytes) { return "\(Rule.blank)" }
            return contains(bytes) ? "\(Rule.reserved)" : nil
        }
    }
}

/// Whether a text is empty or nothing but white space.
func isBlank(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    // One byte settles nearly every text.
    if let first = text.first, first > 0x20, first < 0x80 { return false }
    return String(decoding: text, as: UTF8.self).unicodeScalars.allSatisfy(\.properties.isWhitespace)
}
