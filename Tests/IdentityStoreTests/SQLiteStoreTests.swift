import Foundation
import GRDB
import IdentityEngine
import Testing

@testable import IdentityStore

/// What only the store in a file keeps.
@Suite(.timeLimit(.minutes(10)))
struct SQLiteStoreTests {
    @Test func `a store that is opened again has everything, and goes on where it was`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            let record = ProjectRecord(
                id: project, name: "p", token: "t", secretDigest: [1], rules: MergeRules(), createdMilliseconds: 1)
            let first = try SQLiteStore(path: path)
            try await first.save(record)
            try await first.commit(.identify("U", anonymous(1)), Sent(id: anonymous(1)), now: 500)
            let events = try await first.events()
            let nodes = try await first.nodes()
            try await first.close()

            let second = try SQLiteStore(path: path)
            #expect(try await second.events() == events)
            #expect(try await second.nodes() == nodes)
            #expect(try await second.projects() == [record])
            #expect(try await second.canonicalID(of: anonymous(1)) == "U")
            try await second.commit(.identify("V", anonymous(2)), .identify("U", anonymous(1)), Sent(id: "a"), now: 300)
            #expect(try await second.log().map(\.sequence) == [1, 2, 3])
            #expect(try await second.log().map(\.timeMilliseconds) == [500, 500, 500])
            #expect(try await second.log().map(\.outcome) == [.merged, .merged, .unchanged])
            #expect(try await second.nodes().map(\.key) == [1, 2, 3, 4])
            #expect(try await second.events().count == 5)
            try await second.close()
        }
    }

    @Test func `what was acknowledged is there after the process was killed`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
                let store = try SQLiteStore(path: path)
                for number in 0..<20 { try await store.commit(.merge("a", "b\(number)"), Sent(id: "e")) }
                // What is not acknowledged may be there or not, but never in part.
                let last = EventBatch.of((0..<500).map { .merge("c", "d\($0)") })
                Task { try await store.commit([last], by: original, nowMilliseconds: 1) }
                await Task.yield()
                kill(getpid(), SIGKILL)
            }
            let store = try SQLiteStore(path: path)
            let count = try await store.log().count
            #expect([20, 520].contains(count))
            #expect(try await store.events().count == count + 20)
            #expect(try await store.nodes().count == (count == 20 ? 21 : 522))
            #expect(try await store.canonicalID(of: "b19") == "a")
            try await store.close()
        }
    }

    @Test(arguments: [1, 3])
    func `more reads than connections all get their answer, and closing waits for them`(_ count: Int) async throws {
        var options = SQLiteOptions()
        options.readerCount = count
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory + "/store.sqlite", options: options)
            try await store.commit(.merge("a", "b"))
            let read = try await withThrowingTaskGroup { tasks in
                for _ in 0..<200 { tasks.addTask { try await store.canonicalID(of: "b") } }
                return try await tasks.reduce(into: []) { $0.append($1) }
            }
            #expect(read == Array(repeating: "a", count: 200))

            await withTaskGroup { tasks in
                for _ in 0..<50 {
                    tasks.addTask {
                        do throws(StoreError) {
                            #expect(try await store.canonicalID(of: "b") == "a")
                        } catch {
                            #expect(error.code == .closed)
                        }
                    }
                }
                tasks.addTask { await #expect(throws: Never.self) { try await store.close() } }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["store.sqlite"])
        }
    }

    @Test func `a closed store is its one file`() async throws {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory + "/store.sqlite")
            try await store.commit(.merge("a", "b"))
            #expect(try await store.log().count == 1)
            try await store.close()
            try FileManager.default.copyItem(atPath: directory + "/store.sqlite", toPath: directory + "/copy.sqlite")
            let copy = try SQLiteStore(path: directory + "/copy.sqlite")
            #expect(try await copy.canonicalID(of: "b") == "a")
            try await copy.close()
        }
    }

    @Test func `the writer waits for the disk at every commit`() async throws {
        try await withStore { store async throws in
            #expect(try await store.writerSetting("synchronous") == "2")
            #expect(try await store.writerSetting("journal_mode") == "wal")
            #expect(try await store.writerSetting("page_size") == "8192")
            #expect(try await store.writerSetting("wal_autocheckpoint") == "4000")
            #expect(try await store.writerSetting("application_id") == "\(Schema.applicationID)")
        }
    }

    @Test func `only who asks for it gets a store that does not wait for the disk`() async throws {
        var options = SQLiteOptions()
        #expect(options.synchronous == .full)
        options.synchronous = .normal
        try await withStore(options) { store async throws in
            #expect(try await store.writerSetting("synchronous") == "1")
        }
    }

    @Test func `a store that a newer version wrote is refused`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            try await SQLiteStore(path: path).close()
            let queue = try DatabaseQueue(path: path)
            try await queue.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('9999')") }
            try queue.close()
            let error = #expect(throws: StoreError.self) { try SQLiteStore(path: path) }
            #expect(error?.code == .incompatible)
            #expect(error?.message.contains("newer") == true)
        }
    }

    @Test(arguments: [nil] + Schema.migrator.migrations.map(Optional.some))
    func `a file in which only the first tables were made gets the others`(_ last: String?) async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            let queue = try DatabaseQueue(path: path)
            if let last {
                try Schema.migrator.migrate(queue, upTo: last)
            } else {
                try await queue.write {
                    try $0.execute(sql: "CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY)")
                }
            }
            try queue.close()
            var options = SQLiteOptions()
            if last != Schema.migrator.migrations.last {
                for access in [SQLiteOptions.Access.reading, .writing] {
                    options.access = access
                    #expect(throws: StoreError(.incompatible, "")) { try SQLiteStore(path: path, options: options) }
                }
            }
            let store = try SQLiteStore(path: path)
            try await store.commit(.merge("a", "b"))
            #expect(try await store.canonicalID(of: "b") == "a")
            try await store.close()
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["store.sqlite"])
        }
    }

    @Test func `a file that is not a store is refused, and left as it was`() async throws {
        try await withTemporaryDirectory { directory in
            let foreign = directory + "/foreign.sqlite"
            let queue = try DatabaseQueue(path: foreign)
            try await queue.write { try $0.execute(sql: "CREATE TABLE event (a)") }
            try queue.close()
            #expect(throws: StoreError(.incompatible, "")) { try SQLiteStore(path: foreign) }

            let text = directory + "/text"
            let bytes = Data(repeating: 65, count: 10_000)
            try bytes.write(to: URL(filePath: text))
            #expect(throws: StoreError(.incompatible, "")) { try SQLiteStore(path: text) }
            #expect(try Data(contentsOf: URL(filePath: text)) == bytes)

            #expect(throws: StoreError(.inputOutput, "")) { try SQLiteStore(path: directory + "/none/store.sqlite") }
        }
    }

    @Test func `a full disk leaves no half of a commit, and the store goes on after`() async throws {
        var options = SQLiteOptions()
        options.maxPageCount = 60
        try await withStore(options) { store async throws in
            try await store.commit(.identify("U", anonymous(1)), Sent(id: "a"))
            let before = try await (store.events(), store.nodes(), store.log())
            let big = (0..<100).map { Sent(id: "b\($0)", properties: String(repeating: "x", count: 9_000)) }
            let group = [
                EventBatch.of([.identify("V", anonymous(2)), Sent(id: "first")]), EventBatch.of(big),
                EventBatch.of([.identify("W", anonymous(3))]),
            ]
            for _ in 0..<3 {
                let error = await #expect(throws: StoreError.self) {
                    try await store.commit(group, by: original, nowMilliseconds: 2_000)
                }
                #expect(error?.code == .full)
                #expect(error?.isRetryable == true)
                #expect(try await store.events() == before.0)
                #expect(try await store.nodes() == before.1)
                #expect(try await store.log() == before.2)
            }
            let result = try await store.commit(.identify("V", anonymous(2)), Sent(id: "c"))
            #expect(result.merged == 1)
            #expect(try await store.log().map(\.sequence) == [1, 2])
            #expect(try await store.nodes().map(\.key) == [1, 2, 3, 4])
            #expect(try await store.events().count == 4)
        }
    }

    @Test func `every commit notes its arrivals, 32 bytes for each event and a row for each project`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            let store = try SQLiteStore(path: path)
            try await store.commit(Sent(id: "a", insertID: "i", time: 3), Sent(id: "b"), Sent(id: "c").in(ProjectID(2)))
            try await store.commit(Sent(id: "d"))
            let event = try #require(try await store.events().first)
            try await store.close()
            let queue = try DatabaseQueue(path: path)
            let rows = try await queue.read { db in
                try Row.fetchAll(db, sql: "SELECT project, packed FROM arrivals ORDER BY batch")
                    .map { ($0["project"] as Int64, Array($0["packed"] as Data)) }
            }
            #expect(rows.map(\.0) == [1, 2, 1])
            #expect(rows.map(\.1.count) == [64, 32, 32])
            var hash = StableHash()
            "a".utf8.withContiguousStorageIfAvailable { hash.update(UnsafeRawBufferPointer($0)) }
            let numbers = [hash.finish().high, 3, event.key.hashHigh, event.key.hashLow]
            #expect(rows[0].1.prefix(32) == numbers.flatMap { withUnsafeBytes(of: $0.bigEndian, Array.init) }[...])
        }
    }

    @Test func `a link that was switched off counts no more, until it is switched on again`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            func commitAgain() async throws -> Bool {
                let store = try SQLiteStore(path: path)
                try await store.commit(.merge("a", "b"))
                let made = try await store.log().last?.hasLink
                try await store.close()
                return made == true
            }
            func execute(_ sql: String) async throws {
                let queue = try DatabaseQueue(path: path)
                try await queue.write { try $0.execute(sql: sql) }
                try queue.close()
            }
            #expect(try await commitAgain())
            #expect(try await !commitAgain())
            try await execute("INSERT INTO link_state VALUES (1, 1, 3, 0)")
            #expect(try await commitAgain())
            try await execute("INSERT INTO link_state VALUES (1, 3, 4, 0), (1, 1, 5, 1)")
            #expect(try await !commitAgain())
        }
    }

    @Test func `a blocked pair is refused`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            let first = try SQLiteStore(path: path)
            try await first.commit(.merge("U", "x"), .merge(anonymous(1), "y"))
            try await first.close()
            let queue = try DatabaseQueue(path: path)
            try await queue.write { try $0.execute(sql: "INSERT INTO block VALUES (1, 1, 3, 2)") }
            try queue.close()
            let second = try SQLiteStore(path: path)
            try await second.commit(
                .identify("U", anonymous(1)), .alias("U", of: anonymous(1)), .identify("U", anonymous(2)))
            #expect(
                try await second.log(of: project, LogQuery(after: 2, limit: 9)).map(\.outcome)
                    == [.refused(.linkRevoked), .refused(.linkRevoked), .merged])
            try await second.close()
        }
    }

    struct Plan: CustomTestStringConvertible {
        let testDescription: String
        let sql: String
        let parts: [String]

        init(_ name: String, _ sql: String, _ parts: String...) {
            testDescription = name
            self.sql = sql
            self.parts = parts
        }
    }

    @Test(
        arguments: [
            Plan("events", Statements.eventsAfter, "PRIMARY KEY (project=? AND (time,hash)>(?,?) AND time<?)"),
            Plan("id", Statements.identityByID, "INDEX sqlite_autoindex_identity_1 (project=? AND distinct_id=?)"),
            Plan("key", Statements.identityByKey, "INTEGER PRIMARY KEY (rowid=?)"),
            Plan("nodes", Statements.identitiesAfter, "identity_project (project=? AND key>?)"),
            Plan("last sequence", Statements.lastSequence, "PRIMARY KEY (project=?)"),
            Plan("least time of an entry", Statements.leastEntryTime, "PRIMARY KEY (project=?)"),
            Plan("entries", Statements.entries, "PRIMARY KEY (project=? AND sequence>? AND sequence<?)"),
            Plan(
                "entries, the latest first", Statements.entriesLatestFirst,
                "PRIMARY KEY (project=? AND sequence>? AND sequence<?)"),
            Plan(
                "entries of a node", Statements.nodeEntries,
                "PRIMARY KEY (project=? AND node=? AND sequence>? AND sequence<?)",
                "PRIMARY KEY (project=? AND sequence=?)"),
            Plan(
                "entries of a node, the latest first", Statements.nodeEntriesLatestFirst,
                "PRIMARY KEY (project=? AND node=? AND sequence>? AND sequence<?)",
                "PRIMARY KEY (project=? AND sequence=?)"),
            Plan("active link", Statements.activeLink, "INDEX link_from (from_key=? AND to_key=? AND verb=?"),
            Plan("links from", Statements.linksFromNode, "INDEX link_from (from_key=?"),
            Plan("profile", Statements.profile, "INDEX sqlite_autoindex_profile_1 (project=? AND distinct_id=?)"),
            Plan(
                "profiles", Statements.profilesAfter,
                "INDEX sqlite_autoindex_profile_1 (project=? AND distinct_id>?)"),
            Plan("first profiles", Statements.firstProfiles, "INDEX sqlite_autoindex_profile_1 (project=?)"),
            Plan(
                "profiles of a cluster", Statements.profilesOfRoot,
                "INDEX profile_root (root=? AND linked_sequence=?)"),
            Plan(
                "group", Statements.groupProfile,
                "INDEX sqlite_autoindex_group_profile_1 (project=? AND group_key=? AND group_id=?)"),
            Plan("links", Statements.linksOfNode, "INDEX link_from (from_key=?", "INDEX link_to (to_key=?"),
        ])
    func `no statement reads more than it must`(_ statement: Plan) async throws {
        try await withStore { store async throws in
            let plan = try await store.plan(of: statement.sql)
            for part in statement.parts { #expect(plan.contains { $0.contains(part) }, "\(plan)") }
            #expect(!plan.contains { $0.contains("SCAN") && !$0.contains("CONSTANT") }, "\(plan)")
            if ![Statements.linksOfNode, Statements.linksFromNode].contains(statement.sql) {
                #expect(!plan.contains { $0.contains("TEMP B-TREE") }, "\(plan)")
            }
        }
    }

    private func withStore(
        _ options: SQLiteOptions = SQLiteOptions(), _ body: (SQLiteStore) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory + "/store.sqlite", options: options)
            try await body(store)
            try await store.close()
        }
    }
}
