import IdentityEngine
import IdentityStore
import Testing

/// Random histories, on every store: they agree, and the past can be read from the present.
@Suite(.timeLimit(.minutes(10)))
struct StoreOracleTests {
    static let systems: [IdentitySystem] = IdentitySystem.allCases

    @Test(arguments: systems, [1, 2, 3] as [UInt64])
    func `SQLite and Memory agree on a random history, however it is cut into groups`(
        _ system: IdentitySystem, _ round: UInt64
    ) async throws {
        let seed = UInt64.random(in: 0 ... .max) &+ round
        var random = SeededGenerator(seed: seed)
        let memory = MemoryStore(sizeLimitBytes: 1 << 30)
        try await withTemporaryDirectory { directory in
            let sqlite = try SQLiteStore(path: directory + "/store.sqlite")
            let rules = MergeRules(system: system, maxClusterSize: system == .original ? 9 : 0)
            let byProject = [ProjectID(1): rules, ProjectID(2): rules]
            for _ in 0..<12 {
                let history = History.events(60, system: system, using: &random)
                let now = Int64.random(in: 0..<1_000, using: &random)
                for store in [memory, sqlite] as [any Store] {
                    for group in History.groups(of: history, using: &random) {
                        _ = try await store.commit(group, by: byProject, nowMilliseconds: now)
                    }
                }
                for request in try await History.amendments(of: memory, rules.system, using: &random) {
                    let project = ProjectID(Int64.random(in: 1...2, using: &random))
                    var reports: [Result<AmendmentReport, AmendmentRefusal>] = []
                    for store in [memory, sqlite] as [any Store] {
                        reports.append(
                            try await store.amend(
                                request, in: project, by: rules, origin: .command, nowMilliseconds: now))
                    }
                    #expect(reports[0] == reports[1], "seed \(seed), \(request)")
                }
            }
            for project in byProject.keys {
                let comment: Comment = "seed \(seed), project \(project)"
                let expected = try await State(of: memory, project)
                let found = try await State(of: sqlite, project)
                #expect(found.nodes == expected.nodes, comment)
                #expect(found.log == expected.log, comment)
                #expect(found.logsByID == expected.logsByID, comment)
                #expect(found.links == expected.links, comment)
                #expect(found.blocks == expected.blocks, comment)
                #expect(found.states == expected.states, comment)
                #expect(found.past == expected.past, comment)
                #expect(found.canonicalIDs == expected.canonicalIDs, comment)
                #expect(found.events == expected.events, comment)
                #expect(expected.log.count > 100 || system == .simplified, comment)
            }
            try await sqlite.close()
        }
    }

    @Test(arguments: Backend.allCases, systems)
    func `the canonical id as of a sequence is what was canonical when it was the last`(
        _ backend: Backend, _ system: IdentitySystem
    ) async throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        let rules = [ProjectID(1): MergeRules(system: system), ProjectID(2): MergeRules(system: system)]
        let history = History.events(150, system: system, using: &random)
        try await backend.withStore { store async throws in
            var past: [[DistinctID: DistinctID]] = [[:]]
            for (number, sent) in history.enumerated() {
                _ = try await store.commit([.of([sent])], by: rules, nowMilliseconds: 1)
                if number % 4 == 3, let request = try await History.amendments(of: store, system, using: &random).first
                {
                    _ = try await store.amend(
                        request, in: project, by: MergeRules(system: system), origin: .command, nowMilliseconds: 1)
                }
                let (sequence, now) = try await store.read { snapshot throws(StoreError) in
                    (try snapshot.lastSequence(of: project), try History.canonicalIDs(snapshot))
                }
                // An event and an amendment may have made two entries.
                while past.count < sequence { past.append([:]) }
                if sequence == past.count { past.append(now) }
                #expect(past[Int(sequence)] == now || sequence == 0, "seed \(seed)")
            }
            let known = past
            try await store.read { snapshot throws(StoreError) in
                let identity = snapshot.identity(of: project)
                for (sequence, canonicalIDs) in known.enumerated() where sequence > 0 {
                    for (id, canonical) in canonicalIDs {
                        let found = try identity.canonicalID(of: id, asOf: Int64(sequence))
                        #expect(found == canonical, "seed \(seed), \(id) as of \(sequence)")
                    }
                }
                for id in History.ids {
                    guard let node = try identity.node(for: id) else { continue }
                    let now = try identity.canonicalID(of: id)
                    var since = try snapshot.lastSequence(of: project)
                    while since > node.firstSequence, try identity.canonicalID(of: id, asOf: since - 1) == now {
                        since -= 1
                    }
                    #expect(try identity.canonicalSince(of: node) == since, "seed \(seed), \(id)")
                }
            }
        }
    }
}

/// All that reads tell of a project, generated hashes aside.
struct State: Equatable {
    var nodes: [Node] = []
    var log: [LogRecord] = []
    var blocks: [Block] = []
    var states: [NodeKey: [[LinkState]]] = [:]
    /// Clusters at some sequences of the past.
    var past: [PastCluster] = []
    var logsByID: [DistinctID: [Int64]] = [:]
    var links: [NodeKey: [Link]] = [:]
    var canonicalIDs: [DistinctID: DistinctID] = [:]
    var events: Set<StoredEvent> = []

