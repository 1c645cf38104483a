import GRDB
import IdentityEngine

/// Privacy tasks in their table.
extension SQLiteStore {
    package func add(_ task: PrivacyTask, openLimit: Int) async throws(StoreError) -> Bool {
        try await write { writer, db throws(StoreError) in
            try writer.inTransaction(db) { _ throws(StoreError) in
                let counting = try PreparedStatement(cached: Statements.occupiedTasks, in: db)
                try counting.bind(1, task.project.rawValue)
                try counting.bind(2, task.kind == .retrieval ? 1 : 0)
                guard try counting.first({ $0.integer(0) }) ?? 0 < openLimit else { return false }
                let statement = try PreparedStatement(cached: Statements.insertTask, in: db)
                try statement.bind(1, task.trackingID)
                try statement.bind(2, task.project.rawValue)
                try statement.bind(3, Int64(task.kind.rawValue))
                try statement.bind(4, task.complianceType.rawValue)
                try statement.bind(5, task.requestedBy)
                try statement.bind(6, task.createdMilliseconds)
                try statement.bind(7, Int64(task.idCount))
                try statement.bind(8, Int64(task.state.rawValue))
                try statement.bind(9, task.packedIDs)
                try statement.bindNull(10)
                try statement.run()
                let pruning = try PreparedStatement(cached: Statements.deleteOldestTasks, in: db)
                try pruning.bind(1, Int64(PrivacyTask.keptLimit))
                try pruning.run()
                return true
            }
        }
    }

    package func privacyTask(_ trackingID: String) async throws(StoreError) -> PrivacyTask? {
        try await onReader { db throws(StoreError) in try SQLiteStore.task(trackingID, db) }
    }

    package func privacyTasks(in states: Set<PrivacyTask.State>) async throws(StoreError) -> [PrivacyTask] {
        try await onReader { db throws(StoreError) in
            var tasks: [PrivacyTask] = []
            for state in PrivacyTask.State.allCases where states.contains(state) {
                tasks += try SQLiteStore.tasks(in: state, db)
            }
            return tasks.sorted { $0.createdMilliseconds < $1.createdMilliseconds }
        }
    }

    package func replace(_ task: PrivacyTask, in state: PrivacyTask.State) async throws(StoreError) -> Bool {
        try await write { writer, db throws(StoreError) in
            try writer.inTransaction(db) { _ throws(StoreError) in
                try SQLiteStore.update(task, from: state, db)
                return db.changesCount > 0
            }
        }
    }

    static func task(_ trackingID: String, _ db: Database) throws(StoreError) -> PrivacyTask? {
        let statement = try PreparedStatement(cached: Statements.task, in: db)
        try statement.bind(1, trackingID)
        return try statement.first { row throws(StoreError) in try row.privacyTask() }
    }

    /// The tasks that can be read: one that is damaged keeps no other from its end (`StoreRows.rowFaults` names it).
    static func tasks(in state: PrivacyTask.State, _ db: Database) throws(StoreError) -> [PrivacyTask] {
        let statement = try PreparedStatement(cached: Statements.tasksInState, in: db)
        try statement.bind(1, Int64(state.rawValue))
        return try statement.all { row in try? row.privacyTask() }.compactMap { $0 }
    }

    static func update(
        _ task: PrivacyTask, from state: PrivacyTask.State, _ db: Database
    ) throws(StoreError) {
        let statement = try PreparedStatement(cached: Statements.updateTask, in: db)
        try statement.bind(1, task.trackingID)
        try statement.bind(2, Int64(state.rawValue))
        try statement.bind(3, Int64(task.state.rawValue))
        try statement.bind(4, task.packedIDs)
        if let finished = task.finishedMilliseconds {
            try statement.bind(5, finished)
        } else {
            try statement.bindNull(5)
        }
        try statement.run()
    }
}

extension PreparedStatement {
    /// A row of `privacy_task`.
    fileprivate func privacyTask() throws(StoreError) -> PrivacyTask {
        guard let kind = byte(2).flatMap({ PrivacyTask.Kind(rawValue: $0) }),
            let compliance = PrivacyTask.ComplianceType(rawValue: text(3)),
            let state = byte(7).flatMap({ PrivacyTask.State(rawValue: $0) }),
            let ids = PrivacyTask.distinctIDs(packed: bytes(8))
        else { throw .unreadable("privacy_task", integer(5)) }
        return PrivacyTask(
            trackingID: text(0), project: ProjectID(integer(1)), kind: kind, complianceType: compliance,
            requestedBy: text(4), createdMilliseconds: integer(5), idCount: Int(integer(6)), state: state,
            distinctIDs: ids, finishedMilliseconds: isNull(9) ? nil : integer(9))
    }
}
