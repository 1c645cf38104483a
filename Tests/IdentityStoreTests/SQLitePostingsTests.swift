import Foundation
import GRDB
import IdentityEngine
import Testing

@testable import IdentityStore

/// How a SQLite store keeps events to be found by id.
@Suite(.timeLimit(.minutes(10)))
struct SQLitePostingsTests {
    @Test func `open arrivals are closed into runs, runs are merged, and what was merged goes`() async throws {
        try await withStore(.small) { store async throws in
            for number in 0..<600 { try await store.commit(Sent(id: "\(number % 7)", insertID: "\(number)")) }
            let standing = try await store.standing()
            #expect(standing.openRows < 3)
            #expect(standing.records(in: .live) + standing.openRecords == 600)
            #expect(standing.runs.filter { $0.state == .live }.allSatisfy { $0.blocks.allSatisfy { $0.count <= 3 } })
            // Of 200 runs of level 0 no more than a few of each level are left.
            #expect(standing.runs.count { $0.state == .live } < 20)
            #expect(standing.runs.map(\.level).max() ?? 0 >= 5)
            #expect(standing.blockCount == standing.runs.reduce(0) { $0 + $1.blocks.count })
            #expect(standing.runs.allSatisfy { $0.isInOrder })
            #expect(try await store.activity(of: "3").count == 86)
        }
    }

    @Test func `a big commit is closed in runs of bounded size, with what was open before`() async throws {
        var postings = SQLiteOptions.Postings()
        postings.openRecordLimit = 100
        try await withStore(postings) { store async throws in
            try await store.commit(Sent(id: "a", insertID: "first"))
            let many = EventBatch.of((0..<40_000).map { Sent(id: "a", insertID: "\($0)", time: Int64($0)) })
            _ = try await store.commit([many], by: original, nowMilliseconds: 1)
            let standing = try await store.standing()
            #expect(standing.openRows == 0)
            #expect(standing.runs.map(\.recordCount) == [16_385, 16_384, 7_232])
            #expect(standing.runs.allSatisfy { $0.blocks.dropLast().allSatisfy { $0.count == 510 } })
            #expect(try await store.activity(of: "a", limit: 3).map(\.key.timeMilliseconds).last == 39_998)
        }
    }

