extension Timestamp {
    /// The milliseconds since 1970 of a time as RFC 3339 writes it; nil where it is none.
    ///
    /// `2023-11-14T22:13:20Z`, with any number of decimals, of which three count, or `2023-11-15T00:13:20+02:00`. A
    /// blank stands for `+`, which is what a `+` that was not escaped in a query becomes.
    static func milliseconds(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, let day = startOfDay(String(decoding: bytes[..<10], as: UTF8.self)),
            "Tt ".utf8.contains(bytes[10]), bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"),
            let hours = number(bytes[11..<13], below: 24), let minutes = number(bytes[14..<16], below: 60),
            let seconds = number(bytes[17..<19], below: 60)
        else { return nil }
        var place = 19
        var fraction: Int64 = 0
        if bytes[place] == UInt8(ascii: ".") {
            let digits = bytes[(place + 1)...].prefix { (0x30...0x39).contains($0) }
            guard !digits.isEmpty else { return nil }
            let three = (Array(digits.prefix(3)) + [0x30, 0x30, 0x30]).prefix(3)
            fraction = three.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
            place += 1 + digits.count
        }
        guard let offset = offsetMinutes(bytes[place...]) else { return nil }
        return day + ((hours * 60 + minutes - offset) * 60 + seconds) * 1000 + fraction
    }

    /// `Z`, `+hh:mm` or `-hh:mm`.
    private static func offsetMinutes(_ bytes: ArraySlice<UInt8>) -> Int64? {
        guard let sign = bytes.first else { return nil }
        let rest = Array(bytes.dropFirst())
        if sign == UInt8(ascii: "Z") || sign == UInt8(ascii: "z") { return rest.isEmpty ? 0 : nil }
        guard "+- ".utf8.contains(sign), rest.count == 5, rest[2] == UInt8(ascii: ":"),
            let hours = number(rest[..<2], below: 24), let minutes = number(rest[3...], below: 60)
        else { return nil }
        return (hours * 60 + minutes) * (sign == UInt8(ascii: "-") ? -1 : 1)
    }

    private static func number(_ digits: ArraySlice<UInt8>, below limit: Int64) -> Int64? {
        guard digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        let number = digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
        return number < limit ? number : nil
    }
}
