import IdentityEngine
import IdentityStore
import Testing

/// What every store keeps: the events of ids, newest first.
@Suite(.timeLimit(.minutes(10)))
struct StoreActivityContract {
    /// A store, with how it keeps events to be found.
    struct Setting: CustomTestStringConvertible {
        let testDescription: String
        let backend: Backend
        var postings = SQLiteOptions.Postings()

        static let all = [
            Setting(testDescription: "memory", backend: .memory),
            Setting(testDescription: "sqlite", backend: .sqlite),
            Setting(testDescription: "sqlite, small runs", backend: .sqlite, postings: .small),
            Setting(testDescription: "sqlite, tiny runs", backend: .sqlite, postings: .tiny),
        ]

        func withStore(_ body: (any Store) async throws -> Void) async throws {
            try await backend.withStore(SQLiteOptions(postings), body)
        }
    }

    @Test(arguments: Setting.all)
    func `the events of ids come newest first, from before a key, up to a limit`(_ setting: Setting) async throws {
        try await setting.withStore { store async throws in
            for number in 0..<40 {
                try await store.commit(
                    Sent(id: "a", insertID: "\(number)", time: Int64(number * 7 % 40)),
                    Sent(id: "b", insertID: "\(number)", time: Int64(number)),
                    Sent(id: "c", insertID: "\(number)", time: Int64(number)),
                    Sent(id: "a", insertID: "\(number)", time: Int64(number)).in(ProjectID(2)))
            }
            let a = try await store.activity(of: "a")
            #expect(a.map(\.key.timeMilliseconds) == (0..<40).reversed().map(Int64.init))
            #expect(a.allSatisfy { $0.sent == "a" })
            let both = try await store.activity(of: "b", "a", limit: 7)
            #expect(both.map(\.key.timeMilliseconds) == [39, 39, 38, 38, 37, 37, 36])
            #expect(Set(both.map(\.sent)) == ["a", "b"])
            let rest = try await store.activity(of: "a", "b", before: try #require(both.last).key)
            let whole = try await store.activity(of: "a", "b")
            #expect(both + rest == whole)
            let early = EventKey(timeMilliseconds: 2, hashHigh: 0, hashLow: 0)
            #expect(try await store.activity(of: "a", before: early).map(\.key.timeMilliseconds) == [1, 0])
            #expect(try await store.activity(of: "nobody").isEmpty)
            #expect(try await store.activity().isEmpty)
            #expect(try await store.activity(of: "a", limit: 0).isEmpty)
            #expect(try await store.activity(of: "a", in: ProjectID(2)).count == 40)
            #expect(try await store.activity(of: "a", in: ProjectID(3)).isEmpty)
        }
    }

    @Test(arguments: Setting.all)
    func `events of an id are counted up to a limit`(_ setting: Setting) async throws {
        try await setting.withStore { store async throws in
            for number in 0..<30 {
                try await store.commit(
                    Sent(id: "a", insertID: "\(number % 20)"), Sent(id: "b", filedID: "a", insertID: "\(number)"))
            }
            func count(_ id: String, _ limit: Int) async throws -> Int {
                try await store.read { snapshot throws(StoreError) in
                    try snapshot.eventCount(filedUnder: DistinctID(id), in: project, limit: limit)
                }
            }
            #expect(try await count("a", 1_000_000) == 50)
            #expect(try await count("a", 50) == 50)
            #expect(try await count("a", 49) == 49)
            #expect(try await count("a", 0) == 0)
            #expect(try await count("b", 10) == 0)
        }
    }

    @Test(arguments: Setting.all)
    func `a page ends where its properties reach the limit of bytes, and has one event at least`(
        _ setting: Setting
    ) async throws {
        try await setting.withStore { store async throws in
            for number in 0..<9 {
                try await store.commit(
                    Sent(id: "a", insertID: "\(number)", properties: String(repeating: "x", count: 100)))
            }
            func page(_ sizeLimitBytes: Int) async throws -> Int {
                try await store.read { snapshot throws(StoreError) in
                    try snapshot.activity(
                        of: [DistinctID("a")], in: project, before: .last, limit: 9, sizeLimitBytes: sizeLimitBytes
                    ).count
                }
            }
            #expect(try await page(0) == 1)
            #expect(try await page(300) == 3)
            #expect(try await page(301) == 4)
            #expect(try await page(10_000) == 9)
        }
    }

    @Test(arguments: Setting.all)
    func `an event that a later copy filed under another id is that other's alone`(_ setting: Setting) async throws {
        try await setting.withStore { store async throws in
            for number in 0..<10 { try await store.commit(Sent(id: "d", insertID: "\(number)", time: 1)) }
            for number in 0..<5 { try await store.commit(Sent(id: "d", filedID: "u", insertID: "\(number)", time: 1)) }
            #expect(try await store.activity(of: "d").map(\.insertID.text).sorted() == ["5", "6", "7", "8", "9"])
            #expect(try await store.activity(of: "d", limit: 3).count == 3)
            #expect(try await store.activity(of: "u").map(\.insertID.text).sorted() == ["0", "1", "2", "3", "4"])
            #expect(try await store.activity(of: "u", "d").count == 10)
        }
    }

    @Test(arguments: Setting.all, IdentitySystem.allCases)
    func `whatever was committed and deleted, activity is the events of the ids`(
        _ setting: Setting, _ system: IdentitySystem
    ) async throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        let rules = [ProjectID(1): MergeRules(system: system), ProjectID(2): MergeRules(system: system)]
        try await setting.withStore { store async throws in
            for round in 0..<12 {
                for _ in 0..<6 {
                    let group = (0..<Int.random(in: 1...3, using: &random)).map { _ in
                        EventBatch.of(Self.events(system, using: &random))
                    }
                    _ = try await store.commit(group, by: rules, nowMilliseconds: 1)
                }
                if round % 4 == 3 { try await store.delete("\(Int.random(in: 0..<12, using: &random))") }
                for project in rules.keys {
                    let events = try await store.events(of: project)
                    for count in [1, 2, 5] {
                        let ids = (0..<count).map { place in
                            (place % 3 == 2 ? "$device:" : "") + "\(Int.random(in: 0..<12, using: &random))"
                        }
                        let wanted = Array(events.filter { ids.contains($0.filed) }.reversed())
                        let comment: Comment = "seed \(seed), round \(round), \(ids)"
                        #expect(try await store.activity(of: ids, in: project) == wanted, comment)
                        let limit = Int.random(in: 1...20, using: &random)
                        guard let key = wanted.randomElement(using: &random)?.key else { continue }
                        let before = Array(wanted.filter { $0.key < key }.prefix(limit))
                        #expect(
                            try await store.activity(of: ids, in: project, before: key, limit: limit) == before,
                            comment)
                    }
                }
            }
            #expect(try await store.events().count > 100)
        }
    }

    private static func events(_ system: IdentitySystem, using random: inout SeededGenerator) -> [Sent] {
        (0..<Int.random(in: 0...12, using: &random)).map { _ in
            func id() -> String { "\(Int.random(in: 0..<12, using: &random))" }
            var sent: Sent
            switch (system, Int.random(in: 0..<10, using: &random)) {
            case (.original, 0): sent = .merge(id(), id())
            case (.legacy, 0): sent = .alias(id(), of: id())
            case (.simplified, 0..<5): sent = .device("$device:" + id(), of: id())
            default:
                sent = Sent(id: id(), filedID: [nil, id(), "$device:" + id()][Int.random(in: 0..<3, using: &random)])
            }
            sent.time = Int64.random(in: -50..<50, using: &random)
            if Bool.random(using: &random) { sent.insertID = "\(Int.random(in: 0..<30, using: &random))" }
            if Int.random(in: 0..<4, using: &random) == 0 { sent.project = ProjectID(2) }
            return sent
        }
    }
}

extension Store {
    func activity(
        of ids: String..., in project: ProjectID = project, before key: EventKey = .last, limit: Int = 1_000_000
    ) async throws(StoreError) -> [StoredEvent] {
        try await activity(of: ids, in: project, before: key, limit: limit)
    }

    func activity(
        of ids: [String], in project: ProjectID = project, before key: EventKey = .last, limit: Int = 1_000_000
    ) async throws(StoreError) -> [StoredEvent] {
        try await read { snapshot throws(StoreError) in
            try snapshot.activity(
                of: ids.map { DistinctID($0) }, in: project, before: key, limit: limit, sizeLimitBytes: .max)
        }
    }
}

extension [UInt8] {
    fileprivate var text: String { String(decoding: self, as: UTF8.self) }
}
