import NIOCore
import Synchronization

/// The connections that are open, over all sockets that listen: their number, which has a limit, and what becomes of
/// them when the server ends.
final class OpenConnections: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        /// Those without a request, with the place in the order in which they came to be so.
        var idle: [ObjectIdentifier: Idle] = [:]
        var idleCount = 0
        /// Those that were accepted and are not ready to be read.
        var arriving: Set<ObjectIdentifier> = []
        /// What goes on when there is a place again.
        var waiting: [@Sendable () -> Void] = []
        var isDraining = false

        mutating func setIdle(_ key: ObjectIdentifier) {
            idleCount += 1
            idle[key] = Idle(order: idleCount, since: .now)
        }
    }

    private struct Idle {
        let order: Int
        let since: ContinuousClock.Instant
    }

    /// What a connection gets to know when its place is wanted for another.
    struct PlaceWanted: Sendable {}

    /// How long a connection is left its place while it has no request.
    private static let idling = Duration.seconds(5)
    /// How many give up their places at a time.
    private static let evictionCount = 16

    private let limit: Int
    private let state = Mutex(State())
    /// The same as the state says, for each answer to look at.
    private let isEnding = Atomic(false)
    /// Finished when the last connection that was accepted is ready to be read, once no more are accepted.
    private let arrivals = AsyncStream.makeStream(of: Never.self)
    /// Finished when the last connection is closed, once no more are accepted.
    private let closures = AsyncStream.makeStream(of: Never.self)

    /// - Parameter limit: how many may be open at once.
    init(limit: Int) { self.limit = limit }

    /// Whether the server is ending: answers say `Connection: close` from then on.
    var isDraining: Bool { isEnding.load(ordering: .acquiring) }

    /// Whether another connection may be accepted now; where not, `resume` is called when there is a place again.
    func hasPlace(orElse resume: @escaping @Sendable () -> Void) -> Bool {
        state.withLock { state in
            if state.channels.count < limit { return true }
            state.waiting.append(resume)
            return false
        }
    }

    /// Counts a connection until it is closed.
    func add(_ channel: any Channel) {
        let key = ObjectIdentifier(channel)
        state.withLock { state in
            state.channels[key] = channel
            state.arriving.insert(key)
            state.setIdle(key)
        }
        // Holding the channel keeps its key from being another's.
        channel.closeFuture.whenComplete { [self] _ in remove(channel) }
    }

    /// Says that a connection is ready to be read, so that no request on it is lost any more.
    func didArrive(_ channel: any Channel) {
        let isLast = state.withLock { state in
            let wasArriving = state.arriving.remove(ObjectIdentifier(channel)) != nil
            return wasArriving && state.isDraining && state.arriving.isEmpty
        }
        if isLast { arrivals.continuation.finish() }
    }

    private func remove(_ channel: any Channel) {
        let key = ObjectIdentifier(channel)
        let (waiting, state) = state.withLock { state in
            state.channels[key] = nil
            state.arriving.remove(key)
            state.idle[key] = nil
            let waiting = state.waiting
            state.waiting = []
            return (waiting, (isDraining: state.isDraining, arriving: state.arriving.count, open: state.channels.count))
        }
        for resume in waiting { resume() }
        guard state.isDraining else { return }
        if state.arriving == 0 { arrivals.continuation.finish() }
        if state.open == 0 { closures.continuation.finish() }
    }

    /// Says that a connection has a request, or has none.
    func setBusy(_ channel: any Channel, _ isBusy: Bool) {
        let key = ObjectIdentifier(channel)
        state.withLock { state in
            if isBusy { state.idle[key] = nil } else if state.channels[key] != nil { state.setIdle(key) }
        }
    }

    /// Closes connections that have had no request for the longest time, because others wait for their places.
    func evict() {
        let latest = ContinuousClock.now.advanced(by: .zero - Self.idling)
        let channels = state.withLock { state in
            let idle = state.idle.filter { $0.value.since < latest }.sorted { $0.value.order < $1.value.order }
            return idle.prefix(Self.evictionCount).compactMap { state.channels[$0.key] }
        }
        for channel in channels {
            channel.eventLoop.execute { [self] in
                // A request may have come in the meantime; on this event loop none can come now.
                let isIdle = state.withLock { $0.idle[ObjectIdentifier(channel)] != nil }
                if isIdle { channel.pipeline.fireUserInboundEventTriggered(PlaceWanted()) }
            }
        }
    }

    /// Begins the end: from now on nothing is added.
    ///
    /// Returns when every connection that was accepted is ready to be read.
    func drain() async {
        let state = state.withLock { state in
            state.isDraining = true
            isEnding.store(true, ordering: .releasing)
            return (arriving: state.arriving.count, open: state.channels.count)
        }
        if state.arriving == 0 { arrivals.continuation.finish() }
        if state.open == 0 { closures.continuation.finish() }
        for await _ in arrivals.stream {}
    }

    /// Tells every connection that it has to end, and returns when none is open.
    func quiesce() async {
        let channels = state.withLock { Array($0.channels.values) }
        for channel in channels {
            channel.eventLoop.execute {
                channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
            }
        }
        for await _ in closures.stream {}
    }
}
