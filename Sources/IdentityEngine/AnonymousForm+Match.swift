extension AnonymousForm {
    /// Whether an id has this form.
    ///
    /// Case does not matter, and at most one leading `$device:` is taken off (P 7.4-1).
    package func matches(_ id: DistinctID) -> Bool {
        if self == .any { return true }
        let start = id.bytes.starts(with: DeviceID.prefix) ? DeviceID.prefix.count : 0
        let form = id.bytes.span.extracting(droppingFirst: start)
        return isVersion4(form) || self == .mixpanel && isOldMixpanelJS(form)
    }
}

/// The spelling of device ids.
package enum DeviceID {
    /// `$device:`, which comes before a device's own id in a distinct_id.
    package static let prefix: [UInt8] = Array("$device:".utf8)
}

/// RFC 4122 version 4: groups of 8, 4, 4, 4 and 12 digits, the third begins with 4, the fourth with 8, 9, a or b.
private func isVersion4(_ id: Span<UInt8>) -> Bool {
    let dash = UInt8(ascii: "-")
    guard id.count == 36, id[8] == dash, id[13] == dash, id[18] == dash, id[23] == dash else { return false }
    guard id[14] == UInt8(ascii: "4"), isVariantDigit(id[19]) else { return false }
    var digitCount: UInt8 = 0
    for place in 0..<36 { digitCount &+= hexDigitCount(id[place]) }
    return digitCount == 32
}

private func isVariantDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "8"), UInt8(ascii: "9"): true
    case UInt8(ascii: "a"), UInt8(ascii: "b"), UInt8(ascii: "A"), UInt8(ascii: "B"): true
    default: false
    }
}

/// How many digits each group of an old mixpanel-js id may have.
private let oldMixpanelJSLengths = [11...24, 1...16, 1...8, 1...8, 11...24]

/// What mixpanel-js before 2.62 made: time, random, user agent, screen area, time, in hexadecimal (P 7.4).
private func isOldMixpanelJS(_ id: Span<UInt8>) -> Bool {
    var group = 0
    var length = 0
    for index in id.indices {
        if id[index] == UInt8(ascii: "-") {
            guard group < 4, oldMixpanelJSLengths[group].contains(length) else { return false }
            group += 1
            length = 0
        } else {
            guard hexDigitCount(id[index]) == 1 else { return false }
            length += 1
        }
    }
    return group == 4 && oldMixpanelJSLengths[group].contains(length)
}

/// 1 for a hexadecimal digit, 0 for any other byte; without a branch, which would be predicted wrong for half of the
/// digits of a random id, and be most of the cost of an `$identify`.
private func hexDigitCount(_ byte: UInt8) -> UInt8 {
    let isDigit: UInt8 = byte &- UInt8(ascii: "0") < 10 ? 1 : 0
    let isLetter: UInt8 = (byte | 0x20) &- UInt8(ascii: "a") < 6 ? 1 : 0
    return isDigit | isLetter
}