    init(of store: any Store, _ project: ProjectID) async throws {
        nodes = try await store.nodes(of: project)
        let nodes = nodes
        (log, blocks, past) = try await store.read { snapshot throws(StoreError) in
            let last = try snapshot.lastSequence(of: project)
            var past: [PastCluster] = []
            for sequence in stride(from: 1, through: last, by: max(Int(last) / 9, 1)) {
                for node in nodes where node.firstSequence <= sequence {
                    past.append(try snapshot.identity(of: project).cluster(of: node, asOf: sequence))
                }
            }
            return (
                try snapshot.logRecords(LogQuery(limit: .max), in: project),
                try snapshot.blocks(in: project, after: nil, limit: .max), past
            )
        }
        let keys = nodes.map(\.key)
        (links, states, canonicalIDs, logsByID) = try await store.read { snapshot throws(StoreError) in
            var links: [NodeKey: [Link]] = [:]
            var states: [NodeKey: [[LinkState]]] = [:]
            for key in keys {
                let found = try snapshot.links(of: key, in: project)
                links[key] = found
                for link in found {
                    states[key, default: []].append(try snapshot.linkStates(of: link.sequence, in: project))
                }
            }
            var logs: [DistinctID: [Int64]] = [:]
            for id in History.ids {
                logs[id] = try snapshot.logRecords(LogQuery(limit: .max, distinctID: id), in: project).map(\.sequence)
            }
            return (links, states, try History.canonicalIDs(snapshot, project), logs)
        }
        for var event in try await store.events(of: project) {
            if event.insertID.isEmpty {
                event.key = EventKey(timeMilliseconds: event.key.timeMilliseconds, hashHigh: 0, hashLow: 0)
                // Without its hash it is told apart by its properties, which differ in every event of a history.
            }
            events.insert(event)
        }
    }
}

enum History {
    static let users = (0..<8).map { "U\($0)" }
    static let devices = (0..<10).map { anonymous($0) }
    static let ids: [DistinctID] = (users + devices).map { DistinctID($0) }

    /// Random events over few ids, so that they meet often.
    static func events(_ count: Int, system: IdentitySystem, using random: inout SeededGenerator) -> [Sent] {
        (0..<count).map { number in
            var sent = event(system, using: &random)
            sent.time = Int64.random(in: 0..<20, using: &random)
            sent.properties = "\(number) \(random.next())"
            if Bool.random(using: &random) { sent.insertID = "\(Int.random(in: 0..<40, using: &random))" }
            if Int.random(in: 0..<4, using: &random) == 0 { sent.project = ProjectID(2) }
            return sent
        }
    }

    private static func event(_ system: IdentitySystem, using random: inout SeededGenerator) -> Sent {
        let user = pick(users, &random)
        let device = pick(devices, &random)
        let any = pick(users + devices, &random)
        let other = pick(users + devices, &random)
        let kind = Int.random(in: 0..<6, using: &random)
        switch (system, kind) {
        case (_, 0): return Sent(id: any)
        case (.simplified, _): return .device(device, of: user)
        case (.legacy, _): return .alias(any, of: other)
        case (_, 1), (_, 2): return .identify(user, device)
        case (_, 3): return .identify(any, other)
        case (_, 4): return .alias(any, of: other)
        default: return .merge(any, other)
        }
    }

    /// Amendments that there may be something to do for, and some for which there is not.
    static func amendments(
        of store: any Store, _ system: IdentitySystem, using random: inout SeededGenerator
    ) async throws -> [AmendmentRequest] {
        let last = Int(try await store.read { snapshot throws(StoreError) in try snapshot.lastSequence(of: project) })
        guard last > 0 else { return [] }
        let unmerges = try await store.read { snapshot throws(StoreError) in
            try snapshot.logRecords(LogQuery(limit: .max, verb: .unmerge), in: project).map(\.sequence)
        }
        return (0..<3).map { _ in
            let keepsApart = Bool.random(using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: return .unmergeID(DistinctID(pick(users + devices, &random)), keepsApart: keepsApart)
            case 1:
                return .unblock(DistinctID(pick(users + devices, &random)), DistinctID(pick(users, &random)))
            case 2, 3: return .restore(unmerges.randomElement(using: &random) ?? 1)
            default: return .unmergeLink(Int64.random(in: 1...Int64(last), using: &random), keepsApart: keepsApart)
            }
        }
    }

    /// Cuts a history into groups of submissions at random.
    static func groups(of history: [Sent], using random: inout SeededGenerator) -> [[EventBatch]] {
        var groups: [[EventBatch]] = []
        var rest = history[...]
        while !rest.isEmpty {
            var group: [EventBatch] = []
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let events = rest.prefix(Int.random(in: 0...12, using: &random))
                group.append(.of(Array(events)))
                rest = rest.dropFirst(events.count)
            }
            groups.append(group)
        }
        return groups
    }

    static func canonicalIDs(
        _ snapshot: any StoreSnapshot, _ project: ProjectID = project
    ) throws(StoreError) -> [DistinctID: DistinctID] {
        var canonicalIDs: [DistinctID: DistinctID] = [:]
        for id in ids { canonicalIDs[id] = try snapshot.identity(of: project).canonicalID(of: id) }
        return canonicalIDs
    }

    private static func pick(_ ids: [String], _ random: inout SeededGenerator) -> String {
        ids[Int.random(in: ids.indices, using: &random)]
    }
}
