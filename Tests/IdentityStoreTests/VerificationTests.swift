import GRDB
import IdentityEngine
import Testing

@testable import IdentityStore

/// What a verification finds in sound stores: nothing.
@Suite(.timeLimit(.minutes(10)))
struct VerificationTests {
    @Test(arguments: Backend.allCases, IdentitySystem.allCases)
    func `a store is what its log says, whatever was merged, parted, restored and deleted`(
        _ backend: Backend, _ system: IdentitySystem
    ) async throws {
        for _ in 0..<(backend == .memory ? 2 : 3) {
            let seed = UInt64.random(in: 0 ... .max)
            var random = SeededGenerator(seed: seed)
            try await backend.withStore { store async throws in
                var record = ProjectRecord.plain(MergeRules(system: system, maxClusterSize: 6))
                try await store.save(record)
                var profiles = 0
                for round in 0..<8 {
                    try await Self.work(on: store, record.rules, using: &random)
                    if round % 3 == 2 {
                        record.rules.maxClusterSize = [0, 2, 4, 9, 499].randomElement(using: &random) ?? 0
                        record.rules.anonymousForm = AnonymousForm.allCases.randomElement(using: &random) ?? .any
                        try await store.save(record, nowMilliseconds: 2_000)
                    }
                    if round % 3 == 1, let id = History.ids.randomElement(using: &random) {
                        try await store.delete(id.description)
                    }
                    let report = try await store.verify(
                        record, decides: true, checksEvents: true, progress: { _ in })
                    #expect(report.tally.first == nil, "seed \(seed), round \(round)")
                    #expect(report.verdicts?.first == [], "seed \(seed), round \(round)")
                    profiles += report.profiles
                    guard !report.isIdentical else { continue }
                    return
                }
                let report = try await store.verify(record, decides: true, checksEvents: true, progress: { _ in })
                let events = try await store.events()
                #expect(report.ids == (try await store.nodes().count))
                #expect(report.events == events.count)
                #expect(report.lastSequence > 10)
                // The last deletion may have taken all that there were.
                #expect(profiles > 0)
            }
        }
    }

    private static func work(
        on store: any Store, _ rules: MergeRules, using random: inout SeededGenerator
    ) async throws {
        let byProject = [ProjectID(1): rules, ProjectID(2): rules]
        let now = Int64.random(in: 0..<3_000, using: &random)
        let history = History.events(24, system: rules.system, using: &random)
        for var group in History.groups(of: history, using: &random) {
            for place in group.indices where Bool.random(using: &random) {
                let id = History.ids.randomElement(using: &random) ?? DistinctID("U0")
                group[place].update(id.description, [(.set, #"{"a":\#(place)}"#)])
            }
            _ = try await store.commit(group, by: byProject, nowMilliseconds: now)
        }
        for request in try await History.amendments(of: store, rules.system, using: &random) {
            _ = try await store.amend(request, in: project, by: rules, origin: .command, nowMilliseconds: now)
        }
    }

    @Test(arguments: Backend.allCases)
    func `an empty project is what its log says`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            let report = try await store.verify(
                project, by: MergeRules(), decides: true, checksEvents: true, progress: { _ in })
            #expect(report.isIdentical)
            #expect((report.lastSequence, report.ids, report.events) == (0, 0, 0))
        }
    }

    @Test(arguments: Backend.allCases)
    func `verdicts are decided anew under the rules of their time`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            var record = ProjectRecord.plain(MergeRules(maxClusterSize: 2))
            try await store.save(record)
            let strict = [project: record.rules]
            try await store.commit(.merge("a", "b"), .merge("a", "c"), .identify("u", "not a uuid"), by: strict)
            record.rules = MergeRules(maxClusterSize: 3, anonymousForm: .any)
            try await store.save(record)
            let loose = [project: record.rules]
            try await store.commit(.merge("a", "c"), .merge("a", "d"), .identify("u", "not a uuid"), by: loose)
            let outcomes = try await store.log().map(\.outcome)
            #expect(
                outcomes == [
                    .merged, .refused(.manyIDs), .refused(.anonymousNotGUIDForm), .merged, .refused(.manyIDs), .merged,
                ])
            let report = try await store.verify(record, decides: true, checksEvents: true, progress: { _ in })
            #expect(report.tally.first == nil)
            #expect(report.verdicts?.decided == 6)
            #expect(report.verdicts?.count == 0)
        }
    }

    @Test func `a verdict that is not what the rules say is listed, though the store follows from it`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            let store = try SQLiteStore(path: path)
            try await store.commit(
                .identify("U1", anonymous(1)), .identify("U2", anonymous(1)), .identify("U2", anonymous(1)))
            try await execute("UPDATE log SET refusal = 6, cluster_size = 3 WHERE sequence = 3", path)
            let report = try await store.verify(
                project, by: MergeRules(), decides: true, checksEvents: true, progress: { _ in })
            #expect(report.tally.first == nil)
            #expect(!report.isIdentical)
            #expect(
                report.verdicts?.first == [
                    DecidedAnew.Verdict(
                        sequence: 3, event: .of(.identify, "U2", anonymous(1)),
                        recorded: "refused (errManyIDs, 3 ids)", anew: "refused (errAnonDistinctIdAssignedAlready)")
                ])
            let plain = try await store.verify(
                project, by: MergeRules(), decides: false, checksEvents: false, progress: { _ in })
            #expect(plain.isIdentical)
            #expect(plain.events == nil)
            try await store.close()
        }
    }

    @Test func `the verdicts that are listed are bounded, and all are counted`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            let store = try SQLiteStore(path: path)
            let events = [Sent.identify("U1", anonymous(1))] + (0..<150).map { _ in Sent.identify("U2", anonymous(1)) }
            _ = try await store.commit([.of(events)], by: original, nowMilliseconds: 1)
            try await execute("UPDATE log SET refusal = 2 WHERE sequence > 1", path)
            let report = try await store.verify(
                project, by: MergeRules(), decides: true, checksEvents: true, progress: { _ in })
            #expect(report.verdicts?.count == 150)
            #expect(report.verdicts?.first.count == DecidedAnew.listLimit)
            try await store.close()
        }
    }

    @Test func `progress is told for what there is much of`() async throws {
        try await Backend.sqlite.withStore { store async throws in
            try await store.commit(.merge("a", "b"), .merge("c", "d"))
            let (stages, told) = AsyncStream<VerificationProgress>.makeStream()
            _ = try await store.verify(
                project, by: MergeRules(), decides: false, checksEvents: true, progress: { told.yield($0) })
            told.finish()
            var seen: [VerificationProgress.Stage] = []
            for await progress in stages where seen.last != progress.stage { seen.append(progress.stage) }
            #expect(seen == [.profiles, .log, .ids, .links, .names, .events])
        }
    }
}

/// Changes a store's file behind its back.
func execute(_ sql: String, _ path: String) async throws {
    let connection = try DatabaseQueue(path: path)
    try await connection.write { db in
        try db.execute(sql: sql)
        // A damage that damages nothing would test nothing.
        #expect(db.changesCount > 0, "\(sql)")
    }
    try connection.close()
}

extension ProjectRecord {
    static func plain(_ rules: MergeRules) -> ProjectRecord {
        ProjectRecord(
            id: project, name: "a", token: "t", secretDigest: [1], rules: rules, createdMilliseconds: 1)
    }
}
