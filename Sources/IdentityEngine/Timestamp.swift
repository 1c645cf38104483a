/// Times as our own answers write them, and days as the export takes them.
///
/// All are UTC.
package enum Timestamp {
    package static let millisecondsPerDay: Int64 = 86_400_000

    /// RFC 3339 with milliseconds.
    ///
    /// `2023-11-14T22:13:20.000Z`.
    package static func text(milliseconds: Int64) -> String {
        let rest = floorRemainder(milliseconds, millisecondsPerDay)
        return "\(propertyText(milliseconds: milliseconds)).\(pad(rest % 1000, 3))Z"
    }

    /// A time as Mixpanel writes one that is a property: in whole seconds, rounded down, without a zone.
    ///
    /// `2023-11-14T22:13:20`. Such texts stand in the order of their times.
    package static func propertyText(milliseconds: Int64) -> String {
        let rest = floorRemainder(milliseconds, millisecondsPerDay)
        let (year, month, dayOfMonth) = civil(fromDay: floorDivide(milliseconds, millisecondsPerDay))
        let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60)
        return "\(pad(year, 4))-\(pad(month, 2))-\(pad(dayOfMonth, 2))T\(pad(hours, 2)):\(pad(minutes, 2)):"
            + pad(rest / 1000 % 60, 2)
    }

    /// The first millisecond of a day written `YYYY-MM-DD`; nil where it is not such a day.
    package static func startOfDay(_ text: String) -> Int64? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts.map(\.utf8.count) == [4, 2, 2],
            parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let year = Int64(parts[0]), let month = Int64(parts[1]), let day = Int64(parts[2]),
            (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        let number = dayNumber(year: year, month: month, day: day)
        guard civil(fromDay: number) == (year, month, day) else { return nil }
        return number * millisecondsPerDay
    }

    /// Whole seconds since 1970, rounded down.
    package static func seconds(milliseconds: Int64) -> Int64 { floorDivide(milliseconds, 1000) }

    /// Days since 1970-01-01 of a date of the Gregorian calendar.
    private static func dayNumber(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = floorDivide(shifted, 400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(fromDay day: Int64) -> (Int64, Int64, Int64) {
        let shifted = day + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthIndex + 2) / 5 + 1)
    }

    private static func floorDivide(_ a: Int64, _ b: Int64) -> Int64 { a % b < 0 ? a / b - 1 : a / b }

    private static func floorRemainder(_ a: Int64, _ b: Int64) -> Int64 { a % b < 0 ? a % b + b : a % b }

    private static func pad(_ number: Int64, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}
