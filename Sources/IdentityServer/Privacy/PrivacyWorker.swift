import Foundation
import IdentityEngine
package import IdentityStore
package import Logging
import ServiceLifecycle
import Synchronization

/// Works off deletions and retrievals, one after another in the order of their making, beside everything else.
///
/// What it had begun when the server ended it begins again at the next start.
package final class PrivacyWorker: Service, Sendable {
    /// How often it looks whether there is something to do, if it is not woken.
    private static let restTicks = 100
    private static let tick = Duration.milliseconds(50)

    package let files: RetrievalFiles
    private let store: any Store
    private let directory: ProjectDirectory
    private let clock: ServerClock
    private let settings: Configuration.Privacy
    /// Nil where no server keeps rejected records.
    private let rejections: RejectionLog?
    private let logger: Logger
    private let isWoken = Mutex(true)

    package init(
        store: any Store, directory: ProjectDirectory, clock: ServerClock, files: RetrievalFiles,
        settings: Configuration.Privacy, rejections: RejectionLog?, logger: Logger
    ) {
        self.rejections = rejections
        self.store = store
        self.directory = directory
        self.clock = clock
        self.files = files
        self.settings = settings
        self.logger = logger
    }

    /// Tells it that a task has come.
    package func wake() { isWoken.withLock { $0 = true } }

    /// Works until the server is to end; a task that runs then is cut short between two of its steps.
    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let hasMore = await self.workOff()
                for _ in 0..<(hasMore ? 20 : Self.restTicks) {
                    let wasWoken = self.isWoken.withLock { isWoken in
                        defer { isWoken = false }
                        return isWoken
                    }
                    if wasWoken || Task.isCancelled { break }
                    try? await Task.sleep(for: Self.tick)
                }
            }
        }
        files.close()
    }

    /// Works off every task that is due, and has those tried again with which the store could not do its work.
    ///
    /// - Returns: whether some are left.
    private func workOff() async -> Bool {
        do {
            // Those that come behind one that fails do not wait for it.
            return try await workOff { _, error in
                tell(error)
                return (error as? StoreError)?.isRetryable == true
            }
        } catch {
            tell(error)
            return true
        }
    }

    /// Works off every task that is due, once.
    ///
    /// - Parameter trackingID: the task that is waited for; an error of another one is logged, and that one is left.
    /// - Returns: whether some are left.
    /// - Throws: `StoreError`, or what keeps a file from being written.
    package func workOffOnce(for trackingID: String) async throws -> Bool {
        try await workOff { failed, error in
            if failed == trackingID { throw error }
            tell(error)
            return true
        }
    }

    /// Works off every task that is due; what is to be done about an error says whether it is tried again soon.
    private func workOff(_ failed: (String, any Error) throws -> Bool) async throws -> Bool {
        var hasMore = false
        for task in try await store.privacyTasks(in: PrivacyTask.State.open) {
            if Task.isCancelled { return true }
            do {
                if try await !work(on: task.trackingID) { hasMore = true }
            } catch {
                if try failed(task.trackingID, error) { hasMore = true }
            }
        }
        try await expireFiles()
        return hasMore
    }

    private func tell(_ error: any Error) {
        // An error of the store names no id.
        logger.error("a deletion or retrieval failed and will be tried again", metadata: ["error": "\(error)"])
    }

    /// Brings a task to its end.
    ///
    /// - Returns: false where it is not due, or was cut short.
    private func work(on trackingID: String) async throws -> Bool {
        // Read anew: a deletion that ran meanwhile has taken its ids out.
        guard var task = try await store.privacyTask(trackingID) else { return true }
        if task.state == .pending {
            let delay = task.kind == .deletion ? Int64(settings.deletionDelaySeconds) * 1000 : 0
            guard clock.nowMilliseconds - delay >= task.createdMilliseconds else { return false }
            task.state = .started
            guard try await store.replace(task, in: .pending) else { return true }
        }
        switch task.kind {
        case .deletion:
            try await forgetRejections(of: task)
            guard try await store.deleteClusters(of: task.trackingID), try await store.eraseTraces() else {
                return false
            }
            try await end(task.trackingID, in: .erasing, as: .succeeded)
        case .retrieval:
            guard let state = try await retrieve(task) else { return false }
            try await end(task.trackingID, in: .started, as: state)
        }
        return true
    }

    /// Forgets the rejected records that name an id of the clusters that a deletion takes.
    private func forgetRejections(of task: PrivacyTask) async throws {
        guard let rejections, rejections.mayName(idsOf: task.project) else { return }
        let members = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) in
            try snapshot.members(of: task.distinctIDs, in: task.project)
        }
        rejections.remove(naming: members, of: task.project)
    }

    private func end(_ trackingID: String, in state: PrivacyTask.State, as last: PrivacyTask.State) async throws {
        guard var task = try await store.privacyTask(trackingID) else { return }
        task.state = last
        task.distinctIDs = []
        task.finishedMilliseconds = clock.nowMilliseconds
        guard try await store.replace(task, in: state) else { return }
        logger.notice(
            "a privacy task is done",
            metadata: ["task": "\(trackingID)", "kind": "\(task.kind)", "state": "\(last)"])
    }

    /// Writes a retrieval's file.
    ///
    /// - Returns: what became of it; nil where it was cut short.
    private func retrieve(_ task: PrivacyTask) async throws -> PrivacyTask.State? {
        await directory.reloadIfStale()
        guard let project = directory.current.project(task.project) else { return .failed }
        let file = try files.create(task.trackingID)
        defer { try? file.close() }
        let retrieval = Retrieval(store: store, project: project, distinctIDs: task.distinctIDs)
        do {
            try await retrieval.write(sizeLimitBytes: settings.retrievalSizeLimitBytes) {
                try file.write(contentsOf: $0)
            }
        } catch is CancellationError {
            return nil
        } catch is Retrieval.TooLarge {
            try files.remove(task.trackingID)
            logger.warning("a retrieval is larger than privacy.retrievalSizeLimitBytes and was given up")
            return .failed
        }
        try file.synchronize()
        try files.complete(task.trackingID)
        return .available
    }

    /// Takes away the files that are older than they may be.
    private func expireFiles() async throws {
        let age = Int64(settings.retrievalDays) * Timestamp.millisecondsPerDay
        for var task in try await store.privacyTasks(in: [.available])
        where clock.nowMilliseconds - age >= task.finishedMilliseconds ?? task.createdMilliseconds {
            try files.remove(task.trackingID)
            task.state = .expired
            _ = try await store.replace(task, in: .available)
        }
    }
}
