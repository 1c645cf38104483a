import IdentityEngine
import IdentityStore
import Testing

/// Random histories: what a preview tells of a batch is what then comes of it, and the preview itself leaves nothing.
@Suite(.timeLimit(.minutes(10)))
struct PreviewOracleTests {
    @Test(arguments: Backend.allCases, IdentitySystem.allCases)
    func `committing a batch gives what its preview told`(_ backend: Backend, _ system: IdentitySystem) async throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        let rules = MergeRules(system: system, maxClusterSize: system == .original ? 9 : 0)
        let control = MemoryStore(sizeLimitBytes: 1 << 30)
        var outcomes: Set<OutcomeKind> = []
        try await backend.withStore { store async throws in
            for round in 0..<40 {
                let comment: Comment = "seed \(seed), round \(round)"
                // Unmerges and restores between the batches, so that links are off and pairs are blocked.
                for request in try await History.amendments(of: store, system, using: &random).prefix(1) {
                    for store in [store, control] {
                        _ = try await store.amend(
                            request, in: project, by: rules, origin: .command, nowMilliseconds: 1_000)
                    }
                }
                let batch = History.events(Int.random(in: 0...12, using: &random), system: system, using: &random)
                    .map { $0.in(project) }
                let before = try await State(of: store, project)
                let clusters = try await Clusters(of: store)
                let previewed = try await store.preview(batch, by: rules)
                #expect(try await State(of: store, project) == before, comment)
                #expect(previewed.sequence == Int64(before.log.count), comment)

                var expected: [Told] = []
                for (position, sent) in batch.enumerated() {
                    if let told = try await store.commit(sent, at: position, by: rules) { expected.append(told) }
                    _ = try await control.commit(
                        [EventBatch.of([sent])], by: [project: rules], nowMilliseconds: 1_000)
                }
                #expect(previewed.statements.map { Told($0) } == expected, comment)
                outcomes.formUnion(expected.map(\.outcome.kind))
                let after = try await Clusters(of: store)
                #expect(previewed.changes.count == previewed.changeCount, comment)
                #expect(Set(previewed.changes.map { Changed($0) }) == clusters.changes(to: after), comment)
                let named = batch.compactMap(\.identity).flatMap { [$0.primary, $0.secondary] }
                // A statement about one id, or a conflict, may make no node.
                let largest = (previewed.largest?.size ?? 1, after.largestSize(of: named) ?? 1)
                #expect(largest.0 == largest.1, comment)
            }
            // Nothing that previews did shows: the same commits without them made the same nodes, under the same keys.
            let (found, expected) = (try await State(of: store, project), try await State(of: control, project))
            #expect(found == expected, "seed \(seed)")
            #expect(outcomes.count == 3, "seed \(seed) is a poor history")
        }
    }
}

/// What is told of a statement, before or after.
private struct Told: Equatable {
    let position: Int
    let outcome: MergeOutcome
    let isLogged: Bool
    let clusterSize: Int
    let failureDescription: String?
    let joinedIdentified: [DistinctID]

    init(_ statement: Preview.Statement) {
        position = statement.position
        outcome = statement.decision.outcome
        isLogged = statement.decision.isLogged
        clusterSize = statement.decision.clusterSize
        failureDescription = statement.failureDescription
        joinedIdentified = statement.joinedIdentified
    }

    init(_ position: Int, _ entry: LogEntry, joinedIdentified: [DistinctID]) {
        self.position = position
        outcome = entry.outcome
        isLogged = true
        clusterSize = entry.clusterSize
        failureDescription = entry.failureDescription
        self.joinedIdentified = joinedIdentified
    }

    /// A Simplified event that is no entry of the log.
    init(_ position: Int, unloggedAbout event: IdentityEvent, conflict: MergeRefusal?, clusterSize: Int) {
        self.position = position
        outcome = conflict.map { .refused($0) } ?? .unchanged
        isLogged = false
        self.clusterSize = conflict == nil ? clusterSize : 0
        failureDescription = conflict?.failureDescription(of: event, clusterSize: 0, maxClusterSize: 0)
        joinedIdentified = []
    }
}

