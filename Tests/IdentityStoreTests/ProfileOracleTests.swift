import IdentityEngine
import IdentityStore
import Testing

/// Random histories of updates and links: every profile that a store computes is the one that a replay gives.
@Suite(.timeLimit(.minutes(10)))
struct ProfileOracleTests {
    private static let historyCount = 300

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func `the profiles of both stores are what a replay of all updates gives`(_ round: UInt64) async throws {
        let seed = UInt64.random(in: 0 ... .max) &+ round
        var random = SeededGenerator(seed: seed)
        let histories = (1...Self.historyCount).map { ProfileHistory(ProjectID(Int64($0)), using: &random) }
        let rules = Dictionary(uniqueKeysWithValues: histories.map { ($0.project, $0.rules) })
        let memory = MemoryStore(sizeLimitBytes: 1 << 30)
        try await withTemporaryDirectory { directory in
            var options = SQLiteOptions()
            options.synchronous = .normal
            let sqlite = try SQLiteStore(path: directory + "/store.sqlite", options: options)
            let models = try await Self.replay(histories, in: memory, by: rules)
            let submissions = Self.submissions(of: histories)
            var rest = submissions[...]
            while !rest.isEmpty {
                let group = Array(rest.prefix(Int.random(in: 1...900, using: &random)))
                rest = rest.dropFirst(group.count)
                _ = try await sqlite.commit(group, by: rules, nowMilliseconds: 1)
            }
            for (history, model) in zip(histories, models) {
                for store in [memory, sqlite] as [any Store] {
                    let faults = try await Self.faults(of: history, model, in: store)
                    guard let fault = faults.first else { continue }
                    let shortest = try await history.shortened { try await Self.fails($0) }
                    Issue.record("seed \(seed), \(type(of: store)): \(fault)\n\(history)\nor only \(shortest)")
                    break
                }
            }
            try await sqlite.close()
        }
    }

    private static func fails(_ history: ProfileHistory) async throws -> Bool {
        let store = MemoryStore(sizeLimitBytes: 1 << 30)
        let model = try await replay([history], in: store, by: [history.project: history.rules])
        return try await !faults(of: history, model[0], in: store).isEmpty
    }

    /// The requests of all histories: the first of each, then the second of each, and so on.
    private static func submissions(of histories: [ProfileHistory]) -> [EventBatch] {
        let batches = histories.map(\.batches)
        let longest = batches.map(\.count).max() ?? 0
        return (0..<longest).flatMap { step in batches.compactMap { step < $0.count ? $0[step] : nil } }
    }

    /// Commits histories to a store step by step, and to a model each.
    private static func replay(
        _ histories: [ProfileHistory], in store: any Store, by rules: [ProjectID: MergeRules]
    ) async throws -> [NaiveProfiles] {
        var models = histories.map { _ in NaiveProfiles() }
        let batches = histories.map(\.batches)
        for step in 0..<(batches.map(\.count).max() ?? 0) {
            let active = histories.indices.filter { step < batches[$0].count }
            let results = try await store.commit(active.map { batches[$0][step] }, by: rules, nowMilliseconds: 1)
            for (place, result) in zip(active, results) {
                let history = histories[place]
                let sequence = result.lastSequences[history.project] ?? 0
                for update in history.steps[step].updates {
                    var id = update.id
                    if history.system == .legacy, !update.isLiteral {
                        id = DistinctID(try await store.canonicalID(of: id.description, in: history.project))
                    }
                    for operation in update.effects(atMilliseconds: ProfileHistory.milliseconds(ofStep: step)) {
                        let isLiteral = update.isLiteral && history.system != .legacy
                        models[place].send(operation, to: id, isLiteral: isLiteral, sequence: sequence)
                    }
                }
            }
        }
        for (place, history) in histories.enumerated() where history.system != .legacy {
            for entry in try await store.log(of: history.project) where entry.hasLink {
                models[place].links.append((entry.sequence, [entry.event.primary, entry.event.secondary]))
            }
        }
        return models
    }