    @Test func `a store with many open rows is closed a run at a time`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            var postings = SQLiteOptions.Postings()
            postings.openRowLimit = 1_000_000
            let before = try SQLiteStore(path: path, options: SQLiteOptions(postings))
            for number in 0..<700 { try await before.commit(Sent(id: "a", insertID: "\(number)")) }
            #expect(try await before.standing().openRows == 700)
            try await before.close()
            postings.openRowLimit = 100
            let after = try SQLiteStore(path: path, options: SQLiteOptions(postings))
            for number in 0..<5 {
                try await after.commit(Sent(id: "a", insertID: "n\(number)"))
                let standing = try await after.standing()
                #expect(standing.openRows == 601 - 99 * number)
                #expect(standing.runs.map(\.recordCount) == Array(repeating: 100, count: number + 1))
                #expect(try await after.activity(of: "a").count == 701 + number)
            }
            try await after.close()
        }
    }

    @Test func `merging goes on after the store was closed in the middle of it`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            var buildingCount = 0
            for number in 0..<150 {
                let store = try SQLiteStore(path: path, options: SQLiteOptions(.small))
                try await store.commit(Sent(id: "\(number % 3)", insertID: "\(number)"))
                let standing = try await store.standing()
                buildingCount += standing.runs.count { $0.state == .building }
                #expect(standing.records(in: .live) + standing.openRecords == number + 1)
                #expect(standing.runs.allSatisfy { $0.isInOrder })
                try await store.close()
            }
            #expect(buildingCount > 50)
            let store = try SQLiteStore(path: path, options: SQLiteOptions(.small))
            #expect(try await store.standing().runs.count { $0.state == .live } < 16)
            #expect(try await store.activity(of: "1").count == 50)
            try await store.close()
        }
    }

    @Test func `no number of a row of arrivals is given twice`() async throws {
        try await withStore(.tiny) { store async throws in
            var last: Int64 = 0
            for number in 0..<5 {
                try await store.commit(Sent(id: "a", insertID: "\(number)"))
                let next = try await store.number("SELECT value FROM counter WHERE name = 'batch'")
                #expect(next == last + 1)
                last = next
            }
        }
    }

    @Test func `what was acknowledged is found by its id after the process was killed`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
                let store = try SQLiteStore(path: path, options: SQLiteOptions(.small))
                for number in 0..<200 { try await store.commit(Sent(id: "\(number % 5)", insertID: "\(number)")) }
                Task {
                    for number in 0..<1_000 { try await store.commit(Sent(id: "late", insertID: "\(number)")) }
                }
                await Task.yield()
                kill(getpid(), SIGKILL)
            }
            let store = try SQLiteStore(path: path, options: SQLiteOptions(.small))
            for _ in 0..<2 {
                let events = try await store.events()
                for id in ["0", "1", "2", "3", "4", "late"] {
                    let found = try await store.activity(of: id)
                    #expect(found == events.filter { $0.sent == id }.reversed())
                    #expect(found.count >= 40 || id == "late")
                }
                for number in 0..<50 { try await store.commit(Sent(id: "after", insertID: "\(number)")) }
            }
            try await store.close()
        }
    }

    @Test func `a commit that fails leaves runs as they were, and the next goes on`() async throws {
        var options = SQLiteOptions(.small)
        options.maxPageCount = 150
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory + "/store.sqlite", options: options)
            var count = 0
            for number in 0..<60 {
                try await store.commit(Sent(id: "a", insertID: "\(number)"))
                count += 1
                let big = (0..<200).map { Sent(id: "b\($0)", properties: String(repeating: "x", count: 9_000)) }
                if number % 5 == 4 {
                    await #expect(throws: StoreError(.full, "")) {
                        try await store.commit([.of(big)], by: original, nowMilliseconds: 1)
                    }
                }
                #expect(try await store.activity(of: "a").count == count)
            }
            let standing = try await store.standing()
            #expect(standing.records(in: .live) + standing.openRecords == 60)
            try await store.close()
        }
    }

    @Test(arguments: [
        Statements.openArrivals, Statements.arrivalsAfter, Statements.runs, Statements.runsInState,
        Statements.fencesAbove, Statements.fenceBelow, Statements.fence, Statements.postingBlock,
        Statements.startedDeletion,
    ])
    func `no statement about runs reads more than it must`(_ sql: String) async throws {
        try await withStore(.small) { store async throws in
            let plan = try await store.plan(of: sql)
            #expect(plan.contains { $0.contains("SEARCH") }, "\(plan)")
            #expect(!plan.contains { $0.contains("SCAN") || $0.contains("TEMP B-TREE") }, "\(plan)")
            let isByFence = sql == Statements.fencesAbove || sql == Statements.fenceBelow
            if isByFence { #expect(plan.contains { $0.contains("(first_hash,first_time,ordinal)") }, "\(plan)") }
        }
    }

    private func withStore(
        _ postings: SQLiteOptions.Postings, _ body: (SQLiteStore) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory + "/store.sqlite", options: SQLiteOptions(postings))
            try await body(store)
            try await store.close()
        }
    }
}

