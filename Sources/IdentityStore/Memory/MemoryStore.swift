package import IdentityEngine
import Synchronization

/// The store in memory: what the others must agree with, and what the sandbox runs on.
///
/// Nothing outlives the process. Every call has the whole state to itself: a long read keeps commits waiting, and
/// there is nothing to be in doubt about.
package final class MemoryStore: Store {
    private let state: Mutex<MemoryState>

    /// An empty store.
    ///
    /// - Parameter sizeLimitBytes: about how much memory it may take; a commit that could exceed it throws
    ///   `StoreError.full`, and changes nothing.
    package init(sizeLimitBytes: Int) {
        state = Mutex(MemoryState(sizeLimitBytes: sizeLimitBytes))
    }

    package func commit(
        _ group: [EventBatch], by rules: [ProjectID: MergeRules], nowMilliseconds: Int64
    ) async throws(StoreError) -> [CommitResult] {
        try withState { state throws(StoreError) in
            try state.commit(group, by: rules, nowMilliseconds: nowMilliseconds)
        }
    }

    package func read<Value: Sendable>(
        _ body: @escaping @Sendable (any StoreSnapshot) throws(StoreError) -> Value
    ) async throws(StoreError) -> Value {
        try withState { state throws(StoreError) in try body(MemorySnapshot(state)) }
    }

    package func probe() async throws(StoreError) { try withState { _ throws(StoreError) in } }

    package func projects() async throws(StoreError) -> [ProjectRecord] {
        try withState { state throws(StoreError) in state.projects.values.sorted { $0.id < $1.id } }
    }

    package func save(_ project: ProjectRecord, nowMilliseconds: Int64) async throws(StoreError) {
        try withState { state throws(StoreError) in try state.save(project, nowMilliseconds: nowMilliseconds) }
    }

    package func settle(_ project: ProjectID, atMilliseconds time: Int64) async throws(StoreError) {
        try withState { state throws(StoreError) in state.settle(project, atMilliseconds: time) }
    }

    package func amend(
        _ request: AmendmentRequest, in project: ProjectID, by rules: MergeRules, origin: EventBatch.Origin,
        nowMilliseconds: Int64
    ) async throws(StoreError) -> Result<AmendmentReport, AmendmentRefusal> {
        try withState { state throws(StoreError) in
            try state.amend(request, in: project, by: rules, origin: origin, nowMilliseconds: nowMilliseconds)
        }
    }

    package func accounts() async throws(StoreError) -> [AccountRecord] {
        try withState { state throws(StoreError) in
            state.accounts.values.sorted { $0.username.utf8.lexicographicallyPrecedes($1.username.utf8) }
        }
    }

    package func save(_ account: AccountRecord) async throws(StoreError) {
        try withState { state throws(StoreError) in state.accounts[Array(account.username.utf8)] = account }
    }

    package func add(_ task: PrivacyTask, openLimit: Int) async throws(StoreError) -> Bool {
        try withState { state throws(StoreError) in state.add(task, openLimit: openLimit) }
    }

    package func privacyTask(_ trackingID: String) async throws(StoreError) -> PrivacyTask? {
        try withState { state throws(StoreError) in state.privacyTasks.first { $0.trackingID == trackingID } }
    }

    package func privacyTasks(in states: Set<PrivacyTask.State>) async throws(StoreError) -> [PrivacyTask] {
        try withState { state throws(StoreError) in state.privacyTasks.filter { states.contains($0.state) } }
    }

    package func replace(_ task: PrivacyTask, in state: PrivacyTask.State) async throws(StoreError) -> Bool {
        try withState { contents throws(StoreError) in contents.replace(task, in: state) }
    }

    package func deleteClusters(of trackingID: String) async throws(StoreError) -> Bool {
        try withState { state throws(StoreError) in try state.deleteClusters(of: trackingID) }
        return true
    }

    /// Nothing stays in memory of what was deleted, and there are no files.
    package func eraseTraces() async throws(StoreError) -> Bool {
        try withState { _ throws(StoreError) in true }
    }

    package func writeFault() async -> StoreError? { state.withLock { $0.writeFault } }

    package func reset() async throws(StoreError) {
        try withState { state throws(StoreError) in state.reset() }
    }

    package func reset(_ project: ProjectID) async throws(StoreError) {
        try withState { state throws(StoreError) in state.reset(project) }
    }

    package func close() async throws(StoreError) {
        try withState { state throws(StoreError) in
            state.reset()
            state.isClosed = true
        }
    }

    private func withState<Value: Sendable>(
        _ body: (inout MemoryState) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        let result: Result<Value, StoreError> = state.withLock { state in
            if state.isClosed { return .failure(.closed) }
            do throws(StoreError) {
                return .success(try body(&state))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
