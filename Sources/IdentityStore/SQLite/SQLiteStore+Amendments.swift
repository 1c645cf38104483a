import GRDB
package import IdentityEngine

extension SQLiteStore {
    package func amend(
        _ request: AmendmentRequest, in project: ProjectID, by rules: MergeRules, origin: EventBatch.Origin,
        nowMilliseconds: Int64
    ) async throws(StoreError) -> Result<AmendmentReport, AmendmentRefusal> {
        try await write { writer, db throws(StoreError) in
            try writer.inTransaction(db) { _ throws(StoreError) in
                let planned = try SQLiteSnapshot(db).plan(
                    request, in: project, system: rules.system, origin: origin, nowMilliseconds: nowMilliseconds)
                if case .success(let plan) = planned { try SQLiteAmendment(db: db, project: project).write(plan) }
                return planned.map(\.report)
            }
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
        for node in plan.nodes {
            let statement = try PreparedStatement(cached: Statements.updateIdentity, in: db)
            try statement.bind(1, node.key)
            try statement.bindState(of: node, from: 2)
            try statement.run()
        }
        for link in plan.links {
            let statement = try PreparedStatement(cached: Statements.insertLinkState, in: db)
            try statement.bind(1, project.rawValue)
            try statement.bind(2, link.sequence)
            try statement.bind(3, sequence)
            try statement.bind(4, plan.isActive)
            try statement.run()
        }
        for pair in plan.blocked {
            let statement = try PreparedStatement(cached: Statements.replaceBlock, in: db)
            try statement.bind(pair, of: project)
            try statement.bind(4, sequence)
            try statement.run()
        }
        for pair in plan.lifted {
            let statement = try PreparedStatement(cached: Statements.deleteBlock, in: db)
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
