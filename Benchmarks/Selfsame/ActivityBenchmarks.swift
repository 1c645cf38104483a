import Foundation
import IdentityEngine
import IdentityStore

/// The activity of a cluster of five ids in a large store, and what keeping it to be found costs commits.
///
/// Each id has ten events, at random among the others, so that a cluster has fewer than a page and every run has to be
/// looked into.
struct ActivityBenchmarks {
    let directory: String
    let eventCount: Int
    let queryCount: Int

    private static let batchSize = 2_000
    private static let eventsPerID = 10
    private static let clusterSize = 5
    private static let pageLimit = 101
    private let project = ProjectID(1)

    /// Runs all of them.
    ///
    /// - Throws: `BenchmarkFailure` where an answer is not whole.
    func run() async throws {
        Console.note("activity: \(eventCount) events in \(directory)")
        let folder = "\(directory)/activity-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        // The same events into a store that closes none of them.
        var open = SQLiteOptions()
        open.postings.openRowLimit = .max
        open.postings.openRecordLimit = .max
        let openStore = try SQLiteStore(path: folder + "/open.sqlite", options: open)
        let without = try await fill(openStore)
        try await openStore.close()
        try? FileManager.default.removeItem(atPath: folder + "/open.sqlite")

        let store = try SQLiteStore(path: folder + "/store.sqlite")
        let with = try await fill(store)
        report(with, "activity.commit", "\(eventCount) events, \(Self.batchSize) a commit")
        report(without, "activity.commit.open", "\(eventCount) events, none of them closed")
        try await query(store)
        try await store.close()
    }

    /// Commits events.
    ///
    /// - Returns: what each commit took.
    private func fill(_ store: SQLiteStore) async throws -> [Elapsed] {
        var events = SampleEvents()
        var random = RandomNumbers(seed: 7)
        let origin = EventBatch.Origin(endpoint: .import, principal: "secret")
        let rules = [project: MergeRules()]
        let idCount = UInt64(max(eventCount / Self.eventsPerID, Self.clusterSize))
        var commits: [Elapsed] = []
        for start in stride(from: 0, to: eventCount, by: Self.batchSize) {
            var batch = EventBatch(origin: origin, receivedMilliseconds: SampleEvents.nowMilliseconds)
            for _ in start..<min(start + Self.batchSize, eventCount) {
                var event = events.next()
                event.distinctID = Self.id(random.next(below: idCount))
                batch.append(event)
            }
            let begin = Elapsed.now
            _ = try await store.commit([batch], by: rules, nowMilliseconds: SampleEvents.nowMilliseconds)
            commits.append(Elapsed.now - begin)
        }
        return commits
    }

    /// Reports the clock, and apart from it the processor's time, in which there is no disk.
    private func report(_ measured: [Elapsed], _ name: String, _ detail: String) {
        report(measured.map(\.wall), name, detail)
        report(measured.map(\.processor), name + ".cpu", detail)
    }

    private func report(_ seconds: [Double], _ name: String, _ detail: String) {
        let sorted = seconds.sorted()
        guard let worst = sorted.last else { return }
        Measurement(name: name + ".p50", unit: "ms", runs: [sorted[sorted.count / 2] * 1e3], detail: detail).report()
        Measurement(name: name + ".p99", unit: "ms", runs: [sorted[sorted.count * 99 / 100] * 1e3], detail: detail)
            .report()
        Measurement(name: name + ".worst", unit: "ms", runs: [worst * 1e3], detail: detail).report()
    }

    private func query(_ store: SQLiteStore) async throws {
        let idCount = UInt64(max(eventCount / Self.eventsPerID, Self.clusterSize))
        var random = RandomNumbers(seed: 11)
        var queries: [Elapsed] = []
        var eventCount = 0
        for _ in 0..<queryCount {
            let ids = (0..<Self.clusterSize).map { _ in DistinctID(Self.id(random.next(below: idCount))) }
            let (project, limit) = (project, Self.pageLimit)
            let begin = Elapsed.now
            let found = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> [StoredEvent] in
                try snapshot.activity(of: ids, in: project, before: .last, limit: limit, sizeLimitBytes: .max)
            }
            queries.append(Elapsed.now - begin)
            eventCount += found.count
            let isWhole = found.allSatisfy { ids.contains(DistinctID($0.filedID)) }
            guard isWhole, zip(found, found.dropFirst()).allSatisfy({ $0.key > $1.key }) else {
                throw BenchmarkFailure("an answer has events of others, or in another order")
            }
        }
        // As many as were written, within what chance allows: five times ten a query.
        let mean = Double(eventCount) / Double(queryCount)
        let expected = Double(Self.eventsPerID * Self.clusterSize)
        guard abs(mean - expected) < expected / 10 else {
            throw BenchmarkFailure("a query gave \(mean) events on average, but \(expected) are there")
        }
        report(queries, "activity.query", "\(queryCount) clusters of \(Self.clusterSize) ids, \(mean) events each")
    }

    private static func id(_ number: Int) -> [UInt8] {
        var text: [UInt8] = []
        text.append(uuidOf: UInt64(number) &* 0x9e37_79b9_7f4a_7c15, UInt64(number))
        return text
    }
}
