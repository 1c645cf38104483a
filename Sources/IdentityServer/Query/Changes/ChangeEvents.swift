import IdentityEngine
import IdentityStore
import ServiceLifecycle

/// Changes as server-sent events, as they are committed.
///
/// The next read begins when the client has taken what the last one gave: one page is all that is ever held for a
/// follower. It ends when the server shuts down, when the credential opens the project no longer, and when the store is
/// reset.
struct ChangeEvents: AsyncSequence, Sendable {
    /// What keeps a follower of a busy project from reading the store all the time.
    private static let pause = Duration.milliseconds(10)
    /// How long a client waits before it comes back.
    private static let greeting = Array("retry: 1000\n\n".utf8)
    private static let heartbeat = Array(":\n\n".utf8)

    let feed: ChangeFeed
    let query: QueryRequest
    let reader: ChangeReader
    /// Ends when the client is gone, too.
    let subscription: LogSignal.Subscription

    struct Iterator: AsyncIteratorProtocol {
        private let events: ChangeEvents
        private var hasBegun = false
        private var isAllowedSince = ContinuousClock.now
        private var lastPiece = ContinuousClock.now
        private var lastRead = ContinuousClock.now.advanced(by: .seconds(-1))

        fileprivate init(_ events: ChangeEvents) { self.events = events }

        /// The next events, or a comment where there were none for a while; nil at the end.
        ///
        /// - Throws: `StoreError`.
        mutating func next() async throws -> [UInt8]? {
            let piece = try await nextPiece()
            lastPiece = .now
            return piece
        }

        private mutating func nextPiece() async throws -> [UInt8]? {
            if !hasBegun {
                hasBegun = true
                return ChangeEvents.greeting
            }
            while !Task.isShuttingDownGracefully {
                guard let page = try await page() else { return nil }
                if !page.changes.isEmpty { return ChangeText.events(page.changes) }
                // A signal comes each second: half a second early is nearer than half a second late.
                let isSilent = ContinuousClock.now >= lastPiece.advanced(by: events.feed.heartbeat - .milliseconds(500))
                if isSilent { return ChangeEvents.heartbeat }
                if page.isAtEnd, await !isSignalled() { return nil }
            }
            return nil
        }

        /// What there is by now; nil where the follower may have no more.
        private mutating func page() async throws -> ChangeReader.Page? {
            if ContinuousClock.now >= isAllowedSince.advanced(by: events.feed.heartbeat) {
                guard await events.feed.isAllowed(events.query) else { return nil }
                isAllowedSince = .now
            }
            let next = lastRead.advanced(by: ChangeEvents.pause)
            if ContinuousClock.now < next { try? await Task.sleep(until: next, clock: .continuous) }
            lastRead = .now
            let (reader, project) = (events.reader, events.query.project)
            return try await events.feed.store.read {
                (snapshot: any StoreSnapshot) throws(StoreError) -> ChangeReader.Page? in
                let last = try snapshot.lastSequence(of: project)
                guard last >= reader.cursor.sequence else { return nil }
                return try reader.read(snapshot, upTo: last, limit: ChangeFeed.pageLimit, time: ChangeFeed.pageTime)
            }
        }

        /// Waits until there may be more.
        private func isSignalled() async -> Bool {
            let subscription = events.subscription
            return await withGracefulShutdownHandler {
                await subscription.wait()
            } onGracefulShutdown: {
                subscription.end()
            }
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(self) }
}
