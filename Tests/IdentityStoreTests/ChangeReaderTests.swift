import GRDB
import IdentityEngine
import IdentityStore
import Testing

/// The changes of canonical ids, over random histories with unmerges and restores in them.
@Suite(.timeLimit(.minutes(10)))
struct ChangeReaderTests {
    @Test(arguments: Backend.allCases, IdentitySystem.allCases)
    func `the changes up to each sequence make of ids what they resolve to at it, however they are cut into pages`(
        _ backend: Backend, _ system: IdentitySystem
    ) async throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        try await backend.withStore { store async throws in
            var past: [Int64: [DistinctID: DistinctID]] = [:]
            var early: [IdentityChange] = []
            let follower = ChangeReader(project, after: .start, orders: .fresh())
            for sent in History.events(160, system: system, using: &random) {
                try await store.step(sent, system, using: &random)
                let (sequence, now) = try await store.read { snapshot throws(StoreError) in
                    (try snapshot.lastSequence(of: project), try History.canonicalIDs(snapshot))
                }
                past[sequence] = now
                if Bool.random(using: &random) {
                    early += try await store.changes(follower, limit: Int.random(in: 1...9, using: &random))
                }
            }
            early += try await store.changes(follower, limit: .max)
            let all = try await store.changes(after: .start)
            #expect(all == early, "seed \(seed): what was read early is not what is read late")
            expectOrder(of: all, seed)
            try await expectReplay(of: all, past, on: store, seed)
            for _ in 0..<12 {
                let start = all.randomElement(using: &random)?.cursor ?? .start
                let rest = try await store.changes(after: start, pages: Int.random(in: 1...7, using: &random))
                #expect(rest == all.filter { $0.cursor > start }, "seed \(seed), after \(start)")
                let whole = ChangeCursor(sequence: start.sequence)
                let behind = try await store.changes(after: whole, time: .zero)
                #expect(behind == all.filter { $0.cursor > whole }, "seed \(seed), after \(whole)")
            }
            #expect(all.count > 20, "seed \(seed)")
        }
    }

    @Test(arguments: Backend.allCases, IdentitySystem.allCases)
    func `a mapping is brought up to date exactly, with commits between its pages`(
        _ backend: Backend, _ system: IdentitySystem
    ) async throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        try await backend.withStore { store async throws in
            var kept: [DistinctID: DistinctID] = [:]
            var since: [DistinctID: Int64] = [:]
            var cursor = ChangeCursor.start
            var history = History.events(160, system: system, using: &random)[...]
            while !history.isEmpty {
                for _ in 0..<Int.random(in: 1...20, using: &random) {
                    if let sent = history.popFirst() { try await store.step(sent, system, using: &random) }
                }
                let last = try await store.lastSequence()
                let reader = MappingReader(project, after: cursor, upTo: last)
                var told: Set<DistinctID> = []
                var isAtEnd = false
                while !isAtEnd {
                    let page = try await store.read { snapshot throws(StoreError) in
                        try reader.read(snapshot, limit: 2, time: .zero)
                    }
                    isAtEnd = page.isAtEnd
                    for row in page.mappings {
                        #expect(told.insert(row.id).inserted, "seed \(seed): \(row.id) twice up to \(last)")
                        let isNew = kept[row.id] != row.canonicalID || since[row.id] != row.since
                        #expect(isNew, "seed \(seed): \(row.id) again up to \(last)")
                        kept[row.id] = row.canonicalID
                        since[row.id] = row.since
                    }
                    if let sent = history.popFirst() { try await store.step(sent, system, using: &random) }
                }
                cursor = ChangeCursor(sequence: last)
                let expected = try await store.mapping(asOf: last)
                #expect(kept == expected, "seed \(seed), up to \(last)")
            }
            let last = try await store.lastSequence()
            if cursor.sequence == last {
                let expected = try await store.read { snapshot throws(StoreError) in
                    var expected: [DistinctID: Int64] = [:]
                    for node in try snapshot.nodes(in: project, after: 0, limit: .max) {
                        expected[node.id] = try snapshot.identity(of: project).canonicalSince(of: node)
                    }
                    return expected
                }
                #expect(since == expected, "seed \(seed)")
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func `a merge of many is read in pages of any size, from the cursor of any of its changes`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            let rules = [project: MergeRules(maxClusterSize: 0)]
            for half in ["a", "b"] {
                _ = try await store.commit(
                    [.of((1..<300).map { .merge("\(half)0", "\(half)\($0)") })], by: rules, nowMilliseconds: 1)
            }
            try await store.commit(.merge("a0", "b0"), by: rules)
            let all = try await store.changes(after: ChangeCursor(sequence: 598))
            let ids = (0..<300).map { DistinctID("b\($0)") }.sorted()
            #expect(all.map(\.id) == ids)
            #expect(all.map(\.cursor.ordinal) == Array(1...300))
            #expect(all.allSatisfy { $0.from == DistinctID("b0") && $0.to == DistinctID("a0") && $0.cause == .merge })
            let orders = EntryOrders(largeCount: 100, countLimit: 1_000)
            for start in stride(from: 0, through: 300, by: 30) {
                let reader = ChangeReader(
                    project, after: ChangeCursor(sequence: 599, ordinal: Int64(start)), orders: orders)
                let rest = try await store.changes(reader, limit: 30)
                #expect(rest == Array(all[start..<min(start + 30, 300)]))
            }
            let beyond = try await store.changes(after: ChangeCursor(sequence: 599, ordinal: 400))
            #expect(beyond.isEmpty)
            orders.forget()
            let again = ChangeReader(project, after: ChangeCursor(sequence: 599, ordinal: 299), orders: orders)
            #expect(try await store.changes(again, limit: 30) == Array(all[299...]))
        }
    }

    @Test(arguments: Backend.allCases)
    func `a deletion leaves nothing of its ids in the changes, and those of others come to what they resolve to`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.merge("c", "a"), .merge("b", "a"), .merge("x", "y"), .merge("a", "d"))
            // Two that the deleted one held together, and a link between them that changed nothing then.
            try await store.commit(.merge("c", "p"), .merge("c", "q"), .merge("p", "q"), .merge("q", "r"))
            _ = try await store.amend(
                .unmergeID(DistinctID("c"), keepsApart: false), in: project, by: MergeRules(), origin: .command,
                nowMilliseconds: 1)
            try await store.commit(.merge("d", "e"), .merge("q", "s"))
            let orders = EntryOrders(largeCount: 1, countLimit: 1_000)
            let reader = ChangeReader(project, after: .start, orders: orders)
            let before = try await store.changes(reader, limit: .max)
            #expect(before.contains { $0.from == DistinctID("c") && $0.to == DistinctID("b") && $0.cause == .unmerge })
            try await store.delete("c")
            let fresh = ChangeReader(project, after: .start, orders: orders)
            let changes = try await store.changes(fresh, limit: .max)
            for change in changes { #expect(![change.id, change.from, change.to].contains(DistinctID("c"))) }
            try await expectReplay(of: changes, [:], on: store, 0)
            #expect(changes.contains { $0.id == DistinctID("y") })
            #expect(changes.contains { $0.id == DistinctID("q") && $0.to == DistinctID("p") && $0.cause == .merge })
            let reading = MappingReader(project, after: .start, upTo: try await store.lastSequence())
            let page = try await store.read { snapshot throws(StoreError) in
                try reading.read(snapshot, limit: 100, time: .seconds(10))
            }
            let found = Dictionary(uniqueKeysWithValues: page.mappings.map { ($0.id, $0.canonicalID) })
            #expect(found == (try await store.mapping(asOf: .max)))
        }
    }

    @Test func `links that are older than the record of changes are gone through all the same`() async throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory + "/store.sqlite")
            for sent in History.events(120, system: .original, using: &random) {
                try await store.step(sent, .original, using: &random)
            }
            let all = try await store.changes(after: .start)
            let queue = try DatabaseQueue(path: directory + "/store.sqlite")
            try await queue.write {
                try $0.execute(sql: "UPDATE link SET canonical = NULL, root = NULL, first = NULL, former = NULL")
            }
            #expect(try await store.changes(after: .start) == all, "seed \(seed)")
            try await store.close()
        }
    }

    @Test func `a record that does not fit the ring is an error, and not a walk without end`() async throws {
        try await withTemporaryDirectory { directory in
            let store = try SQLiteStore(path: directory + "/store.sqlite")
            try await store.commit(.identify("U1", anonymous(1)), .identify("U2", anonymous(2)))
            let queue = try DatabaseQueue(path: directory + "/store.sqlite")
            try await queue.write { try $0.execute(sql: "UPDATE link SET first = 4 WHERE sequence = 1") }
            await #expect(throws: StoreError(.corrupt, "")) { _ = try await store.changes(after: .start) }
            try await store.close()
        }
    }

    @Test(arguments: [
        ("0", ChangeCursor(sequence: 0)), ("17", ChangeCursor(sequence: 17)),
        ("17:3", ChangeCursor(sequence: 17, ordinal: 3)), ("17:0", ChangeCursor(sequence: 17, ordinal: 0)),
        ("", nil), (":", nil), ("17:", nil), (":3", nil), ("-1", nil), ("17:-1", nil), ("1.5", nil), ("17:3:1", nil),
        ("+17", nil), (" 17", nil), ("99999999999999999999", nil), ("x", nil), ("१", nil),
    ])
    func `a cursor is a sequence, with an ordinal or without`(_ text: String, _ cursor: ChangeCursor?) {
        #expect(ChangeCursor(text) == cursor)
        if let cursor { #expect(cursor.description == text) }
    }

    private func expectOrder(of changes: [IdentityChange], _ seed: UInt64) {
        for (before, change) in zip(changes, changes.dropFirst()) {
            if before.cursor.sequence == change.cursor.sequence {
                #expect(change.cursor.ordinal == before.cursor.ordinal + 1, "seed \(seed), \(change.cursor)")
                #expect(before.id < change.id, "seed \(seed), \(change.cursor)")
            } else {
                #expect(before.cursor.sequence < change.cursor.sequence, "seed \(seed), \(change.cursor)")
                #expect(change.cursor.ordinal == 1, "seed \(seed), \(change.cursor)")
            }
        }
    }

    /// Applies changes to ids that are their own canonical ids, and compares with what was seen, or is read, at each
    /// sequence.
    private func expectReplay(
        of changes: [IdentityChange], _ past: [Int64: [DistinctID: DistinctID]], on store: any Store, _ seed: UInt64
    ) async throws {
        let ids = Set(History.ids + changes.map(\.id))
        var state = Dictionary(uniqueKeysWithValues: ids.map { ($0, $0) })
        var rest = changes[...]
        for sequence in 1...(try await store.lastSequence()) {
            while let change = rest.first, change.cursor.sequence == sequence {
                #expect(state[change.id] == change.from, "seed \(seed), \(change)")
                #expect(change.from != change.to, "seed \(seed), \(change)")
                state[change.id] = change.to
                rest = rest.dropFirst()
            }
            if let seen = past[sequence] { #expect(state == seen, "seed \(seed), sequence \(sequence)") }
            let now = state
            let expected = try await store.read { snapshot throws(StoreError) in
                var expected: [DistinctID: DistinctID] = [:]
                for id in now.keys {
                    expected[id] = try snapshot.identity(of: project).canonicalID(of: id, asOf: sequence)
                }
                return expected
            }
            #expect(state == expected, "seed \(seed), as of \(sequence)")
        }
        #expect(rest.isEmpty, "seed \(seed)")
    }
}

extension EntryOrders {
    static func fresh() -> EntryOrders { EntryOrders(largeCount: 3, countLimit: 20) }
}

extension Store {
    /// Commits an event alone, and now and then makes an amendment.
    fileprivate func step(
        _ sent: Sent, _ system: IdentitySystem, using random: inout SeededGenerator
    ) async throws {
        let rules = MergeRules(system: system)
        _ = try await commit(
            [.of([sent])], by: [ProjectID(1): rules, ProjectID(2): rules], nowMilliseconds: 1)
        if Int.random(in: 0..<4, using: &random) == 0,
            let request = try await History.amendments(of: self, system, using: &random).first
        {
            _ = try await amend(request, in: project, by: rules, origin: .command, nowMilliseconds: 1)
        }
    }

    fileprivate func lastSequence() async throws(StoreError) -> Int64 {
        try await read { snapshot throws(StoreError) in try snapshot.lastSequence(of: project) }
    }

    /// One page.
    fileprivate func changes(_ reader: ChangeReader, limit: Int) async throws(StoreError) -> [IdentityChange] {
        try await read { snapshot throws(StoreError) in
            try reader.read(
                snapshot, upTo: try snapshot.lastSequence(of: project), limit: limit, time: .seconds(10)
            ).changes
        }
    }

    /// Everything after a cursor, by readers that each give one page, or by one whose reads have no time.
    fileprivate func changes(
        after cursor: ChangeCursor, pages limit: Int = .max, time: Duration = .seconds(10)
    ) async throws -> [IdentityChange] {
        var changes: [IdentityChange] = []
        var reader = ChangeReader(project, after: cursor, orders: .fresh())
        while true {
            let current = reader
            let page = try await read { snapshot throws(StoreError) in
                try current.read(snapshot, upTo: try snapshot.lastSequence(of: project), limit: limit, time: time)
            }
            changes += page.changes
            if page.isAtEnd { return changes }
            if limit != .max, let last = page.changes.last?.cursor {
                reader = ChangeReader(project, after: last, orders: .fresh())
            }
        }
    }

    /// What each known id resolved to at a sequence.
    fileprivate func mapping(asOf sequence: Int64) async throws(StoreError) -> [DistinctID: DistinctID] {
        try await read { snapshot throws(StoreError) in
            var mapping: [DistinctID: DistinctID] = [:]
            for node in try snapshot.nodes(in: project, after: 0, limit: .max)
            where node.firstSequence <= sequence {
                mapping[node.id] = try snapshot.identity(of: project).canonicalID(of: node.id, asOf: sequence)
            }
            return mapping
        }
    }
}
