import Foundation
import Synchronization

/// The text of the `Date` header, made anew each second.
final class HTTPDate: Sendable {
    /// As RFC 9110 has it; the names of days and months are those of the C locale, which the process is in.
    private static let format = "%a, %d %b %Y %H:%M:%S GMT"

    private let last = Mutex((second: 0, text: ""))

    /// The time now.
    var text: String {
        let second = time(nil)
        return last.withLock { last in
            if last.second != second { last = (second, Self.text(second)) }
            return last.text
        }
    }

    private static func text(_ second: time_t) -> String {
        var second = second
        var parts = unsafe tm()
        var text = [CChar](repeating: 0, count: 64)
        unsafe gmtime_r(&second, &parts)
        let count = unsafe strftime(&text, text.count, format, &parts)
        return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
