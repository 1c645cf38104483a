import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The time of day, which a sandbox can set (P 12).
package final class ServerClock: Sendable {
    private let fixed = Mutex<Int64?>(nil)

    package init() {}

    /// Milliseconds since 1970.
    package var nowMilliseconds: Int64 {
        if let fixed = fixed.withLock({ $0 }) { return fixed }
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// Stops the clock at a time, or lets it run again.
    package func set(milliseconds: Int64?) { fixed.withLock { $0 = milliseconds } }
}
