import Foundation
import Synchronization

/// The time of day, which a sandbox can set (P 12).
package final class ServerClock: Sendable {
    private let fixed = Mutex<Int64?>(nil)

    package init() {}

    /// Milliseconds since 1970.
    package var nowMilliseconds: Int64 {
        if let fixed = fixed.withLock({ $0 }) { return fixed }
        return Int64((Date.now.timeIntervalSince1970 * 1000).rounded(.down))
    }

    /// Whether it is the time of day.
    package var isRunning: Bool { fixed.withLock { $0 == nil } }

    /// Stops the clock at a time, or lets it run again.
    package func set(milliseconds: Int64?) { fixed.withLock { $0 = milliseconds } }
}
