import Foundation
import IdentityEngine
import Testing

@testable import IdentityStore

/// What a preview tells, on every store.
@Suite(.timeLimit(.minutes(10)))
struct PreviewTests {
    @Test(arguments: Backend.allCases)
    func `statements are decided in order, each on top of those before it`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.identify("ada", anonymous(1)))
            let found = try await store.preview([
                Sent(id: "ada"), .identify("ada", anonymous(1)), .identify("ada", anonymous(2)),
                .identify("grace", anonymous(2)), .identify("ada", "ada"), .alias("a", of: "ada"),
            ])
            #expect(found.sequence == 1)
            #expect(found.statements.map(\.position) == [1, 2, 3, 4, 5])
            #expect(
                found.statements.map(\.decision.outcome) == [
                    .unchanged, .merged, .refused(.anonymousAssignedAlready), .refused(.sameIDs), .merged,
                ])
            #expect(found.statements.map(\.decision.clusterSize) == [2, 3, 0, 0, 4])
            #expect(
                found.statements.map(\.failureDescription) == [
                    nil, nil, "$anon_distinct_id already identified: \(anonymous(2))",
                    "Identified and anon ID are same in the identify request ada", nil,
                ])
            #expect(found.counts == Preview.Counts(merged: 2, unchanged: 1, refused: 2))
            #expect(found.changeCount == 1)
            #expect(found.largest == .of("ada", 4))
            let change = try #require(found.changes.first)
            #expect(change.before == [.of("ada", 2), .of(anonymous(2), 1), .of("a", 1)])
            #expect(change.after == .of("ada", 4))
            #expect(Set(change.members.map(\.description)) == ["ada", "a", anonymous(1), anonymous(2)])
            #expect(!change.isTruncated)
            #expect(try await store.log().count == 1)
        }
    }

    @Test(arguments: Backend.allCases)
    func `two identified ids that a merge would join are told`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.identify("ada", anonymous(1)), .merge("z", "grace"), .merge("x", "y"))
            let found = try await store.preview([
                .merge("grace", anonymous(1)), .identify("grace", anonymous(2)), .merge(anonymous(2), anonymous(1)),
                .merge("x", "ada"),
            ])
            #expect(found.statements.map(\.joinedIdentified) == [[], [], [], []], "grace was not identified yet")
            let other = try await store.preview([
                .identify("grace", anonymous(2)), .merge(anonymous(2), anonymous(1)), .merge("x", "ada"),
            ])
            #expect(other.statements.map(\.joinedIdentified) == [[], [DistinctID("grace"), DistinctID("ada")], []])
        }
    }

    @Test(arguments: Backend.allCases)
    func `a link that gives two old companions another canonical id is a change`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.merge("a", anonymous(1)), .merge("a", "b"))
            let found = try await store.preview([.identify("b", anonymous(1))])
            #expect(found.statements.map(\.decision.outcome) == [.unchanged])
            #expect(found.changes.map(\.before) == [[.of("a", 3)]])
            #expect(found.changes.map(\.after) == [.of("b", 3)])
            let other = try await store.preview([.merge("b", "a")])
            #expect(other.statements.map(\.decision.outcome) == [.unchanged])
            #expect(other.changeCount == 0 && other.changes.isEmpty)
        }
    }

    @Test(arguments: Backend.allCases)
    func `a Simplified conflict and a repeat are told, though no log has them`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.device("$device:d", of: "ada"), by: simplified)
            let found = try await store.preview(
                [
                    .device("$device:d", of: "ada"), .device("$device:d", of: "grace"),
                    .device("$device:e", of: "grace"),
                ],
                by: MergeRules(system: .simplified))
            #expect(
                found.statements.map(\.decision.outcome)
                    == [.unchanged, .refused(.anonymousAssignedAlready), .merged])
            #expect(found.statements.map(\.decision.conflict) == [nil, .anonymousAssignedAlready, nil])
            #expect(found.counts == Preview.Counts(merged: 1, unchanged: 1, conflicts: 1))
        }
    }

    @Test(arguments: Backend.allCases)
    func `lists end at their limits, and say so`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            for number in 0..<5 { try await store.commit(.merge("r", "n\(number)")) }
            let events: [Sent] = [.merge("p", "q"), .merge("r", "s"), .merge("r", "t"), .merge("r", "u")]
            func preview(_ limits: Preview.Limits, largestFirst: Bool = false) async throws -> Previewed {
                try await store.preview(events, limits: limits, largestFirst: largestFirst)
            }
            let one = try await preview(Preview.Limits(changes: 1, parts: 9, members: 9, total: 99))
            #expect(one.changeCount == 2)
            #expect(one.changes.map(\.after) == [.of("p", 2)])
            let largest = try await preview(
                Preview.Limits(changes: 1, parts: 9, members: 9, total: 99), largestFirst: true)
            #expect(largest.changes.map(\.after) == [.of("r", 9)])
            #expect(largest.changes.map(\.isTruncated) == [false])
            let short = try await preview(Preview.Limits(changes: 9, parts: 2, members: 3, total: 99))
            #expect(short.changes.map(\.members.count) == [2, 3])
            #expect(short.changes.map(\.before.count) == [2, 2])
            #expect(short.changes.map(\.isTruncated) == [false, true])
            let total = try await preview(Preview.Limits(changes: 9, parts: 9, members: 9, total: 5))
            #expect(total.changes.map { $0.members.count + $0.before.count } == [4, 1])
            #expect(total.changes.map(\.isTruncated) == [false, true])
        }
    }

    @Test(arguments: Backend.allCases)
    func `a parted pair is refused, until a merge lifts the block`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.identify("U", anonymous(1)))
            let parted = try await store.amend(
                .unmergeLink(1, keepsApart: true), in: project, by: MergeRules(), origin: .command,
                nowMilliseconds: 1_000)
            _ = try parted.get()
            let events: [Sent] = [
                .identify("U", anonymous(1)), .merge("U", anonymous(1)), .alias("U", of: anonymous(1)),
            ]
            for _ in 0..<2 {
                let found = try await store.preview(events)
                #expect(found.sequence == 2)
                #expect(found.statements.map(\.decision.outcome) == [.refused(.linkRevoked), .merged, .unchanged])
                #expect(found.changes.map(\.before) == [[.of("U", 1), .of(anonymous(1), 1)]])
            }
            try await store.commit(events[1])
            #expect(try await store.preview([events[0]]).statements.map(\.decision.outcome) == [.unchanged])
        }
    }

    @Test func `the files of a store are byte for byte as before`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            func content() throws -> [Data] {
                try ["", "-wal"].map { try Data(contentsOf: URL(filePath: path + $0)) }
            }
            let store = try SQLiteStore(path: path)
            try await store.commit(.identify("ada", anonymous(1)), Sent(id: "ada", insertID: "i"))
            let before = try content()
            #expect(before[1].count > 0)
            _ = try await store.preview([.identify("ada", anonymous(2)), .merge("ada", "grace"), Sent(id: "ada")])
            #expect(try content() == before)
            try await store.commit(.merge("ada", "eve"))
            #expect(try content() != before)
            try await store.close()
        }
    }

    @Test(arguments: Backend.allCases)
    func `a preview beside commits tells of one moment, and changes nothing`(_ backend: Backend) async throws {
        let rules = MergeRules(maxClusterSize: 0)
        let control = MemoryStore(sizeLimitBytes: 1 << 30)
        try await backend.withStore { store async throws in
            let commits = 100
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    for number in 0..<commits {
                        try await store.commit(.merge("hub", "n\(number)"), by: [project: rules])
                    }
                }
                for _ in 0..<3 {
                    tasks.addTask {
                        var last: Int64 = -1
                        while last < commits {
                            let found = try await store.preview(
                                [.merge("hub", "p"), .merge("q", "r"), .merge("n0", "s"), .merge("q", "hub")],
                                by: rules)
                            let size = Int(found.sequence) + 1
                            // Before the first commit, n0 is nobody's.
                            let sizes = size == 1 ? [2, 2, 2, 4] : [size + 1, 2, size + 2, size + 4]
                            #expect(found.statements.map(\.decision.clusterSize) == sizes, "at \(found.sequence)")
                            #expect(found.sequence >= last)
                            last = found.sequence
                        }
                    }
                }
                for try await _ in tasks {}
            }
            for number in 0..<commits {
                try await control.commit(.merge("hub", "n\(number)"), by: [project: rules])
            }
            let (found, expected) = (try await State(of: store, project), try await State(of: control, project))
            #expect(found == expected)
        }
    }
}

/// What a preview of one batch tells.
struct Previewed: Sendable {
    var sequence: Int64
    var statements: [Preview.Statement]
    var counts: Preview.Counts
    var changes: [Preview.Change]
    var changeCount: Int
    var largest: Preview.Summary?
}

extension Store {
    func preview(
        _ events: [Sent], by rules: MergeRules = MergeRules(),
        limits: Preview.Limits = Preview.Limits(changes: .max, parts: .max, members: .max, total: .max),
        largestFirst: Bool = false
    ) async throws(StoreError) -> Previewed {
        let batch = EventBatch.of(events)
        return try await read { snapshot throws(StoreError) in
            var preview = try Preview(of: project, by: rules, on: snapshot, nowMilliseconds: 5_000)
            let statements = try preview.decide(batch)
            let changes = try preview.changes(limits, largestFirst: largestFirst)
            return Previewed(
                sequence: preview.sequence, statements: statements, counts: preview.counts, changes: changes.list,
                changeCount: changes.count, largest: try preview.largestCluster())
        }
    }
}

extension Preview.Summary {
    static func of(_ id: String, _ size: Int64) -> Preview.Summary {
        Preview.Summary(canonicalID: DistinctID(id), size: size)
    }
}
