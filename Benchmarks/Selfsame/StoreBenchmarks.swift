import Foundation
import IdentityEngine
import IdentityStore

/// Durable commits to a SQLite store, one at a time: what a transaction costs around the bare inserts.
///
/// The rows are made before the clock starts, as the reference program makes them. Events come as one submission of
/// many, as /import sends them; `$identify` comes as many submissions of one, as the server's queue collects them.
struct StoreBenchmarks {
    let directory: String
    let runs: Int
    let isQuick: Bool
    /// How much one run does, whichever ends first: rows (0 for a number that suits the batch), or seconds.
    let rowLimit: Int
    let secondsLimit: Double

    /// What is committed.
    private enum Kind: String, CaseIterable {
        case events
        case identify
    }

    /// Runs all of them, or one.
    ///
    /// - Parameters:
    ///   - kind: `events` or `identify`; nil for both.
    ///   - batch: events in one transaction; 0 for 1, 100 and 2,000.
    /// - Throws: `BenchmarkFailure` where less was stored than was given.
    func run(kind: String?, batch: Int) async throws {
        if let kind, Kind(rawValue: kind) == nil { throw BenchmarkFailure("--kind is events or identify") }
        Console.note("store: durable commits in \(directory)")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        for each in Kind.allCases where kind == nil || kind == each.rawValue {
            for size in batch > 0 ? [batch] : [1, 100, 2_000] { try await run(each, batch: size) }
        }
    }

    /// Makes a file with the tables and nothing in them.
    static func makeEmptyStore(_ path: String) async throws {
        let store = try SQLiteStore(path: path)
        try await store.close()
    }

    private func rowCount(_ kind: Kind, batch: Int) -> Int {
        if rowLimit > 0 { return rowLimit }
        let full = batch == 1 ? 2_000 : batch < 1_000 ? 30_000 : kind == .events ? 200_000 : 60_000
        return isQuick ? full / 5 : full
    }

    private func run(_ kind: Kind, batch: Int) async throws {
        let count = rowCount(kind, batch: batch)
        let groups = kind == .events ? Self.eventGroups(count, batch) : Self.identifyGroups(count, batch)
        let name = "store.\(kind.rawValue).\(batch)"
        var rate = Measurement(name: name, unit: "rows/s", detail: "at most \(count) rows, \(batch) a commit")
        var cost = Measurement(name: name + ".cpu", unit: "us/row")
        for _ in 0..<runs {
            let folder = "\(directory)/store-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let (rows, time) = try await commit(groups, kind, folder)
            rate.runs.append(Double(rows) / time.wall)
            cost.runs.append(time.processor * 1e6 / Double(rows))
        }
        rate.report()
        cost.report()
    }

    private func commit(
        _ groups: [[EventBatch]], _ kind: Kind, _ folder: String
    ) async throws -> (rows: Int, time: Elapsed) {
        let store = try SQLiteStore(path: folder + "/store.sqlite")
        let project = ProjectID(1)
        let rules = [project: MergeRules()]
        var rows = 0
        var merged = 0
        let start = Elapsed.now
        for (number, group) in groups.enumerated() {
            let results = try await store.commit(
                group, by: rules, nowMilliseconds: SampleEvents.nowMilliseconds + Int64(number))
            for result in results { merged += result.merged }
            for batch in group { rows += batch.events.count }
            if (Elapsed.now - start).wall > secondsLimit { break }
        }
        let time = Elapsed.now - start
        if kind == .identify {
            let last = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> Int64 in
                try snapshot.lastSequence(of: project)
            }
            guard merged == rows, last == Int64(rows) else {
                throw BenchmarkFailure("\(merged) of \(rows) pairs were merged, \(last) are in the log")
            }
        }
        try await store.close()
        return (rows, time)
    }
}

extension StoreBenchmarks {
    private static func eventGroups(_ count: Int, _ size: Int) -> [[EventBatch]] {
        var events = SampleEvents()
        let origin = EventBatch.Origin(endpoint: .import, principal: "secret")
        return stride(from: 0, to: count, by: size).map { start in
            var batch = EventBatch(origin: origin, receivedMilliseconds: SampleEvents.nowMilliseconds)
            for _ in start..<min(start + size, count) { batch.append(events.next()) }
            return [batch]
        }
    }

    private static func identifyGroups(_ count: Int, _ size: Int) -> [[EventBatch]] {
        let origin = EventBatch.Origin(endpoint: .track, principal: "token")
        var random = RandomNumbers()
        return stride(from: 0, to: count, by: size).map { start in
            (start..<min(start + size, count)).map { number in
                var batch = EventBatch(origin: origin, receivedMilliseconds: SampleEvents.nowMilliseconds)
                batch.append(identify: number, &random)
                return batch
            }
        }
    }
}

extension EventBatch {
    /// Adds a plain event, as the decoder lays it out.
    mutating func append(_ sample: SampleEvents.Event) {
        var event = Event(project: ProjectID(1))
        event.timeMilliseconds = sample.timeMilliseconds
        let start = bytes.count
        bytes.append("{")
        bytes += sample.properties
        // What makes a row of about 500 bytes, all columns together.
        bytes.append(#","$referrer":"https://search.example.com/results?q=running+shoes","$search_engine":"example"}"#)
        event.properties = Slice(offset: start, count: bytes.count - start)
        event.name = append(sample.name.utf8)
        event.insertID = append(sample.insertID)
        event.isDeduplicated = true
        event.sentID = append(sample.distinctID)
        event.filedID = event.sentID
        events.append(event)
    }

    /// Adds the `$identify` of a pair that nobody has named yet.
    fileprivate mutating func append(identify number: Int, _ random: inout RandomNumbers) {
        let identified = Array("customer-\(number)".utf8)
        var anonymous: [UInt8] = []
        anonymous.append(uuidOf: random.next(), random.next())
        var event = Event(project: ProjectID(1))
        // Ten in a millisecond, as a busy server stamps them.
        event.timeMilliseconds = SampleEvents.nowMilliseconds + Int64(number / 10)
        event.verb = .identify
        let start = bytes.count
        bytes.append(#"{"$identified_id":""#)
        bytes += identified
        bytes.append(#"","$anon_id":""#)
        bytes += anonymous
        bytes.append(#"","mp_lib":"web","$lib_version":"2.45.0"}"#)
        event.properties = Slice(offset: start, count: bytes.count - start)
        event.name = append("$identify".utf8)
        event.sentID = append(identified)
        event.filedID = event.sentID
        event.primaryID = event.sentID
        event.secondaryID = append(anonymous)
        events.append(event)
    }
}
