import Foundation
import GRDB
import IdentityEngine
import Testing

@testable import IdentityStore

/// What only the store in a file keeps of profiles.
@Suite(.timeLimit(.minutes(10)))
struct SQLiteProfilesTests {
    @Test func `profiles that were acknowledged are there after the process was killed`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
                let store = try SQLiteStore(path: path)
                try await store.commit(.merge("a", "b"))
                for _ in 0..<20 {
                    try await store.update("a", .add, #"{"c":1}"#)
                    try await store.update("b", .append, #"{"l":1}"#)
                }
                kill(getpid(), SIGKILL)
            }
            let store = try SQLiteStore(path: path)
            let ones = Array(repeating: "1", count: 20).joined(separator: ",")
            #expect(try await store.profile("b") == "{\"c\":20,\"l\":[\(ones)]}")
            try await store.update("a", .add, #"{"c":1}"#)
            #expect(try await store.profile("b") == "{\"c\":21,\"l\":[\(ones)]}")
            try await store.close()
        }
    }

    @Test func `a full disk leaves no half of an update`() async throws {
        var options = SQLiteOptions()
        options.maxPageCount = 80
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory + "/store.sqlite", options: options)
            try await store.update("a", .set, #"{"n":1}"#)
            var batch = EventBatch.of([Sent(id: "e")])
            batch.update("a", [(.set, #"{"n":2}"#)])
            batch.update("b", [(.set, "{\"n\":\"\(String(repeating: "x", count: 900_000))\"}")])
            let group = [batch]
            let error = await #expect(throws: StoreError.self) {
                try await store.commit(group, by: original, nowMilliseconds: 1)
            }
            #expect(error?.code == .full)
            #expect(try await store.profile("a") == #"{"n":1}"#)
            #expect(try await store.profile("b") == nil)
            #expect(try await store.events().isEmpty)
            try await store.update("a", .add, #"{"n":1}"#)
            #expect(try await store.profile("a") == #"{"n":2}"#)
            try await store.close()
        }
    }

    @Test func `a store of the first version gets profiles, and its clusters count as joined before`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            let queue = try DatabaseQueue(path: path)
            try Schema.migrator.migrate(queue, upTo: "1")
            try await queue.write { db in
                try db.execute(
                    sql: """
                        INSERT INTO identity VALUES (1, 1, x'55', 2, 1, 0, 1, 0, 2, 4, 2, 0, 2, 1, 4, 2, 1);
                        INSERT INTO identity VALUES (2, 1, x'41', 2, 1, 0, 1, 2, 1, 5, 0, 0, 1, 2, 5, 2, 0);
                        INSERT INTO log VALUES (1, 1, 1, 3, x'61', x'61', 2, NULL, 0, 1, 499, 2, 'secret');
                        INSERT INTO log VALUES (1, 2, 1, 1, x'55', x'41', 1, NULL, 1, 2, 499, 1, 'token');
                        INSERT INTO link VALUES (1, 2, 1, 2, 1);
                        """)
            }
            try queue.close()
            let second = try SQLiteStore(path: path)
            let roots = try await second.nodes().filter(\.isRoot).map(\.linkedSequence)
            #expect(roots == [2])
            try await second.update("A", .set, #"{"n":1}"#)
            try await second.update("U", .set, #"{"m":2}"#)
            #expect(try await second.canonicalID(of: "A") == "U")
            #expect(try await second.profile("U") == #"{"m":2,"n":1}"#)
            try await second.close()
        }
    }

    @Test func `a ledger that cannot be read is told as damage`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            let first = try SQLiteStore(path: path)
            try await first.update("a", .set, #"{"n":1}"#)
            try await first.close()
            let queue = try DatabaseQueue(path: path)
            try await queue.write { try $0.execute(sql: "UPDATE profile SET ledger = x'0100'") }
            try queue.close()
            let second = try SQLiteStore(path: path)
            await #expect(throws: StoreError(.corrupt, "")) { try await second.profile("a") }
            await #expect(throws: StoreError(.corrupt, "")) { try await second.update("a", .set, "{}") }
            try await second.close()
        }
    }

    @Test func `a commit without updates runs no statement for profiles`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            let store = try SQLiteStore(path: path)
            try await store.commit(.merge("a", "b"), Sent(id: "a"))
            try await store.close()
            let queue = try DatabaseQueue(path: path)
            let rows = try await queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM profile_order") }
            #expect(rows == 0)
        }
    }
}
