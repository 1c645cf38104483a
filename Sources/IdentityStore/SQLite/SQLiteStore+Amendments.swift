import GRDB
package import IdentityEngine

extension SQLiteStore {
    /// How often an amendment is planned beside commits before it is planned with them waiting.
    private static let planLimit = 3

    /// Planning takes the most time, and commits go on meanwhile: it is done on a reading connection, and what was
    /// planned is written if it holds by then.
    package func amend(
        _ request: AmendmentRequest, in project: ProjectID, by rules: MergeRules, origin: EventBatch.Origin,
        nowMilliseconds: Int64
    ) async throws(StoreError) -> Result<AmendmentReport, AmendmentRefusal> {
        for _ in 0..<Self.planLimit where request.isLong {
            let planned = try await read { snapshot throws(StoreError) in
                try snapshot.plan(
                    request, in: project, system: rules.system, origin: origin, nowMilliseconds: nowMilliseconds)
            }
            guard case .success(let plan) = planned else { return planned.map(\.report) }
            let report = try await write { writer, db throws(StoreError) in
                try writer.inTransaction(db) { _ throws(StoreError) -> AmendmentReport? in
                    let current = try plan.brought(
                        to: SQLiteSnapshot(db), in: project, nowMilliseconds: nowMilliseconds)
                    if let current { try SQLiteAmendment(db: db, project: project).write(current) }
                    return current?.report
                }
            }
            if let report { return .success(report) }
        }
        return try await write { writer, db throws(StoreError) in
            try writer.inTransaction(db) { _ throws(StoreError) in
                let planned = try SQLiteSnapshot(db).plan(
                    request, in: project, system: rules.system, origin: origin, nowMilliseconds: nowMilliseconds)
                if case .success(let plan) = planned { try SQLiteAmendment(db: db, project: project).write(plan) }
                return planned.map(\.report)
            }
        }
    }
}

extension AmendmentRequest {
    /// Whether planning it takes the longer the larger clusters are.
    fileprivate var isLong: Bool {
        switch self {
        case .unmergeLink, .unmergeID, .unmergeLinks, .restore: true
        case .unblock: false
        }
    }
}

/// Writes amendments, within a transaction of the caller.
struct SQLiteAmendment {
    let db: Database
    let project: ProjectID

    func write(_ plan: AmendmentPlan) throws(StoreError) {
        let sequence = plan.report.entry.sequence
        try write(plan.report.entry, named: plan.namedNodes)
        var statement = try PreparedStatement(cached: Statements.updateIdentity, in: db)
        for node in plan.nodes {
            try statement.bind(1, node.key)
            try statement.bindState(of: node, from: 2)
            try statement.run()
        }
        statement = try PreparedStatement(cached: Statements.insertLinkState, in: db)
        for link in plan.links {
            try statement.bind(1, project.rawValue)
            try statement.bind(2, link.sequence)
            try statement.bind(3, sequence)
            try statement.bind(4, plan.isActive)
            try statement.run()
        }
        statement = try PreparedStatement(cached: Statements.replaceBlock, in: db)
        for pair in plan.blocked {
            try statement.bind(pair, of: project)
            try statement.bind(4, sequence)
            try statement.run()
        }
        statement = try PreparedStatement(cached: Statements.deleteBlock, in: db)
        for pair in plan.lifted {
            try statement.bind(pair, of: project)
            try statement.run()
        }
    }

    func write(_ entry: AmendmentEntry, named nodes: [NodeKey]) throws(StoreError) {
        let statement = try PreparedStatement(cached: Statements.insertEntry, in: db)
        try statement.bind(entry, of: project)
        try statement.run()
        for node in Set(nodes) {
            let statement = try PreparedStatement(cached: Statements.insertEntryNode, in: db)
            try statement.bind(1, project.rawValue)
            try statement.bind(2, node)
            try statement.bind(3, entry.sequence)
            try statement.run()
        }
    }

    /// Logs that a project's rules change, where its log has begun.
    func logRules(from: MergeRules, to: MergeRules, nowMilliseconds: Int64) throws(StoreError) {
        let snapshot = SQLiteSnapshot(db)
        let last = try snapshot.lastSequence(of: project)
        guard last > 0, from != to else { return }
        let time = max(nowMilliseconds, try snapshot.leastEntryMilliseconds(of: project))
        try write(
            AmendmentEntry(
                sequence: last + 1, timeMilliseconds: time, amendment: .rules(from: from, to: to), ids: [],
                origin: .command), named: [])
    }
}
