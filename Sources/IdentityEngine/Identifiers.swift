/// The number of a project: one tenant, which owns its ids and its rules.
package struct ProjectID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: Int64

    package init(_ rawValue: Int64) { self.rawValue = rawValue }

    package var description: String { String(rawValue) }

    package static func < (a: ProjectID, b: ProjectID) -> Bool { a.rawValue < b.rawValue }
}

/// A string that a client uses for someone, compared byte for byte (P 2-12, 7.6-4).
///
/// Swift's `String ==` is canonical equivalence, under which two different ids could be one; so an id is its UTF-8
/// bytes.
package struct DistinctID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The greatest length of an id, in bytes (P 7.6-5).
    ///
    /// A longer id is refused, never cut.
    package static let sizeLimitBytes = 1024

    package let bytes: [UInt8]

    /// Takes the bytes as they are: nothing is trimmed, folded or normalised.
    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The id whose bytes are the UTF-8 of a text.
    package init(_ text: String) { self.bytes = Array(text.utf8) }

    package var description: String { String(decoding: bytes, as: UTF8.self) }

    /// The id as a terminal may show it in a line: control characters are escaped, for whoever has a project's token
    /// may send any.
    package var line: String { description.escapingControls(except: []) }

    package func hash(into hasher: inout Hasher) {
        unsafe bytes.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
    }

    package static func < (a: DistinctID, b: DistinctID) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}

/// The number of an identity row: dense, never reused, and the same for the whole life of a store.
package typealias NodeKey = Int64

extension String {
    /// The text with `\u001b` and the like in place of control characters.
    package func escapingControls(except kept: Set<Unicode.Scalar>) -> String {
        func isControl(_ scalar: Unicode.Scalar) -> Bool {
            (scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)) && !kept.contains(scalar)
        }
        guard unicodeScalars.contains(where: isControl) else { return self }
        var text = ""
        for scalar in unicodeScalars {
            if isControl(scalar) {
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
