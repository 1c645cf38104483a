/// How much a project may send.
package struct RateLimit: Hashable, Sendable {
    /// Records that are stored, in a minute; 0 is no limit.
    package var eventsPerMinute: Int
    /// Bytes of checked records, in a minute; 0 is no limit.
    package var bytesPerMinute: Int
    /// How many seconds' worth may come at once.
    package var burstSeconds: Int

    package init(eventsPerMinute: Int, bytesPerMinute: Int, burstSeconds: Int) {
        self.eventsPerMinute = eventsPerMinute
        self.bytesPerMinute = bytesPerMinute
        self.burstSeconds = burstSeconds
    }

    /// Whether anything is limited.
    package var isLimiting: Bool { eventsPerMinute > 0 || bytesPerMinute > 0 }

    static let rates = 0...1_000_000_000_000
    static let bursts = 1...3600
}
