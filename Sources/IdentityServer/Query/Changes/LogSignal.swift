package import IdentityEngine
import Synchronization

/// Tells those who follow a project's log that there is more of it.
///
/// A signal is no more than a reason to look: several that come while a follower is busy are one, and a tick now and
/// then lets followers look for what other processes committed.
package final class LogSignal: Sendable {
    private let state = Mutex(State())

    private struct State {
        var lastSequences: [ProjectID: Int64] = [:]
        var followers: [Int: Follower] = [:]
        var nextNumber = 0
    }

    private struct Follower {
        let project: ProjectID
        let continuation: AsyncStream<Void>.Continuation
    }

    package init() {}

    /// Says how far projects have come.
    ///
    /// - Parameter lastSequences: the last sequence of each, as of a commit.
    package func advance(to lastSequences: [ProjectID: Int64]) {
        let concerned = state.withLock { state in
            var advanced: Set<ProjectID> = []
            for (project, sequence) in lastSequences where sequence > state.lastSequences[project, default: 0] {
                state.lastSequences[project] = sequence
                advanced.insert(project)
            }
            return state.followers.values.filter { advanced.contains($0.project) }
        }
        for follower in concerned { follower.continuation.yield() }
    }

    /// Lets every follower look.
    func tick() {
        let followers = state.withLock { Array($0.followers.values) }
        for follower in followers { follower.continuation.yield() }
    }

    /// Forgets how far projects had come, because sequences begin anew.
    func reset() {
        state.withLock { $0.lastSequences = [:] }
        tick()
    }

    /// A signal whenever there may be more of a project's log, until the subscription is let go.
    func follow(_ project: ProjectID) -> Subscription {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let number = state.withLock { state in
            state.nextNumber += 1
            state.followers[state.nextNumber] = Follower(project: project, continuation: continuation)
            return state.nextNumber
        }
        return Subscription(signal: self, number: number, stream: stream, continuation: continuation)
    }

    /// A follower's part; ends when nobody holds it any more.
    final class Subscription: Sendable {
        private let signal: LogSignal
        private let number: Int
        private let stream: AsyncStream<Void>
        private let continuation: AsyncStream<Void>.Continuation

        fileprivate init(
            signal: LogSignal, number: Int, stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation
        ) {
            self.signal = signal
            self.number = number
            self.stream = stream
            self.continuation = continuation
        }

        deinit { _ = signal.state.withLock { $0.followers.removeValue(forKey: number) } }

        /// Waits for the next signal.
        ///
        /// - Returns: false where none will come any more.
        func wait() async -> Bool {
            var signals = stream.makeAsyncIterator()
            return await signals.next() != nil
        }

        /// Lets the waiting end.
        func end() { continuation.finish() }
    }
}
