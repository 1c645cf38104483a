import GRDB
import IdentityEngine

extension SQLiteStore {
    /// The most members that one transaction takes away; a cluster with more goes alone.
    private static let membersAtOnce = 1_000
    /// Blocks of dead runs that one transaction takes away.
    private static let purgedAtOnce = 256
    /// Named ids whose clusters are read in one read.
    private static let namedAtOnce = 100

    package func deleteClusters(of trackingID: String) async throws(StoreError) -> Bool {
        guard let task = try await privacyTask(trackingID), task.state == .started, task.kind == .deletion else {
            return true
        }
        var deletion = SQLiteDeletion(of: task.project)
        var named = task.distinctIDs
        var gone: Set<DistinctID> = []
        var lookLimit = SQLiteDeletion.lookLimit
        while !named.isEmpty {
            let groups = try await clusters(of: named, in: task.project)
            for group in groups { _ = deletion.insert(group.members) }
            guard try await deleteEvents(&deletion) else { return false }
            named = []
            for group in groups {
                guard !Task.isCancelled else { return false }
                var group = group
                group.named.removeAll(where: gone.contains)
                guard let members = try await delete(group, lookingAtMost: lookLimit, &deletion, trackingID) else {
                    // Another id has come to the cluster, or a run: their events have to be looked at first.
                    named += group.named
                    continue
                }
                gone.formUnion(members)
            }
            // So that it ends where runs come faster than they can be looked at.
            lookLimit *= 2
        }
        guard try await purgeRuns(of: task.project) else { return false }
        try await finish(task, gone)
        return true
    }

    /// Ids that are named, and the members of their clusters.
    private struct ClusterGroup: Sendable {
        var named: [DistinctID] = []
        var members: Set<DistinctID> = []
    }

    /// The clusters of named ids, whole ones together up to a number of members.
    private func clusters(
        of named: [DistinctID], in project: ProjectID
    ) async throws(StoreError) -> [ClusterGroup] {
        var groups: [ClusterGroup] = [ClusterGroup()]
        for start in stride(from: 0, to: named.count, by: Self.namedAtOnce) {
            let slice = named[start...].prefix(Self.namedAtOnce)
            let found = try await read { snapshot throws(StoreError) in
                var found: [(DistinctID, Set<DistinctID>)] = []
                for id in slice { found.append((id, try snapshot.members(of: [id], in: project))) }
                return found
            }
            for (id, members) in found {
                // Two ids of one cluster must go in one transaction.
                if let place = groups.firstIndex(where: { $0.members.contains(id) }) {
                    groups[place].named.append(id)
                    continue
                }
                if groups[groups.count - 1].members.count + members.count > Self.membersAtOnce {
                    groups.append(ClusterGroup())
                }
                groups[groups.count - 1].named.append(id)
                groups[groups.count - 1].members.formUnion(members)
            }
        }
        return groups.filter { !$0.named.isEmpty }
    }

    /// Deletes the events of the ids, page by page, up to the last that has come.
    private func deleteEvents(_ deletion: inout SQLiteDeletion) async throws(StoreError) -> Bool {
        while true {
            guard !Task.isCancelled else { return false }
            let (finding, looked) = try await onReader { [deletion] db throws(StoreError) in
                var deletion = deletion
                return (try deletion.look(db), deletion)
            }
            deletion = looked
            var rest = finding.places[...]
            while !rest.isEmpty {
                let count = try await write { [rest] writer, db throws(StoreError) in
                    try writer.inTransaction(db) { _ throws(StoreError) in
                        try looked.change(rest, generating: &writer.hashes, db)
                    }
                }
                rest = rest.dropFirst(count)
            }
            if finding.isEnd { return true }
        }
    }

    /// Takes the clusters of a group away, and their ids out of the task, in one transaction.
    ///
    /// - Returns: the members that are gone; nil where nothing was done, and there is more to be looked at first.
    private func delete(
        _ group: ClusterGroup, lookingAtMost lookLimit: Int, _ deletion: inout SQLiteDeletion, _ trackingID: String
    ) async throws(StoreError) -> Set<DistinctID>? {
        let (members, left) = try await write { [deletion] writer, db throws(StoreError) in
            try writer.inTransaction(db) { _ throws(StoreError) -> (Set<DistinctID>?, SQLiteDeletion) in
                var deletion = deletion
                let members = try deletion.deleteClusters(
                    of: group.named, lookingAtMost: lookLimit, generating: &writer.hashes, db)
                if let members, var task = try SQLiteStore.task(trackingID, db) {
                    task.distinctIDs.removeAll(where: members.contains)
                    try SQLiteStore.update(task, from: .started, db)
                }
                if let members { deletion.subtract(members) }
                return (members, deletion)
            }
        }
        deletion = left
        return members
    }

    /// Takes away what is left of runs that were merged, which may have what was deleted.
    ///
    /// - Returns: false where the calling task was cancelled before the end.
    private func purgeRuns(of project: ProjectID) async throws(StoreError) -> Bool {
        while !Task.isCancelled {
            let isDone = try await write { writer, db throws(StoreError) in
                try writer.inTransaction(db) { _ throws(StoreError) in
                    try SQLitePostings.purge(project, blockLimit: Self.purgedAtOnce, db)
                }
            }
            if isDone { return true }
        }
        return false
    }

    /// Leaves the task without ids, and takes the deleted ones out of retrievals that wait: nothing is left to be
    /// retrieved.
    private func finish(_ task: PrivacyTask, _ gone: Set<DistinctID>) async throws(StoreError) {
        try await writeInTransaction { db throws(StoreError) in
            var task = task
            task.state = .erasing
            task.distinctIDs = []
            try SQLiteStore.update(task, from: .started, db)
            for state in [PrivacyTask.State.pending, .started] {
                for var other in try SQLiteStore.tasks(in: state, db)
                where other.kind == .retrieval && other.project == task.project {
                    other.distinctIDs.removeAll(where: gone.contains)
                    try SQLiteStore.update(other, from: state, db)
                }
            }
        }
    }
}

extension SQLiteStore {
    /// How long to wait where reads were in the way.
    private static let eraseWait = Duration.milliseconds(20)

    package func eraseTraces() async throws(StoreError) -> Bool {
        let result: Result<Bool, StoreError>
        do throws(StoreError) { result = .success(try await eraseSteps()) } catch { result = .failure(error) }
        if case .success(true) = result { return true }
        let options = options
        try await write { _, db throws(StoreError) in SQLiteErasure.end(db, options) }
        return try result.get()
    }

    private func eraseSteps() async throws(StoreError) -> Bool {
        var page = 1
        while !Task.isCancelled {
            let options = options
            let progress = try await write { [page] _, db throws(StoreError) in
                try SQLiteErasure(db).step(from: page, options)
            }
            switch progress {
            case .next(let next): page = next
            case .busy: try? await Task.sleep(for: Self.eraseWait)
            case .done: return true
            }
        }
        return false
    }
}