    /// Says where a store differs from the model.
    private static func faults(
        of history: ProfileHistory, _ model: NaiveProfiles, in store: any Store
    ) async throws -> [String] {
        var faults: [String] = []
        for rule in ProfileMergeRule.allCases {
            var expected: [DistinctID: NaiveProfiles.Properties] = [:]
            for id in history.ids {
                var members = try await store.read { snapshot throws(StoreError) in
                    try Self.members(of: id, history, snapshot)
                }
                if history.system == .legacy, model.profile(of: members, rule) == nil {
                    // P 9-2: an alias without a profile of its own shows that of what it stands for.
                    members = try await store.read { snapshot throws(StoreError) in
                        [try snapshot.identity(of: history.project).canonicalID(of: id)]
                    }
                }
                let found = try await store.read { snapshot throws(StoreError) in
                    try snapshot.clusterProfile(of: id, in: history.project, system: history.system, rule: rule)
                }
                let wanted =
                    history.system == .simplified
                    ? model.profile(ofViewer: members[0]) : model.profile(of: members, rule)
                let properties = try NaiveProfiles.Value.properties(found?.properties)
                if properties != wanted {
                    faults.append("\(rule) \(id): \(properties ?? [:]), not \(wanted ?? [:])")
                }
                if let found { expected[found.ownerID] = properties }
                if found != nil, found?.canonicalID != members[0] { faults.append("canonical id of \(id)") }
            }
            let listed = try await store.read { snapshot throws(StoreError) in
                var listed: [ClusterProfile] = []
                while true {
                    let page = try snapshot.clusterProfiles(
                        in: history.project, after: listed.last?.ownerID, limit: 2, sizeLimitBytes: 40,
                        system: history.system, rule: rule)
                    if page.isEmpty { return listed }
                    listed += page
                }
            }
            if listed.map(\.ownerID) != expected.keys.sorted() { faults.append("\(rule) lists \(listed)") }
            for profile in listed
            where try NaiveProfiles.Value.properties(profile.properties) != expected[profile.ownerID] {
                faults.append("\(rule) lists \(profile)")
            }
        }
        return try await faults + faultsWithoutALink(of: history, model, in: store)
    }

    /// Says where the profiles differ that the parts of a cluster have once a link is gone: what is kept of each id
    /// must do for every part.
    private static func faultsWithoutALink(
        of history: ProfileHistory, _ model: NaiveProfiles, in store: any Store
    ) async throws -> [String] {
        var faults: [String] = []
        let profiles = try await store.read { snapshot throws(StoreError) in
            try snapshot.profiles(in: history.project, after: nil, limit: .max, sizeLimitBytes: .max)
        }
        for place in model.links.indices where history.system == .original {
            var parted = model
            parted.links.remove(at: place)
            for first in history.ids {
                let members = history.ids.filter { $0 == first || parted.joined($0, first) < .max }
                let sent = profiles.filter { members.contains($0.id) }.sorted { $0.id < $1.id }
                let views = ProfileViews(sent.map { .init(ledger: $0.ledger, updatedMilliseconds: 1) }) { [parted] in
                    parted.joined(sent[$0].id, sent[$1].id)
                }
                for rule in ProfileMergeRule.allCases {
                    let found = try NaiveProfiles.Value.properties(views.profile(by: rule)?.properties)
                    let wanted = parted.profile(of: members.sorted(), rule)
                    if found == wanted { continue }
                    faults.append("\(rule) \(first) without link \(place): \(found ?? [:]), not \(wanted ?? [:])")
                }
            }
        }
        return faults
    }

    /// The members of an id's cluster in canonical order; the id alone in a Legacy project.
    private static func members(
        of id: DistinctID, _ history: ProfileHistory, _ snapshot: any StoreSnapshot
    ) throws(StoreError) -> [DistinctID] {
        let identity = snapshot.identity(of: history.project)
        guard history.system != .legacy, let node = try identity.node(for: id) else { return [id] }
        var nodes: [Node] = []
        try identity.forEachMember(ofRoot: try identity.root(of: node)) { member in
            nodes.append(member)
            return true
        }
        return nodes.sorted { $0.rank < $1.rank }.map(\.id)
    }
}
