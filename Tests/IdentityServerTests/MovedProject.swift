import Foundation
import IdentityEngine
import IdentityServer
import IdentityStore
import MixpanelWire
import Testing

/// A project in a store of its own, which exports and imports.
struct MovedProject {
    let store: any Store
    let number: Int64

    init(number: Int64, _ backend: ExportImportTests.Backend, _ path: String) throws {
        self.number = number
        store =
            switch backend {
            case .memory: MemoryStore(sizeLimitBytes: 1 << 30)
            case .sqlite: try SQLiteStore(path: path + ".sqlite", options: SQLiteOptions())
            }
    }

    var id: ProjectID { ProjectID(number) }

    /// The project as it is stored.
    var project: ProjectRecord {
        get async throws {
            try #require(try await store.projects().first { $0.id == id })
        }
    }

    /// Gives the project its rules, or makes it.
    func save(_ rules: MergeRules) async throws {
        try await store.save(
            ProjectRecord(
                id: id, name: "moved", token: "token \(number)", secretDigest: [UInt8(number)], rules: rules,
                createdMilliseconds: 1),
            nowMilliseconds: 1)
    }

    func export(to path: String) async throws {
        let range = Export.Range(fromMilliseconds: 0, beforeMilliseconds: .max)
        let project = try await project
        let survey = try await LogSurvey(of: project, in: store, for: range)
        var bytes: [UInt8] = []
        for try await lines in ProjectExport(store: store, project: project, range: range, survey: survey) {
            bytes += lines
        }
        try Data(bytes).write(to: URL(filePath: path))
    }

    /// The rows of the export over HTTP.
    func rawRows() async throws -> [String] {
        let export = Export(
            store: store, project: id, system: try await project.rules.system,
            range: Export.Range(fromMilliseconds: 0, beforeMilliseconds: .max))
        var rows: [String] = []
        for try await lines in export {
            rows += String(decoding: lines, as: UTF8.self).split(separator: "\n").map { String($0) }
        }
        return rows
    }

    /// Imports a file, up to its end or to some number of commits.
    @discardableResult
    func take(_ path: String, stoppingAfter limit: Int = .max) async throws -> Importer.Tally {
        let importer = Importer(
            store: store, project: try await project, clock: ServerClock(), acceptsMissingTime: false)
        var tally = Importer.Tally()
        var asked = 0
        var listener = Importer.Listener.silent
        listener.isStopped = {
            asked += 1
            return asked > limit
        }
        try await importer.run([path], tally: &tally, listener: listener)
        return tally
    }

    func verifies() async throws -> Bool {
        try await store.verify(try await project, decides: true, checksEvents: true, progress: { _ in }).isIdentical
    }

    /// What must be the same after a move.
    struct State: Hashable {
        var clusters: Set<Set<DistinctID>> = []
        var canonicalIDs: [DistinctID: DistinctID] = [:]
        var blocks: Set<Set<DistinctID>> = []
        var log: [String] = []
        var events: [String: Int] = [:]
    }

    /// What it is like, of the ids that another project knows.
    func state(of source: MovedProject) async throws -> State {
        let sourceID = source.id
        let ids = try await source.store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> [DistinctID] in
            try snapshot.nodes(in: sourceID, after: 0, limit: .max).map(\.id)
        }
        let project = id
        return try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> State in
            var state = State()
            let identity = snapshot.identity(of: project)
            var byCanonical: [DistinctID: Set<DistinctID>] = [:]
            for id in ids {
                let canonical = try identity.resolve(id).canonicalID
                state.canonicalIDs[id] = canonical
                byCanonical[canonical, default: []].insert(id)
            }
            state.clusters = Set(byCanonical.values)
            for block in try snapshot.blocks(in: project, after: nil, limit: .max) {
                state.blocks.insert([try identity.id(of: block.pair.low), try identity.id(of: block.pair.high)])
            }
            state.log = try snapshot.logRecords(LogQuery(limit: .max), in: project).map { record in
                switch record {
                case .entry(let entry): "\(entry.event) \(entry.outcome) \(entry.hasLink) \(entry.maxClusterSize)"
                case .amendment(let entry): "\(entry.amendment) \(entry.ids)"
                case .tombstone: "nothing"
                }
            }
            for event in try snapshot.events(
                in: project, after: .before(0), beforeMilliseconds: .max, limit: .max, sizeLimitBytes: .max)
            {
                let parts = [event.name, event.sentID, event.filedID].map { String(decoding: $0, as: UTF8.self) }
                state.events["\(event.key.timeMilliseconds) \(parts)", default: 0] += 1
            }
            return state
        }
    }
}

extension Importer.Listener {
    static var silent: Importer.Listener {
        Importer.Listener(
            progress: { _ in }, rejected: { Issue.record("rejected: \($0)") }, warned: { _ in },
            isStopped: { false })
    }
}

/// A random history of a project: records of clients, amendments and changes of rules.
struct MovedHistory {
    let system: IdentitySystem
    var random: SplitMix
    private var insertID = 0
    private var hasCopies = true

    /// A seed to print; `SELFSAME_SEED` sets it.
    static func seed() -> UInt64 {
        ProcessInfo.processInfo.environment["SELFSAME_SEED"].flatMap { UInt64($0) } ?? .random(in: 0 ... .max)
    }

