package import IdentityEngine
package import IdentityStore

/// Takes deletions and retrievals for the worker, and takes them back.
package struct PrivacyQueue: Sendable {
    /// The most ids of one request.
    package static let idLimit = 2_000

    private let store: any Store
    private let clock: ServerClock
    private let taskLimit: Int

    /// - Parameters:
    ///   - store: where tasks are kept.
    ///   - clock: what time it is.
    ///   - taskLimit: the most tasks of a project that are open, or hold a file.
    package init(store: any Store, clock: ServerClock, taskLimit: Int) {
        self.store = store
        self.clock = clock
        self.taskLimit = taskLimit
    }

    /// Why a task was not taken.
    package enum Refusal: Error, Sendable, CustomStringConvertible {
        case noIDs
        case tooManyIDs
        case full
        case store(StoreError)

        package var description: String {
            switch self {
            case .noIDs: "distinct_ids must name at least one id, and no empty one"
            case .tooManyIDs: "distinct_ids must hold at most \(PrivacyQueue.idLimit) ids"
            case .full:
                "too many deletions and retrievals are open; wait for some, or delete files of retrievals that were "
                    + "fetched"
            case .store(let error): error.description
            }
        }
    }

    /// Takes a task.
    ///
    /// - Parameters:
    ///   - kind: what is to be done.
    ///   - ids: the ids, whose whole clusters are meant; one that is named twice counts once.
    ///   - project: the project.
    ///   - law: the law that is referred to.
    ///   - name: who asks, as the log names senders.
    /// - Returns: the task, which waits.
    /// - Throws: `Refusal`; nothing was taken then.
    package func add(
        _ kind: PrivacyTask.Kind, of ids: [DistinctID], in project: ProjectID, law: PrivacyTask.ComplianceType,
        requestedBy name: String
    ) async throws(Refusal) -> PrivacyTask {
        var seen: Set<DistinctID> = []
        let ids = ids.filter { seen.insert($0).inserted }
        guard !ids.isEmpty, !ids.contains(where: \.bytes.isEmpty) else { throw .noIDs }
        guard ids.count <= Self.idLimit else { throw .tooManyIDs }
        let task = PrivacyTask(
            trackingID: SecretKey.makeSecret(), project: project, kind: kind, complianceType: law,
            requestedBy: name, createdMilliseconds: clock.nowMilliseconds, distinctIDs: ids)
        let hasRoom: Bool
        do throws(StoreError) {
            hasRoom = try await store.add(task, openLimit: taskLimit)
        } catch {
            throw .store(error)
        }
        guard hasRoom else { throw .full }
        return task
    }

    /// Takes a task back that has not begun, or the file of a retrieval away.
    ///
    /// - Parameters:
    ///   - task: the task as it stands.
    ///   - files: where the files of retrievals are.
    /// - Returns: false where it has begun or is done.
    /// - Throws: `StoreError`, or what keeps a file from being removed.
    package func cancel(_ task: PrivacyTask, files: RetrievalFiles) async throws -> Bool {
        var revoked = task
        revoked.distinctIDs = []
        revoked.finishedMilliseconds = clock.nowMilliseconds
        switch task.state {
        case .pending: revoked.state = .revoked
        case .available: revoked.state = .expired
        default: return false
        }
        // First, so that nothing can fail once the change is made; a task without its file says so.
        if task.state == .available { try files.remove(task.trackingID) }
        return try await store.replace(revoked, in: task.state)
    }
}
