extension JSONBuilder {
    /// What was written so far, with U+0085, U+2028 and U+2029 as escapes (P 10-10).
    ///
    /// Readers that cut lines as Unicode has them, Python's `splitlines` among them, would cut an object in two.
    var lines: [UInt8] { LineSeparators.escaped(bytes) }
}

/// The characters that end a line for some readers, and that JSON lets stand in a string as they are.
enum LineSeparators {
    /// The same JSON with each of them escaped.
    ///
    /// Outside strings JSON is ASCII, and within one no backslash stands before them, so that bytes can be replaced
    /// wherever they are.
    static func escaped(_ json: [UInt8]) -> [UInt8] {
        // Nearly every text has none of these bytes.
        guard json.contains(0xC2) || json.contains(0xE2) else { return json }
        var output: [UInt8] = []
        output.reserveCapacity(json.count)
        var rest = json[...]
        while let place = rest.firstIndex(where: { $0 == 0xC2 || $0 == 0xE2 }) {
            output += rest[..<place]
            rest = rest[place...]
            if let (escape, length) = escape(rest) {
                output += Array(escape.utf8)
                rest = rest.dropFirst(length)
            } else {
                output.append(rest.removeFirst())
            }
        }
        return output + rest
    }

    /// The escape of the character with which a text begins, and how many bytes that takes; nil where it is another.
    private static func escape(_ text: ArraySlice<UInt8>) -> (String, Int)? {
        if text.starts(with: [0xC2, 0x85]) { return (#"\u0085"#, 2) }
        if text.starts(with: [0xE2, 0x80, 0xA8]) { return (#"\u2028"#, 3) }
        if text.starts(with: [0xE2, 0x80, 0xA9]) { return (#"\u2029"#, 3) }
        return nil
    }
}
