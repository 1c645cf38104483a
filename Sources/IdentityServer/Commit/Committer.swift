package import IdentityEngine
package import IdentityStore
package import Logging
import ServiceLifecycle
import Synchronization

/// Why a request was not committed.
package enum CommitFailure: Error, Sendable {
    /// The queue is full: come back in a moment.
    case overloaded
    /// A project sent more than it may.
    case rateLimited(retryAfterSeconds: Int)
    /// The server is shutting down.
    case closing
    /// The store could not do its work.
    case store(StoreError)
}

/// The one writer: takes every request that queued while the last commit ran, and commits them as one transaction.
///
/// One fsync thus serves many requests, and no request waits for a timer. A request is never split over transactions.
/// The queue is bounded in bytes.
package final class Committer: Service, Sendable {
    private let store: any Store
    private let directory: ProjectDirectory
    private let clock: ServerClock
    private let queueLimitBytes: Int
    private let signal: LogSignal
    private let logger: Logger
    private let repeats: RepeatedRecords
    private let state = Mutex(State())

    package init(
        store: any Store, directory: ProjectDirectory, clock: ServerClock, queueLimitBytes: Int,
        repeatMemoryLimitBytes: Int, signal: LogSignal, logger: Logger
    ) {
        repeats = RepeatedRecords(limitBytes: repeatMemoryLimitBytes)
        self.store = store
        self.directory = directory
        self.clock = clock
        self.queueLimitBytes = queueLimitBytes
        self.signal = signal
        self.logger = logger
    }

    private struct Waiting: Sendable {
        let batch: EventBatch
        let sizeBytes: Int
        let continuation: CheckedContinuation<Result<CommitResult, CommitFailure>, Never>
    }

    private struct State {
        var queue: [Waiting] = []
        var queuedBytes = 0
        var isClosing = false
        var idle: CheckedContinuation<Void, Never>?
    }

    /// Queues a request's events, and returns when they are durable.
    ///
    /// - Throws: `CommitFailure`; nothing of the request is stored then.
    package func commit(_ batch: EventBatch) async throws(CommitFailure) -> CommitResult {
        let size = batch.sizeBytes
        let result: Result<CommitResult, CommitFailure> = await withCheckedContinuation { continuation in
            let waiting = Waiting(batch: batch, sizeBytes: size, continuation: continuation)
            let (refusal, idle) = state.withLock { state -> (CommitFailure?, CheckedContinuation<Void, Never>?) in
                if state.isClosing { return (.closing, nil) }
                // One request alone always fits, whatever the limit.
                if !state.queue.isEmpty, state.queuedBytes + size > queueLimitBytes { return (.overloaded, nil) }
                state.queue.append(waiting)
                state.queuedBytes += size
                defer { state.idle = nil }
                return (nil, state.idle)
            }
            if let refusal { continuation.resume(returning: .failure(refusal)) }
            idle?.resume()
        }
        return try result.get()
    }

    /// A project's last log sequence, for a request that has nothing to commit.
    ///
    /// - Throws: `CommitFailure.store`.
    package func lastSequence(of project: ProjectID) async throws(CommitFailure) -> Int64 {
        do throws(StoreError) {
            return try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> Int64 in
                try snapshot.lastSequence(of: project)
            }
        } catch {
            throw .store(error)
        }
    }

    /// Requests that are queued and not yet being committed.
    package var waitingCount: Int { state.withLock { $0.queue.count } }

    /// Commits until the server shuts down, and then what is still queued.
    package func run() async throws {
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                while let group = await nextGroup() { await commit(group) }
            } onGracefulShutdown: {
                self.close()
            }
        } onCancel: {
            // The server could not listen, or its shutdown took too long: what was queued is committed all the same.
            self.close()
        }
    }

    /// Takes no more requests; `run` returns when those that queued are committed.
    package func close() {
        let idle = state.withLock { state in
            state.isClosing = true
            defer { state.idle = nil }
            return state.idle
        }
        idle?.resume()
    }

    /// Everything that is queued, waiting for the first; nil where nothing will come any more.
    private func nextGroup() async -> [Waiting]? {
        while true {
            let (group, isClosing) = state.withLock { state in
                defer {
                    state.queue = []
                    state.queuedBytes = 0
                }
                return (state.queue, state.isClosing)
            }
            if !group.isEmpty { return group }
            if isClosing { return nil }
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if !state.queue.isEmpty || state.isClosing { return true }
                    state.idle = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        }
    }

    private func commit(_ group: [Waiting]) async {
        do throws(StoreError) {
            let results = try await commit(group.map(\.batch))
            for (waiting, result) in zip(group, results) { waiting.continuation.resume(returning: .success(result)) }
        } catch {
            logger.error(
                "a commit failed", metadata: ["error": "\(error)", "requests": "\(group.count)"])
            if error.isRetryable || group.count == 1 || error.code == .closed {
                for waiting in group { waiting.continuation.resume(returning: .failure(.store(error))) }
            } else {
                await commitOneByOne(group)
            }
        }
    }

    /// A group failed for a reason that lies in what it holds, so each request runs alone: the poisoned one fails
    /// alone.
    private func commitOneByOne(_ group: [Waiting]) async {
        for waiting in group {
            do throws(StoreError) {
                let results = try await commit([waiting.batch])
                waiting.continuation.resume(returning: .success(results.first ?? CommitResult()))
            } catch {
                waiting.continuation.resume(returning: .failure(.store(error)))
            }
        }
    }

    /// Commits what is not stored already; only what was committed is remembered (P 4.1-1b).
    private func commit(_ batches: [EventBatch]) async throws(StoreError) -> [CommitResult] {
        let selection = repeats.select(from: batches, nowMilliseconds: clock.nowMilliseconds)
        var results = try await store.commit(
            selection.batches, by: directory.current.rules, nowMilliseconds: clock.nowMilliseconds)
        repeats.remember(selection)
        for (place, leftOut) in selection.leftOut { results[place].leftOut = leftOut }
        for result in results { signal.advance(to: result.lastSequences) }
        return results
    }

    /// Forgets which records of a project are stored that may come again, or of all.
    package func forgetRepeats(of project: ProjectID?) { repeats.forget(project) }
}
