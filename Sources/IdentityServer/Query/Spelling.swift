/// Finds what somebody may have meant by a name that does not exist.
package enum Spelling {
    /// Longer names are compared by their first bytes.
    private static let sizeLimitBytes = 80

    /// The name that is nearest to one that does not exist; nil where none is near.
    ///
    /// Case, and which of `.`, `_` and `-` stands between words, count for nothing. Of several that are as near, the
    /// first in order is taken.
    ///
    /// - Parameters:
    ///   - name: what was written.
    ///   - names: what exists.
    /// - Returns: one of the names.
    package static func nearest(to name: String, among names: some Collection<String>) -> String? {
        let written = folded(name)
        guard !written.isEmpty else { return nil }
        let ranked = names.map { (name: $0, distance: distance(written, folded($0))) }
        guard let best = ranked.min(by: { ($0.distance, $0.name) < ($1.distance, $1.name) }) else { return nil }
        return best.distance <= max(1, min(written.count, folded(best.name).count) / 3) ? best.name : nil
    }

    /// A question that names the nearest name, in front of what comes after it; empty where none is near.
    package static func question(_ name: String, among names: some Collection<String>) -> String {
        nearest(to: name, among: names).map { " (did you mean \($0)?)" } ?? ""
    }

    /// How many letters differ: put in, left out, replaced, or two neighbours exchanged.
    package static func distance(_ one: String, _ other: String) -> Int { distance(folded(one), folded(other)) }

    private static func folded(_ name: String) -> [UInt8] {
        name.lowercased().utf8.filter { ![0x2E, 0x5F, 0x2D].contains($0) }.prefix(sizeLimitBytes).map { $0 }
    }

    private static func distance(_ one: [UInt8], _ other: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...other.count)
        for (row, byte) in one.enumerated() {
            var current = [row + 1]
            for (column, otherByte) in other.enumerated() {
                var least = min(
                    last[column] + (byte == otherByte ? 0 : 1), last[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, byte == other[column - 1], one[row - 1] == otherByte {
                    least = min(least, beforeLast[column - 1] + 1)
                }
                current.append(least)
            }
            (beforeLast, last) = (last, current)
        }
        return last[other.count]
    }
}
