import GRDB
import IdentityEngine

/// What writes: the prepared statements of the one writing connection.
///
/// `@unchecked Sendable`: made and used on the queue of the store's writing connection only, which is serial.
final class SQLiteWriter: @unchecked Sendable {
    /// Nil before the store has opened its connection, and after it has closed it.
    private var statements: WriterStatements?
    private var postings: SQLitePostings
    private let health: WriteHealth
    var hashes = GeneratedHashes()

    init(_ options: SQLiteOptions, health: WriteHealth) {
        postings = SQLitePostings(options.postings)
        self.health = health
    }

    func open(_ db: Database) throws(StoreError) { statements = try WriterStatements(db) }

    func close() { statements = nil }

    /// Runs a body in a transaction of its own, all of it or nothing.
    func inTransaction<Value>(
        _ db: Database, _ body: (WriterStatements) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        guard let statements else { throw .closed }
        do throws(StoreError) {
            if db.isInsideTransaction { try statements.rollback.run() }
            try statements.begin.run()
            let value = try body(statements)
            try statements.commit.run()
            health.noteStored()
            return value
        } catch {
            health.noteFailure(error)
            // Where the disk is full or fails, SQLite may have rolled back by itself. A rollback that fails is tried
            // again before the next transaction; what went wrong first is what the caller is told.
            if db.isInsideTransaction { try? statements.rollback.run() }
            postings.forget()
            throw error
        }
    }

    func commit(
        _ group: [EventBatch], by rules: [ProjectID: MergeRules], nowMilliseconds: Int64, in db: Database
    ) throws(StoreError) -> [CommitResult] {
        let named = try NamedProject.projects(of: group, by: rules)
        return try inTransaction(db) { statements throws(StoreError) in
            let firstKey = try statements.nextKey()
            var projects: [CommitPlan.ProjectState] = []
            for project in named { projects.append(try statements.load(project, nextKey: firstKey)) }
            var plan = CommitPlan(projects: projects, nextKey: firstKey, nowMilliseconds: nowMilliseconds)
            plan.decide(group, generating: &hashes)
            try statements.write(&plan, of: group, firstNewKey: firstKey)
            for slot in plan.projects.indices where plan.eventCounts[slot] > 0 {
                try postings.settle(plan.projects[slot].id, added: plan.eventCounts[slot], db)
            }
            if !plan.profileRows.isEmpty {
                let profiles = SQLiteProfiles(db: db)
                var drafts = ProfileDrafts()
                try drafts.apply(plan.profileRows, of: group, from: profiles)
                try profiles.write(drafts)
            }
            return plan.results
        }
    }
}

/// The statements that commits run again and again.
final class WriterStatements {
    let begin: PreparedStatement
    let commit: PreparedStatement
    let rollback: PreparedStatement
    let replaceEvent: PreparedStatement
    let anyEvent: PreparedStatement
    let insertArrivals: PreparedStatement
    let identityByID: PreparedStatement
    let identityByKey: PreparedStatement
    let lastKey: PreparedStatement
    let insertIdentity: PreparedStatement
    let updateIdentity: PreparedStatement
    let insertEntry: PreparedStatement
    let insertEntryNode: PreparedStatement
    let entryOfEvent: PreparedStatement
    let lastSequence: PreparedStatement
    let leastEntryTime: PreparedStatement
    let insertLink: PreparedStatement
    let activeLink: PreparedStatement
    let deleteBlock: PreparedStatement
    let anyBlock: PreparedStatement
    let blockOfPair: PreparedStatement

    init(_ db: Database) throws(StoreError) {
        begin = try PreparedStatement(Statements.begin, in: db)
        commit = try PreparedStatement(Statements.commit, in: db)
        rollback = try PreparedStatement(Statements.rollback, in: db)
        replaceEvent = try PreparedStatement(Statements.replaceEvent, in: db)
        anyEvent = try PreparedStatement(Statements.anyEvent, in: db)
        insertArrivals = try PreparedStatement(Statements.insertArrivals, in: db)
        identityByID = try PreparedStatement(Statements.identityByID, in: db)
        identityByKey = try PreparedStatement(Statements.identityByKey, in: db)
        lastKey = try PreparedStatement(Statements.lastKey, in: db)
        insertIdentity = try PreparedStatement(Statements.insertIdentity, in: db)
        updateIdentity = try PreparedStatement(Statements.updateIdentity, in: db)
        insertEntry = try PreparedStatement(Statements.insertEntry, in: db)
        insertEntryNode = try PreparedStatement(Statements.insertEntryNode, in: db)
        entryOfEvent = try PreparedStatement(Statements.entryOfEvent, in: db)
        lastSequence = try PreparedStatement(Statements.lastSequence, in: db)
        leastEntryTime = try PreparedStatement(Statements.leastEntryTime, in: db)
        insertLink = try PreparedStatement(Statements.insertLink, in: db)
        activeLink = try PreparedStatement(Statements.activeLink, in: db)
        deleteBlock = try PreparedStatement(Statements.deleteBlock, in: db)
        anyBlock = try PreparedStatement(Statements.anyBlock, in: db)
        blockOfPair = try PreparedStatement(Statements.blockOfPair, in: db)
    }
}
