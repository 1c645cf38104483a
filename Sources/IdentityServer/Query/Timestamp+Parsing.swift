import IdentityEngine

extension Timestamp {
    /// Seconds of 0001-01-01 and of 9999-12-31T23:59:59, the first and the last that have a text.
    static let secondsRange: ClosedRange<Int64> = -62_135_596_800...253_402_300_799

    /// The milliseconds of a time: RFC 3339, or seconds since 1970, each with or without a fraction.
    ///
    /// - Parameter text: `2024-05-01T12:00:00Z`, `2024-05-01T14:00:00.5+02:00`, `1714564800` or `1714564800.5`.
    /// - Returns: milliseconds since 1970, rounded down; nil where it is neither.
    static func milliseconds(_ text: String) -> Int64? {
        seconds(Array(text.utf8)[...]) ?? milliseconds(rfc3339: text)
    }

    /// The milliseconds of a time as RFC 3339 writes it.
    ///
    /// A blank stands for the `+` of an offset, which is what a `+` that was not escaped in a query becomes.
    ///
    /// - Parameter text: `2024-05-01T12:00:00Z`, `2024-05-01T14:00:00.5+02:00`.
    /// - Returns: milliseconds since 1970, rounded down; nil where it is none.
    static func milliseconds(rfc3339 text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes[10] | 0x20 == UInt8(ascii: "t"), bytes[13] == UInt8(ascii: ":"),
            bytes[16] == UInt8(ascii: ":"), let day = startOfDay(String(decoding: bytes[..<10], as: UTF8.self)),
            let hours = number(bytes[11..<13], below: 24), let minutes = number(bytes[14..<16], below: 60)
        else { return nil }
        guard let zone = bytes[19...].firstIndex(where: { [0x20, 0x2B, 0x2D, 0x5A, 0x7A].contains($0) }),
            let seconds = number(bytes[17..<19], below: 60), let offset = offsetMinutes(bytes[zone...]),
            let fraction = fraction(bytes[19..<zone])
        else { return nil }
        let time = day + hours * 3_600_000 + (minutes - offset) * 60_000 + seconds * 1_000 + fraction
        return secondsRange.contains(Self.seconds(milliseconds: time)) ? time : nil
    }

    /// The milliseconds of a time as clients write it into properties and conditions.
    ///
    /// Beside what `milliseconds(_:)` reads: a day alone, a blank before the hours, no seconds, and an offset without
    /// a colon. What has no zone is UTC.
    ///
    /// - Parameter text: `2024-05-01`, `2024-05-01T12:00`, `2024-05-01 12:00:00`, `2024-05-01T12:00:00+0200`.
    /// - Returns: milliseconds since 1970, rounded down; nil where it is none.
    static func milliseconds(ofProperty text: String) -> Int64? {
        if let time = milliseconds(text) ?? startOfDay(text) { return time }
        var bytes = Array(text.utf8)
        guard bytes.count >= 16, bytes.count <= 40, bytes[10] == 0x20 || bytes[10] | 0x20 == UInt8(ascii: "t") else {
            return nil
        }
        bytes[10] = UInt8(ascii: "T")
        let zone = bytes[16...].firstIndex { [0x20, 0x2B, 0x2D, 0x5A, 0x7A].contains($0) } ?? bytes.endIndex
        var offset = Array(bytes[zone...])
        if offset.isEmpty { offset = [UInt8(ascii: "Z")] }
        if offset.count == 5 { offset.insert(UInt8(ascii: ":"), at: 3) }
        let seconds = zone == 16 ? Array(":00".utf8) : []
        return milliseconds(rfc3339: String(decoding: bytes[..<zone] + seconds + offset, as: UTF8.self))
    }

    /// `1714564800`, `-5.25`.
    private static func seconds(_ text: ArraySlice<UInt8>) -> Int64? {
        let isNegative = text.first == UInt8(ascii: "-")
        let digits = isNegative ? text.dropFirst() : text
        let whole = digits.prefix { $0 != UInt8(ascii: ".") }
        guard (1...12).contains(whole.count), let seconds = number(whole, below: .max),
            let fraction = fraction(digits[whole.endIndex...])
        else { return nil }
        let time = seconds * 1_000 + fraction
        let signed = isNegative ? -time : time
        return secondsRange.contains(Self.seconds(milliseconds: signed)) ? signed : nil
    }

    /// `Z`, `+02:00`.
    private static func offsetMinutes(_ text: ArraySlice<UInt8>) -> Int64? {
        guard let sign = text.first else { return nil }
        if sign | 0x20 == UInt8(ascii: "z") { return text.count == 1 ? 0 : nil }
        let places = Array(text.dropFirst())
        guard places.count == 5, places[2] == UInt8(ascii: ":"), let hours = number(places[..<2], below: 24),
            let minutes = number(places[3...], below: 60)
        else { return nil }
        return (hours * 60 + minutes) * (sign == UInt8(ascii: "-") ? -1 : 1)
    }

    /// The milliseconds of `.25`, or of nothing.
    private static func fraction(_ text: ArraySlice<UInt8>) -> Int64? {
        if text.isEmpty { return 0 }
        guard text.first == UInt8(ascii: "."), (2...10).contains(text.count),
            number(text.dropFirst(), below: .max) != nil
        else { return nil }
        let digits = Array(text.dropFirst().prefix(3))
        return number((digits + [UInt8](repeating: 0x30, count: 3 - digits.count))[...], below: .max)
    }

    private static func number(_ digits: ArraySlice<UInt8>, below limit: Int64) -> Int64? {
        guard !digits.isEmpty, digits.count <= 18, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        let number = digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
        return number < limit ? number : nil
    }
}
