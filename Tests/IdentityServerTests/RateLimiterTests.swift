import IdentityEngine
import IdentityServer
import Testing

@Suite struct `Rate limiter` {
    private static let one = ProjectID(1)
    private static let two = ProjectID(2)
    private let start = ContinuousClock.now

    /// 60 events and 6000 bytes a minute; a burst of 10 seconds is 10 events or 1000 bytes.
    private func limiter(own: [ProjectID: RateLimit] = [:]) -> RateLimiter {
        RateLimiter(common: RateLimit(eventsPerMinute: 60, bytesPerMinute: 6000, burstSeconds: 10), own: own)
    }

    private func delay(
        _ limiter: RateLimiter, _ events: Int, bytes: Int = 0, after seconds: Double = 0, of project: ProjectID = one
    ) -> Int? {
        limiter.delaySeconds(
            for: [project: RateLimiter.Charge(events: events, bytes: bytes)], at: start + .seconds(seconds))
    }

    @Test func `a burst passes, then what the rate gives`() {
        let limiter = limiter()
        #expect(delay(limiter, 10) == nil)
        #expect(delay(limiter, 1) == 1)
        #expect(delay(limiter, 3) == 3)
        #expect(delay(limiter, 3, after: 2) == 1)
        #expect(delay(limiter, 3, after: 3) == nil)
        #expect(delay(limiter, 1, after: 3) == 1)
    }

    @Test func `the delay that is told is enough`() throws {
        for (events, bytes) in [(7, 0), (0, 777), (3, 999), (10, 1), (500, 0), (0, 100_000)] {
            let limiter = limiter()
            #expect(delay(limiter, 10, bytes: 1000) == nil)
            let told = try #require(delay(limiter, events, bytes: bytes))
            #expect(delay(limiter, events, bytes: bytes, after: Double(told)) == nil, "\(events), \(bytes)")
        }
    }

    @Test func `rest does not gather beyond a burst`() {
        let limiter = limiter()
        #expect(delay(limiter, 10) == nil)
        #expect(delay(limiter, 10, after: 3600) == nil)
        #expect(delay(limiter, 1, after: 3600) == 1)
    }

    @Test func `what is larger than the burst passes with full buckets, and empties them`() {
        let limiter = limiter()
        #expect(delay(limiter, 500) == nil)
        #expect(delay(limiter, 1) == 1)
        #expect(delay(limiter, 500) == 10)
        #expect(delay(limiter, 500, after: 9) == 1)
        #expect(delay(limiter, 500, after: 10) == nil)
        #expect(delay(limiter, 0, bytes: 1_000_000, after: 20) == nil)
    }

    @Test func `bytes are limited beside events`() {
        let limiter = limiter()
        #expect(delay(limiter, 1, bytes: 900) == nil)
        #expect(delay(limiter, 1, bytes: 300) == 2)
        #expect(delay(limiter, 9, bytes: 100) == nil)
    }

    @Test func `a request that is refused in one project takes nothing in another`() {
        let limiter = limiter()
        let both = [
            Self.one: RateLimiter.Charge(events: 10, bytes: 0), Self.two: RateLimiter.Charge(events: 1, bytes: 0),
        ]
        #expect(delay(limiter, 10, of: Self.two) == nil)
        #expect(limiter.delaySeconds(for: both, at: start) == 1)
        #expect(delay(limiter, 10) == nil)
    }

    @Test func `what was not stored is given back`() {
        let limiter = limiter()
        #expect(delay(limiter, 10) == nil)
        limiter.giveBack([Self.one: RateLimiter.Charge(events: 10, bytes: 0)])
        #expect(delay(limiter, 10) == nil)
        #expect(delay(limiter, 1) == 1)
    }

    @Test func `a project's own limits stand for those of all`() {
        let unlimited = RateLimit(eventsPerMinute: 0, bytesPerMinute: 0, burstSeconds: 60)
        let limiter = limiter(own: [
            Self.one: unlimited, Self.two: RateLimit(eventsPerMinute: 1, bytesPerMinute: 0, burstSeconds: 60),
        ])
        #expect(delay(limiter, 1_000_000, bytes: 1_000_000_000) == nil)
        #expect(delay(limiter, 1_000_000) == nil)
        #expect(delay(limiter, 1, of: Self.two) == nil)
        #expect(delay(limiter, 1, of: Self.two) == 60)
        #expect(delay(limiter, 10, of: ProjectID(3)) == nil)
        #expect(delay(limiter, 1, of: ProjectID(3)) == 1)
    }

    @Test func `a batch is charged to each of its projects`() {
        var batch = EventBatch(
            origin: EventBatch.Origin(endpoint: .track, principal: "token"), receivedMilliseconds: 0)
        #expect(RateLimiter.charges(of: batch).isEmpty)
        batch.events = [EventBatch.Event(project: Self.one), EventBatch.Event(project: Self.two)]
        batch.profileUpdates = [
            ProfileUpdate(project: Self.two, subject: .user(.empty), operations: []),
            ProfileUpdate(project: Self.two, subject: .user(.empty), operations: []),
        ]
        batch.bytes = Array(repeating: 0, count: 400)
        #expect(
            RateLimiter.charges(of: batch) == [
                Self.one: RateLimiter.Charge(events: 1, bytes: 100),
                Self.two: RateLimiter.Charge(events: 3, bytes: 300),
            ])
    }
}
