/// An event's `time`, as sent (P 6.1-2).
enum EventTime: Equatable {
    case absent
    /// Neither a number nor a string of digits.
    case unreadable
    case milliseconds(Int64)

    /// From this number on, a time is in milliseconds; below it, in seconds.
    private static let leastMilliseconds: Int64 = 100_000_000_000
    /// 1971-01-01, before which no event can have been.
    static let earliestMilliseconds: Int64 = 31_536_000_000
    /// How far ahead of ours a client's clock may be (P 6.1-1).
    static let aheadLimitMilliseconds: Int64 = 3_600_000
    /// What a time too great to be kept is read as.
    private static let greatest: Int64 = 100_000_000_000_000_000

    /// Reads digits with, at most, a fraction: what nearly every client sends.
    ///
    /// - Parameter text: The number's text.
    /// - Returns: The time; nil for any other text.
    static func simple(_ text: UnsafeBufferPointer<UInt8>) -> EventTime? {
        if let digits = digits(text) { return .milliseconds(digits < leastMilliseconds ? digits * 1000 : digits) }
        var whole: Int64 = 0
        var fraction: Int64 = 0
        var fractionDigits = -1
        guard let head = text.first, (0x30...0x39).contains(head) else { return nil }
        for byte in text {
            if byte == UInt8(ascii: "."), fractionDigits < 0 {
                fractionDigits = 0
            } else {
                guard (0x30...0x39).contains(byte) else { return nil }
                let digit = Int64(byte - 0x30)
                if fractionDigits < 0 {
                    whole = min(whole * 10 + digit, greatest)
                    if whole == greatest { fractionDigits = 3 }
                } else {
                    if fractionDigits < 3 { fraction = fraction * 10 + digit }
                    fractionDigits += 1
                }
            }
        }
        guard fractionDigits != 0 else { return nil }
        guard whole < leastMilliseconds else { return .milliseconds(whole) }
        for _ in max(fractionDigits, 0)..<max(3, fractionDigits) { fraction *= 10 }
        return .milliseconds(whole * 1000 + fraction)
    }

    /// The number that a few digits, and nothing else, stand for.
    private static func digits(_ text: UnsafeBufferPointer<UInt8>) -> Int64? {
        guard 1...17 ~= text.count else { return nil }
        var value: Int64 = 0
        for byte in text {
            guard byte &- 0x30 < 10 else { return nil }
            value = value &* 10 &+ Int64(byte &- 0x30)
        }
        return value
    }

    /// Reads any JSON number.
    ///
    /// - Parameter text: The number's text.
    /// - Returns: The time; a negative one for a negative number.
    static func number(_ text: UnsafeBufferPointer<UInt8>) -> EventTime {
        if let time = simple(text) { return time }
        let decimal = DecimalText(text)
        if decimal.isNegative, decimal.digitCount > 0 { return .milliseconds(-1) }
        guard decimal.pointOffset <= 18 else { return .milliseconds(greatest) }
        guard decimal.pointOffset > -4, decimal.count <= 64 else {
            return decimal.pointOffset <= 0 ? .milliseconds(0) : .unreadable
        }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: decimal.count) { buffer in
            guard let target = buffer.baseAddress else { return .unreadable }
            decimal.write(to: target)
            return simple(UnsafeBufferPointer(start: target, count: decimal.count)) ?? .unreadable
        }
    }
}
