package import IdentityEngine
import Synchronization

/// Keeps each project to its rates: two buckets a project, which fill at the rate and hold a burst.
///
/// A request passes whole or not at all, in all its projects. One that is larger than the burst passes when the buckets
/// are full, and empties them. Memory is bounded by the number of projects, since only tokens and secrets that a
/// project has lead here.
package final class RateLimiter: Sendable {
    /// What a request wants of a project.
    package struct Charge: Hashable, Sendable {
        package var events: Int
        package var bytes: Int

        package init(events: Int, bytes: Int) {
            self.events = events
            self.bytes = bytes
        }
    }

    private struct Buckets {
        var events: Double
        var bytes: Double
        var filled: ContinuousClock.Instant
    }

    /// The longest that a client is told to wait; the bucket of a burst of an hour takes that to fill.
    private static let longestDelaySeconds = 3600

    private let common: RateLimit
    private let own: [ProjectID: RateLimit]
    private let buckets = Mutex<[ProjectID: Buckets]>([:])

    /// A limiter whose buckets are full.
    ///
    /// - Parameters:
    ///   - common: the limits of projects that have none of their own.
    ///   - own: the limits of those that have.
    package init(common: RateLimit, own: [ProjectID: RateLimit]) {
        self.common = common
        self.own = own
    }

    /// Takes what a request wants, or nothing of it.
    ///
    /// - Parameters:
    ///   - charges: what it wants of each project.
    ///   - now: the time.
    /// - Returns: nil where it may pass; else how many seconds to wait, at least 1.
    package func delaySeconds(for charges: [ProjectID: Charge], at now: ContinuousClock.Instant) -> Int? {
        buckets.withLock { buckets in
            var wanted: [ProjectID: Buckets] = [:]
            var delay = 0.0
            for (project, charge) in charges {
                let limit = own[project] ?? common
                guard limit.isLimiting else { continue }
                var rest = Self.filled(buckets[project], limit, now)
                delay = max(
                    delay, Self.take(charge.events, of: limit.eventsPerMinute, limit.burstSeconds, &rest.events),
                    Self.take(charge.bytes, of: limit.bytesPerMinute, limit.burstSeconds, &rest.bytes))
                wanted[project] = rest
            }
            guard delay == 0 else { return min(Self.longestDelaySeconds, max(1, Int(delay.rounded(.up)))) }
            buckets.merge(wanted) { _, rest in rest }
            return nil
        }
    }

    /// Gives back what was taken for a request of which nothing was stored.
    package func giveBack(_ charges: [ProjectID: Charge]) {
        buckets.withLock { buckets in
            for (project, charge) in charges {
                // What is over the burst is cut off when the bucket is filled next.
                buckets[project]?.events += Double(charge.events)
                buckets[project]?.bytes += Double(charge.bytes)
            }
        }
    }

    private static func filled(
        _ last: Buckets?, _ limit: RateLimit, _ now: ContinuousClock.Instant
    ) -> Buckets {
        let (events, bytes) = (burst(limit.eventsPerMinute, limit), burst(limit.bytesPerMinute, limit))
        guard let last else { return Buckets(events: events, bytes: bytes, filled: now) }
        let minutes = max(0, last.filled.duration(to: now) / .seconds(60))
        return Buckets(
            events: min(events, last.events + minutes * Double(limit.eventsPerMinute)),
            bytes: min(bytes, last.bytes + minutes * Double(limit.bytesPerMinute)), filled: now)
    }

    private static func burst(_ perMinute: Int, _ limit: RateLimit) -> Double {
        Double(perMinute) * Double(limit.burstSeconds) / 60
    }

    /// Takes an amount from a bucket.
    ///
    /// - Returns: how many seconds are missing; 0 where there was enough.
    private static func take(
        _ amount: Int, of perMinute: Int, _ burstSeconds: Int, _ level: inout Double
    ) -> Double {
        guard perMinute > 0, amount > 0 else { return 0 }
        let burst = Double(perMinute) * Double(burstSeconds) / 60
        let needed = min(Double(amount), burst)
        // Sums of fractions end a little beside a whole number, and a wait for that little would be one of a second.
        let missing = needed - level
        guard missing <= 1e-6 * max(1, burst) else { return missing * 60 / Double(perMinute) }
        level = max(0, level - needed)
        return 0
    }
}

extension RateLimiter {
    /// What a batch wants of each of its projects.
    ///
    /// Where there are several, the bytes are divided by the number of records.
    package static func charges(of batch: EventBatch) -> [ProjectID: Charge] {
        var counts: [ProjectID: Int] = [:]
        for event in batch.events { counts[event.project, default: 0] += 1 }
        for update in batch.profileUpdates { counts[update.project, default: 0] += 1 }
        return charges(of: counts, in: batch)
    }

    /// What some of a batch's records are charged, by how many there are of each project.
    static func charges(of counts: [ProjectID: Int], in batch: EventBatch) -> [ProjectID: Charge] {
        let total = max(1, batch.events.count + batch.profileUpdates.count)
        return counts.mapValues { Charge(events: $0, bytes: batch.bytes.count * $0 / total) }
    }
}