/// Deletions beside closing and merging.
@Suite(.timeLimit(.minutes(10)))
struct SQLitePostingsDeletionTests {
    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func `a deletion finds everything, whatever is closed and merged between its looks`(
        _ seed: UInt64
    ) async throws {
        var random = SeededGenerator(seed: seed)
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory + "/store.sqlite", options: SQLiteOptions(.small))
            var number = 0
            func commit(_ ids: Int) async throws {
                number += 1
                let events = (0..<Int.random(in: 1...4, using: &random)).map { place in
                    Sent(
                        id: "\(Int.random(in: 0..<ids, using: &random))", insertID: "\(number)-\(place)",
                        time: Int64.random(in: 0..<100, using: &random))
                }
                _ = try await store.commit([.of(events)], by: original, nowMilliseconds: 1)
            }
            for _ in 0..<150 { try await commit(8) }
            let victims: [DistinctID] = [DistinctID("1"), DistinctID("5")]
            var deletion = SQLiteDeletion(of: project)
            _ = deletion.insert(Set(victims))
            // No task is started, so that nothing holds merging up.
            while true {
                let (finding, looked) = try await store.onReader { [deletion] db throws(StoreError) in
                    var deletion = deletion
                    return (try deletion.look(db), deletion)
                }
                deletion = looked
                for _ in 0..<Int.random(in: 0..<12, using: &random) { try await commit(8) }
                var rest = finding.places[...]
                while !rest.isEmpty {
                    let count = try await store.write { [rest] writer, db throws(StoreError) in
                        try writer.inTransaction(db) { _ throws(StoreError) in
                            try looked.change(rest, generating: &writer.hashes, db)
                        }
                    }
                    rest = rest.dropFirst(count)
                    for _ in 0..<Int.random(in: 0..<3, using: &random) { try await commit(8) }
                }
                if finding.isEnd, number > 400 { break }
            }
            let gone = try await store.write { [deletion] writer, db throws(StoreError) in
                try writer.inTransaction(db) { _ throws(StoreError) in
                    var deletion = deletion
                    return try deletion.deleteClusters(
                        of: victims, lookingAtMost: .max, generating: &writer.hashes, db)
                }
            }
            #expect(gone == Set(victims))
            #expect(try await store.events().allSatisfy { !["1", "5"].contains($0.sent) })
            let hashes = Set(victims.map { id in id.bytes.withUnsafeBytes { DeletedIDs.hash(of: $0) } })
            let standing = try await store.standing()
            for run in standing.runs where run.state != .dead {
                #expect(!run.blocks.contains { $0.contains { hashes.contains($0.filedHash) } }, "seed \(seed)")
            }
            #expect(standing.runs.allSatisfy { $0.isInOrder })
            let events = try await store.events()
            #expect(standing.records(in: .live) + standing.openRecords == events.count)
            for id in ["0", "2", "7"] {
                #expect(try await store.activity(of: id) == events.filter { $0.sent == id }.reversed())
            }
            try await store.close()
        }
    }

    @Test func `a finished deletion leaves no dead run, and holds merging up for as long as it is started`()
        async throws
    {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory + "/store.sqlite", options: SQLiteOptions(.small))
            func commit(_ count: Int) async throws {
                for _ in 0..<count { try await store.commit(Sent(id: "other"), Sent(id: "victim")) }
            }
            try await commit(100)
            var task = PrivacyTask.deletion("t", of: "victim")
            #expect(try await store.add(task, openLimit: 1))
            task.state = .started
            #expect(try await store.replace(task, in: .pending))
            let before = try await store.standing()
            try await commit(60)
            let held = try await store.standing()
            #expect(held.runs.count { $0.state == .live } == before.runs.count { $0.state == .live } + 20)
            #expect(held.runs.map(\.level).max() == before.runs.map(\.level).max())
            #expect(try await store.deleteClusters(of: "t"))
            let after = try await store.standing()
            #expect(!after.runs.contains { $0.state == .dead })
            #expect(after.records(in: .live) + after.openRecords == 160)
            try await commit(300)
            #expect(try await store.standing().runs.count { $0.state == .live } < 20)
            #expect(try await store.activity(of: "victim").count == 300)
            #expect(try await store.activity(of: "other").count == 460)
            try await store.close()
        }
    }
}

/// All that a store has to find events by, of project 1.
struct PostingStanding {
    struct Run {
        let level: Int64
        let state: PostingRun.State
        let recordCount: Int
        let blocks: [[Arrival]]
        /// Whether the fences say what the blocks begin with.
        let isFenced: Bool

        var isInOrder: Bool {
            let records = blocks.flatMap { $0 }
            return isFenced && !blocks.contains { $0.isEmpty }
                && zip(records, records.dropFirst()).allSatisfy { $0 < $1 }
        }
    }

    var openRows = 0
    var openRecords = 0
    var runs: [Run] = []
    var blockCount = 0

    func records(in state: PostingRun.State) -> Int {
        runs.lazy.filter { $0.state == state }.flatMap(\.blocks).reduce(0) { $0 + $1.count }
    }
}

extension SQLiteStore {
    func standing() async throws(StoreError) -> PostingStanding {
        try await onReader { db throws(StoreError) in
            var standing = PostingStanding()
            let open = try PreparedStatement("SELECT length(packed) FROM arrivals WHERE project = 1", in: db)
            let sizes = try open.all { $0.integer(0) }
            standing.openRows = sizes.count
            standing.openRecords = Int(sizes.reduce(0, +)) / 32
            for run in try PostingRun.all(of: project, db).sorted(by: { $0.number < $1.number }) {
                var blocks: [[Arrival]] = []
                var isFenced = true
                for fence in try PostingFence.all(of: run.number, after: nil, limit: .max, db) {
                    let records = try fence.records(db)
                    isFenced = isFenced && records.first?.filedHash == fence.firstHash
                    isFenced = isFenced && records.first?.key.timeMilliseconds == fence.firstMilliseconds
                    isFenced = isFenced && fence.ordinal >= blocks.count
                    blocks.append(records)
                }
                standing.runs.append(
                    PostingStanding.Run(
                        level: run.level, state: run.state, recordCount: run.recordCount, blocks: blocks,
                        isFenced: isFenced))
            }
            let blocks = try PreparedStatement("SELECT count(*) FROM posting_block", in: db)
            standing.blockCount = Int(try blocks.first { $0.integer(0) } ?? 0)
            return standing
        }
    }

    fileprivate func number(_ sql: String) async throws(StoreError) -> Int64 {
        try await onReader { db throws(StoreError) in try PreparedStatement(sql, in: db).first { $0.integer(0) } ?? 0 }
    }
}
