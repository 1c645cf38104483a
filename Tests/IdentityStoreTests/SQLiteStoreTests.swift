import Foundation
import GRDB
import IdentityEngine
import Testing

@testable import IdentityStore

/// What only the store in a file keeps.
@Suite(.timeLimit(.minutes(1)))
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
            try await second.commit(.identify("U", anonymous(1)), .alias("U", of: anonymous(1)), .identify("U", anonymous(2)))
            #expect(
                try await second.log(of: project, LogQuery(after: 2, limit: 9)).map(\.outcome)
                    == [.refused(.linkRevoked), .refused(.linkRevoked), .merged])
            try await second.close()
        }
    }

    @Test(arguments: [
        (Statements.eventsAfter, ["USING PRIMARY KEY (project=? AND (time,hash)>(?,?) AND time<?)"]),
        (Statements.identityByID, ["USING INDEX sqlite_autoindex_identity_1 (project=? AND distinct_id=?)"]),
        (Statements.identityByKey, ["USING INTEGER PRIMARY KEY (rowid=?)"]),
        (Statements.identitiesAfter, ["USING INTEGER PRIMARY KEY (rowid>?)"]),
        (Statements.lastEntry, ["USING PRIMARY KEY (project=?)"]),
        (Statements.entriesAfter, ["USING PRIMARY KEY (project=? AND sequence>?)"]),
        (Statements.nodeEntriesAfter, [
            "USING PRIMARY KEY (project=? AND node=? AND sequence>?)", "USING PRIMARY KEY (project=? AND sequence=?)",
        ]),
        (Statements.activeLink, ["INDEX link_from (from_key=? AND to_key=? AND verb=?"]),
        (Statements.linksOfNode, ["INDEX link_from (from_key=?", "INDEX link_to (to_key=?"]),
    ] as [(String, [String])])
    func `no statement reads more than it must`(_ sql: String, _ parts: [String]) async throws {
        try await withStore { store async throws in
            let plan = try await store.plan(of: sql)
            for part in parts { #expect(plan.contains { $0.contains(part) }, "\(plan)") }
            #expect(!plan.contains { $0.contains("SCAN") && !$0.contains("CONSTANT") }, "\(plan)")
            if sql != Statements.linksOfNode { #expect(!plan.contains { $0.contains("TEMP B-TREE") }, "\(plan)") }
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