extension Store {
    /// Commits one event, and finds out what came of its statement; nil for a plain event.
    fileprivate func commit(_ sent: Sent, at position: Int, by rules: MergeRules) async throws -> Told? {
        var before: [(canonicalID: DistinctID, isIdentified: Bool)] = []
        if let event = sent.identity { before = try await roots(of: event) }
        let result = try await commit([EventBatch.of([sent])], by: [project: rules], nowMilliseconds: 1_000)[0]
        guard let event = sent.identity else { return nil }
        guard result.merged + result.unchanged + result.refused > 0 else {
            let size = try await read { snapshot throws(StoreError) in
                try snapshot.identity(of: project).resolve(event.primary).clusterSize
            }
            // What differs in every event of a history.
            let stored = try #require(try await events().first { $0.text == sent.properties })
            #expect(result.conflicts == (stored.conflict == nil ? 0 : 1))
            return Told(position, unloggedAbout: event, conflict: stored.conflict, clusterSize: Int(size))
        }
        let sequence = try #require(result.lastSequences[project])
        let entry = try #require(
            try await read { snapshot throws(StoreError) in try snapshot.logEntry(sequence, in: project) })
        let isJoin = before.count == 2 && before.allSatisfy(\.isIdentified) && entry.outcome == .merged
        return Told(position, entry, joinedIdentified: isJoin ? before.map(\.canonicalID) : [])
    }

    private func roots(of event: IdentityEvent) async throws -> [(canonicalID: DistinctID, isIdentified: Bool)] {
        try await read { snapshot throws(StoreError) in
            let identity = snapshot.identity(of: project)
            var roots: [(canonicalID: DistinctID, isIdentified: Bool)] = []
            for id in [event.primary, event.secondary] {
                guard let node = try identity.node(for: id) else { continue }
                let root = try identity.root(of: node)
                // As the members say it, whatever the root has counted.
                var isIdentified = false
                try identity.forEachMember(ofRoot: root) { member in
                    if member.identifiedSequence != 0 { isIdentified = true }
                    return true
                }
                roots.append((try identity.canonicalNode(ofRoot: root).id, isIdentified))
            }
            return roots
        }
    }
}

/// One change, without order.
private struct Changed: Hashable {
    let before: Set<Preview.Summary>
    let after: Preview.Summary
    let members: Set<DistinctID>

    init(_ change: Preview.Change) {
        before = Set(change.before)
        after = change.after
        members = Set(change.members)
    }

    init(before: Set<Preview.Summary>, after: Preview.Summary, members: Set<DistinctID>) {
        self.before = before
        self.after = after
        self.members = members
    }
}

/// The clusters of the ids of histories, by resolving every one of them.
private struct Clusters {
    var summaries: [DistinctID: Preview.Summary] = [:]

    init(of store: any Store) async throws {
        summaries = try await store.read { snapshot throws(StoreError) in
            var summaries: [DistinctID: Preview.Summary] = [:]
            for id in History.ids {
                let resolved = try snapshot.identity(of: project).resolve(id)
                summaries[id] = Preview.Summary(canonicalID: resolved.canonicalID, size: resolved.clusterSize)
            }
            return summaries
        }
    }

    /// The clusters that are larger than before or have another canonical id.
    func changes(to after: Clusters) -> Set<Changed> {
        var members: [Preview.Summary: Set<DistinctID>] = [:]
        for (id, summary) in after.summaries { members[summary, default: []].insert(id) }
        var changes: Set<Changed> = []
        for (summary, ids) in members {
            let before = Set(ids.compactMap { summaries[$0] })
            if before != [summary] { changes.insert(Changed(before: before, after: summary, members: ids)) }
        }
        return changes
    }

    func largestSize(of ids: [DistinctID]) -> Int64? { ids.compactMap { summaries[$0]?.size }.max() }
}