    init(system: IdentitySystem, seed: UInt64) {
        self.system = system
        random = SplitMix(state: seed)
    }

    private static let users = (0..<7).map { "user-\($0)" }
    private static let devices = (0..<9).map { "\($0)aaaaaaa-0000-4000-8000-00000000000\($0)" }

    mutating func play(in source: MovedProject, amending: Bool) async throws {
        hasCopies = amending
        var rules = MergeRules(system: system, maxClusterSize: system == .original ? 6 : 0)
        if !amending { rules.maxClusterSize = MergeRules.defaultMaxClusterSize }
        try await source.save(rules)
        let decoder = EventDecoder()
        for step in 0..<220 {
            let record = record(step)
            let isMerge = record.contains("$merge")
            var batch = EventBatch(
                origin: .init(endpoint: isMerge ? .import : .track, principal: "test"),
                receivedMilliseconds: Int64(1_700_000_000_000 + step))
            let project = RecordProject(project: source.id, system: system)
            _ = decoder.decode(
                Payload(json: Array(record.utf8), isLines: false), into: &batch,
                projects: isMerge ? .fixed(project, mayMerge: true) : .byToken { _ in project }, strict: false,
                nowMilliseconds: 1_700_000_000_000)
            _ = try await source.store.commit([batch], by: [source.id: rules], nowMilliseconds: Int64(step))
            guard amending, step % 4 == 3 else { continue }
            try await amend(source, rules, step)
            if step % 40 == 39 {
                rules.maxClusterSize = system == .original ? Int.random(in: 3...8, using: &random) : 0
                rules.anonymousForm = Bool.random(using: &random) ? .any : .mixpanel
                try await source.save(rules)
            }
        }
    }

    private mutating func amend(_ source: MovedProject, _ rules: MergeRules, _ step: Int) async throws {
        let project = source.id
        let (last, unmerges) = try await source.store.read {
            (snapshot: any StoreSnapshot) throws(StoreError) -> (Int64, [Int64]) in
            (
                try snapshot.lastSequence(of: project),
                try snapshot.logRecords(LogQuery(limit: .max, verb: .unmerge), in: project).map(\.sequence)
            )
        }
        if last == 0 { return }
        let keepsApart = Bool.random(using: &random)
        let request: AmendmentRequest =
            switch Int.random(in: 0..<6, using: &random) {
            case 0: .unmergeID(DistinctID(any()), keepsApart: keepsApart)
            case 1: .unblock(DistinctID(any()), DistinctID(any()))
            case 2: .restore(unmerges.randomElement(using: &random) ?? 1)
            default: .unmergeLink(Int64.random(in: 1...last, using: &random), keepsApart: keepsApart)
            }
        _ = try await source.store.amend(
            request, in: project, by: rules, origin: .command, nowMilliseconds: Int64(step))
    }

    private mutating func any() -> String {
        let ids = Self.users + (system == .simplified ? Self.devices.map { "$device:" + $0 } : Self.devices)
        return ids.randomElement(using: &random) ?? ""
    }

    private mutating func record(_ step: Int) -> String {
        let user = Self.users.randomElement(using: &random) ?? ""
        let device = Self.devices.randomElement(using: &random) ?? ""
        // Few insert ids, so that copies replace one another; times in no order.
        insertID += Int.random(in: hasCopies ? 0...2 : 1...2, using: &random)
        let time = 1_600_000_000 + Int.random(in: 0..<30, using: &random)
        let common = #""token":"t","time":\#(time),"$insert_id":"i\#(insertID)","n":\#(step)"#
        func record(_ name: String, _ fields: String) -> String {
            #"[{"event":"\#(name)","properties":{\#(fields),\#(common)}}]"#
        }
        let kind = Int.random(in: 0..<8, using: &random)
        switch system {
        case .original:
            switch kind {
            case 0, 1, 2: return record("$identify", #""$identified_id":"\#(user)","$anon_id":"\#(device)""#)
            case 3: return record("$identify", #""distinct_id":"\#(any())","$anon_distinct_id":"\#(any())""#)
            case 4: return record("$create_alias", #""distinct_id":"\#(any())","alias":"\#(any())""#)
            case 5: return record("$merge", #""$distinct_ids":["\#(any())","\#(any())"]"#)
            default: return record("Viewed", #""distinct_id":"\#(any())""#)
            }
        case .simplified:
            switch kind {
            case 0, 1, 2: return record("Viewed", #""$device_id":"\#(device)","$user_id":"\#(user)""#)
            case 3: return record("Viewed", #""$device_id":"\#(device)""#)
            case 4: return record("Viewed", #""$user_id":"\#(user)""#)
            default: return record("Viewed", #""distinct_id":"\#(any())""#)
            }
        case .legacy:
            switch kind {
            case 0, 1, 2: return record("$create_alias", #""distinct_id":"\#(any())","alias":"\#(any())""#)
            case 3: return record("$identify", #""distinct_id":"\#(user)","$anon_id":"\#(device)""#)
            default: return record("Viewed", #""distinct_id":"\#(any())""#)
            }
        }
    }

    /// A row as Mixpanel's raw export has it, which knows when it took a record, and nothing of our log.
    static func withoutOwnMarks(_ row: String) -> String {
        row.replacing(#/"\$selfsame_sequence":\d+,/#, with: "")
    }
}

/// A generator of numbers that follow from a seed.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
