import Foundation
import IdentityEngine
import Testing

@testable import IdentityStore

/// Amendments that are planned beside commits, and written if they hold by then.
@Suite(.timeLimit(.minutes(10)))
struct AmendmentPlanTests {
    private static let unlimited = [project: MergeRules(maxClusterSize: 0)]

    private func withStore(_ body: (SQLiteStore, AmendmentPlan) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory + "/store.sqlite")
            try await store.commit(.merge("a", "b"), .merge("b", "c"), .merge("x", "y"))
            try await body(store, try await plan(store))
            try await store.close()
        }
    }

    private func plan(
        _ store: SQLiteStore, _ request: AmendmentRequest = .unmergeLink(1, keepsApart: true)
    ) async throws -> AmendmentPlan {
        try await store.read { snapshot throws(StoreError) in
            try snapshot.plan(request, in: project, system: .original, origin: .command, nowMilliseconds: 5_000)
        }.get()
    }

    private func brought(_ plan: AmendmentPlan, to store: SQLiteStore) async throws -> AmendmentPlan? {
        try await store.onReader { db throws(StoreError) in
            try plan.brought(to: SQLiteSnapshot(db), in: project, nowMilliseconds: 5_000)
        }
    }

    @Test func `a plan takes its place behind what was committed elsewhere meanwhile`() async throws {
        try await withStore { store, plan in
            try await store.commit(.merge("x", "z"), .merge("p", "q"), now: 9_000)
            let brought = try #require(try await brought(plan, to: store))
            let anew = try await self.plan(store)
            #expect(brought.report == anew.report)
            #expect(brought.nodes == anew.nodes)
            #expect(brought.report.entry.sequence == 6)
            #expect(brought.report.entry.timeMilliseconds == 9_000)
        }
    }

    @Test func `a plan holds no more once something happened to its cluster`() async throws {
        for event in [Sent.merge("c", "d"), .merge("d", "a"), .merge("c", "a"), .identify("a", anonymous(1))] {
            try await withStore { store, plan in
                try await store.commit(event)
                #expect(try await brought(plan, to: store) == nil)
            }
        }
    }

    @Test func `a plan holds no more once another amendment was made or its cluster was deleted`() async throws {
        try await withStore { store, plan in
            _ = try await store.amend(
                .unmergeLink(3, keepsApart: true), in: project, by: MergeRules(), origin: .command, nowMilliseconds: 1
            ).get()
            #expect(try await brought(plan, to: store) == nil)
        }
        try await withStore { store, plan in
            try await store.delete("c")
            #expect(try await brought(plan, to: store) == nil)
        }
    }

    /// Each of the processor's nanoseconds that this thread had is counted, whatever else runs on the machine.
    private static func cost(_ body: () throws(StoreError) -> Void) throws(StoreError) -> Double {
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
        }
        let start = now()
        try body()
        return now() - start
    }

    /// What an unmerge of an id with many links costs, and then its restore, both to be planned only.
    private func costs(of count: Int, isHubFirst: Bool) async throws -> (unmerge: Double, restore: Double) {
        let store = MemoryStore(sizeLimitBytes: 1 << 30)
        let events = (0..<count).map { isHubFirst ? Sent.merge("hub", "id \($0)") : .merge("id \($0)", "hub") }
        _ = try await store.commit([EventBatch.of(events)], by: Self.unlimited, nowMilliseconds: 1)
        let unmerge = AmendmentRequest.unmergeID(DistinctID("hub"), keepsApart: true)
        func cost(_ request: AmendmentRequest) async throws -> Double {
            try await store.read { snapshot throws(StoreError) in
                try Self.cost { () throws(StoreError) in
                    let planned = try snapshot.plan(
                        request, in: project, system: .original, origin: .command, nowMilliseconds: 1)
                    #expect((try? planned.get())?.links.count == count)
                }
            }
        }
        let first = try await cost(unmerge)
        let report = try await store.amend(
            unmerge, in: project, by: MergeRules(maxClusterSize: 0), origin: .command, nowMilliseconds: 1
        ).get()
        return (first, try await cost(.restore(report.entry.sequence)))
    }

    /// Sixteen times as many links cost sixteen times as much and a little more; by comparing each with each, it
    /// would be 256 times.
    @Test(arguments: [true, false]) func `planning costs in proportion to the links`(_ isHubFirst: Bool) async throws {
        _ = try await costs(of: 100, isHubFirst: isHubFirst)
        let few = try await costs(of: 500, isHubFirst: isHubFirst)
        let many = try await costs(of: 8_000, isHubFirst: isHubFirst)
        #expect(many.unmerge / few.unmerge < 64)
        #expect(many.restore / few.restore < 64)
    }
}
