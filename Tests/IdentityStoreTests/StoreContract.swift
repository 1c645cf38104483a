import IdentityEngine
import IdentityStore
import Testing

/// What every store keeps: commits.
@Suite(.timeLimit(.minutes(10)))
struct StoreContract {
    @Test(arguments: Backend.allCases)
    func `an event comes back as it was sent`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            let sent = Sent(
                name: "e\u{301}\0", id: "u\0", filedID: "v", insertID: "i1", time: -5, properties: #"{"a":1}"#)
            let result = try await store.commit(sent)
            #expect(result.lastSequences == [project: 0])
            let events = try await store.events()
            let event = try #require(events.first)
            #expect(events.count == 1)
            #expect(event.key.timeMilliseconds == -5)
            #expect(event.name == Array("e\u{301}\0".utf8))
            #expect(event.sent == "u\0")
            #expect(event.filed == "v")
            #expect(event.insertID == Array("i1".utf8))
            #expect(event.text == #"{"a":1}"#)
            #expect(event.endpoint == .track)
            #expect(event.receivedMilliseconds == EventBatch.received)
            #expect(event.sequence == 0)
            #expect(event.conflict == nil)
        }
    }

    @Test(arguments: Backend.allCases)
    func `an event of nobody is kept, and an empty filed id is not taken for the sent one`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(Sent(id: ""), Sent(id: "a", filedID: ""))
            #expect(Set(try await store.events().map { [$0.sent, $0.filed] }) == [["", ""], ["a", ""]])
        }
    }

    @Test(arguments: Backend.allCases)
    func `an empty group changes nothing`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            #expect(try await store.commit([], by: [:], nowMilliseconds: 1) == [])
            let empty = EventBatch.of([])
            #expect(try await store.commit([empty], by: [:], nowMilliseconds: 1) == [CommitResult()])
        }
    }

    @Test(arguments: Backend.allCases)
    func `a group that names a project without rules is refused whole`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            await #expect(throws: StoreError(.unexpected, "")) {
                try await store.commit(Sent(id: "a"), Sent(id: "b").in(ProjectID(9)))
            }
            #expect(try await store.events().isEmpty)
        }
    }

    @Test(arguments: Backend.allCases)
    func `of the copies of an event the latest is kept, in one group or in two`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            func copy(_ properties: String) -> Sent { Sent(id: "a", insertID: "i", properties: properties) }
            try await store.commit(copy("1"), copy("2"))
            #expect(try await store.events().map(\.text) == ["2"])
            try await store.commit(copy("3"))
            #expect(try await store.events().map(\.text) == ["3"])
        }
    }

    @Test(arguments: Backend.allCases)
    func `events that differ in time, name, id as sent, insert id or project are kept apart`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(
                Sent(name: "n", id: "a", insertID: "i"), Sent(name: "n", id: "a", insertID: "j"),
                Sent(name: "n", id: "b", insertID: "i"), Sent(name: "m", id: "a", insertID: "i"),
                Sent(name: "na", id: "", insertID: "i"), Sent(name: "n", id: "ai", insertID: "i"),
                Sent(name: "n", id: "a", insertID: "i", time: 7),
                Sent(name: "n", id: "a", insertID: "i").in(ProjectID(2)))
            #expect(try await store.events().count == 7)
            #expect(try await store.events(of: ProjectID(2)).count == 1)
        }
    }

    @Test(arguments: Backend.allCases)
    func `events without an insert id never deduplicate`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            for _ in 0..<3 { try await store.commit(Sent(id: "a"), Sent(id: "a")) }
            #expect(try await store.events().count == 6)
        }
    }

    @Test(arguments: Backend.allCases)
    func `a group is decided in order, and one submission sees what the one before it did`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            let group = [
                EventBatch.of([.identify("U1", anonymous(1)), .identify("U2", anonymous(1))]),
                EventBatch.of([.identify("U2", anonymous(2)), .merge("U1", "U2")], endpoint: .import),
                EventBatch.of([.identify("U2", anonymous(1))]),
            ]
            let results = try await store.commit(group, by: original, nowMilliseconds: 1_000)
            #expect(results.map(\.merged) == [1, 2, 0])
            #expect(results.map(\.refused) == [1, 0, 0])
            #expect(results.map(\.unchanged) == [0, 0, 1])
            #expect(results.allSatisfy { $0.lastSequences == [project: 5] })
            let log = try await store.log()
            #expect(log.map(\.sequence) == [1, 2, 3, 4, 5])
            #expect(
                log.map(\.outcome) == [.merged, .refused(.anonymousAssignedAlready), .merged, .merged, .unchanged])
            #expect(log.map(\.origin.endpoint) == [.track, .track, .import, .import, .track])
            #expect(log[3].clusterSize == 4)
            #expect(log[3].maxClusterSize == 499)
        }
    }

    @Test(arguments: Backend.allCases)
    func `each project has its own sequences without gaps, and node keys are of all projects`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            let other = ProjectID(2)
            for round in 0..<3 {
                try await store.commit(
                    .merge("a", "b\(round)"), .merge("a", "b\(round)").in(other), .merge("c", "d\(round)").in(other))
            }
            #expect(try await store.log().map(\.sequence) == Array(1...3))
            #expect(try await store.log(of: other).map(\.sequence) == Array(1...6))
            let keys = try await store.nodes().map(\.key) + store.nodes(of: other).map(\.key)
            #expect(keys.sorted() == Array(1...12))
        }
    }

    @Test(arguments: Backend.allCases)
    func `times of entries never go back`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.merge("a", "b"), now: 500)
            try await store.commit(.merge("a", "c"), now: 300)
            try await store.commit(.merge("a", "d"), now: 700)
            #expect(try await store.log().map(\.timeMilliseconds) == [500, 500, 700])
        }
    }

    @Test(arguments: Backend.allCases)
    func `no entry gets a time that is settled, whatever writes it`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.save(.plain(MergeRules()), nowMilliseconds: 1)
            try await store.settle(project, atMilliseconds: 499)
            try await store.settle(project, atMilliseconds: 99)
            try await store.commit(.merge("a", "b"), now: 300)
            try await store.settle(project, atMilliseconds: 600)
            _ = try await store.amend(
                .unmergeLink(1, keepsApart: true), in: project, by: MergeRules(), origin: .command,
                nowMilliseconds: 300
            ).get()
            try await store.settle(project, atMilliseconds: 700)
            try await store.save(.plain(MergeRules(maxClusterSize: 7)), nowMilliseconds: 300)
            try await store.commit(.merge("a", "c"), now: 900)
            #expect(try await store.records(LogQuery(limit: 9)).map(\.timeMilliseconds) == [500, 601, 701, 900])
            // What a deletion leaves of the last entries has other times than they had.
            try await store.delete("c")
            try await store.commit(.merge("d", "e"), now: 800)
            #expect(try await store.records(LogQuery(limit: 9)).last?.timeMilliseconds == 900)
            #expect(
                try await store.read { snapshot throws(StoreError) in
                    try [project, ProjectID(2)].map { project throws(StoreError) in
                        try snapshot.leastEntryMilliseconds(of: project)
                    }
                } == [900, .min])
        }
    }

    @Test(arguments: Backend.allCases)
    func `a merge is retroactive at once`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(Sent(id: anonymous(1)))
            #expect(try await store.canonicalID(of: anonymous(1)) == anonymous(1))
            try await store.commit(.identify("U", anonymous(1)))
            #expect(try await store.canonicalID(of: anonymous(1)) == "U")
            #expect(try await store.canonicalID(of: anonymous(1), in: ProjectID(2)) == anonymous(1))
            #expect(try await store.events().allSatisfy { $0.filed == $0.sent })
        }
    }

    @Test(arguments: Backend.allCases)
    func `a merge of an id with itself is an entry, and makes no node`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            #expect(try await store.commit(.merge("a", "a")).unchanged == 1)
            #expect(try await store.nodes().isEmpty)
            #expect(try await store.log().map(\.hasLink) == [false])
        }
    }

    @Test(arguments: Backend.allCases)
    func `a Legacy event is filed under what the map says at its place in the order`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            func commit(_ events: Sent...) async throws {
                _ = try await store.commit([.of(events)], by: legacy, nowMilliseconds: 1)
            }
            try await commit(Sent(id: "x", properties: "1"), .alias("x", of: "y"), Sent(id: "x", properties: "2"))
            try await commit(Sent(id: "x", properties: "3"), .alias("y", of: "z"), Sent(id: "x", properties: "4"))
            try await commit(Sent(id: "x", properties: "5"), Sent(id: "z", properties: "6"))
            try await commit(.alias("x", of: "w"), Sent(id: "x", properties: "7"))
            let plain = try await store.events().filter { $0.text != "{}" }.sorted { $0.text < $1.text }
            #expect(plain.map(\.filed) == ["x", "y", "y", "z", "z", "z", "z"])
            #expect(plain.map(\.sent) == ["x", "x", "x", "x", "x", "z", "x"])
            #expect(try await store.log().last?.outcome == .refused(.aliasAlreadyExists))
        }
    }

    @Test(arguments: Backend.allCases)
    func `a Simplified device keeps its first user, and only the first link is an entry`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            let first = try await store.commit(
                .device("$device:d", of: "U1"), .device("$device:d", of: "U1"), by: simplified)
            #expect(first.merged == 1)
            #expect(first.unchanged == 0)
            let second = try await store.commit(.device("$device:d", of: "U2"), by: simplified)
            #expect(second.conflicts == 1)
            #expect(second.refused == 0)
            #expect(second.lastSequences == [project: 1])
            #expect(try await store.log().count == 1)
            let events = try await store.events()
            #expect(
                Set(events.map { "\($0.filed) \($0.sequence) \($0.conflict != nil)" })
                    == ["U1 1 false", "U1 0 false", "U2 0 true"])
            #expect(try await store.canonicalID(of: "$device:d") == "U1")
        }
    }

    @Test(arguments: Backend.allCases)
    func `of fifty users who identify one anonymous id at once exactly one gets it`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            let results = try await withThrowingTaskGroup { tasks in
                for number in 0..<50 {
                    tasks.addTask { try await store.commit(.identify("U\(number)", anonymous(1))) }
                }
                return try await tasks.reduce(into: []) { $0.append($1) }
            }
            #expect(results.map(\.merged).reduce(0, +) == 1)
            #expect(results.map(\.refused).reduce(0, +) == 49)
            #expect(try await store.log().map(\.sequence) == Array(1...50))
        }
    }

    @Test(arguments: Backend.allCases)
    func `reset empties the store, keeps projects and accounts, and starts sequences anew`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            let record = ProjectRecord(
                id: project, name: "p", token: "t", secretDigest: [1], rules: MergeRules(), createdMilliseconds: 1)
            try await store.save(record)
            try await store.commit(.merge("a", "b"), Sent(id: "a"))
            try await store.reset()
            #expect(try await store.events().isEmpty)
            #expect(try await store.log().isEmpty)
            #expect(try await store.nodes().isEmpty)
            #expect(try await store.canonicalID(of: "b") == "b")
            #expect(try await store.projects() == [record])
            try await store.commit(.merge("c", "b"))
            #expect(try await store.log().map(\.sequence) == [1])
            #expect(try await store.canonicalID(of: "b") == "c")
            #expect(try await store.nodes().map(\.key) == [1, 2])
        }
    }

    @Test(arguments: Backend.allCases)
    func `reset of one project leaves the others as they are`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            let other = ProjectID(2)
            try await store.commit(
                .merge("x", "y").in(other), Sent(id: "x").in(other), .merge("a", "b"), Sent(id: "a"))
            try await store.settle(project, atMilliseconds: 9_000_000)
            let task = { (project: ProjectID) in
                PrivacyTask(
                    trackingID: "task \(project)", project: project, kind: .deletion, complianceType: .gdpr,
                    requestedBy: "secret", createdMilliseconds: 1, distinctIDs: [DistinctID("a")])
            }
            for project in [project, other] { _ = try await store.add(task(project), openLimit: 9) }
            let nodes = try await store.nodes(of: other)
            let events = try await store.events(of: other)
            try await store.reset(project)
            #expect(try await store.events().isEmpty)
            #expect(try await store.log().isEmpty)
            #expect(try await store.nodes().isEmpty)
            #expect(try await store.privacyTasks(in: [.pending]).map(\.project) == [other])
            #expect(try await store.nodes(of: other) == nodes)
            #expect(try await store.events(of: other) == events)
            #expect(try await store.log(of: other).map(\.sequence) == [1])
            try await store.commit(.merge("c", "b"), Sent(id: "b"))
            #expect(try await store.log().map(\.sequence) == [1])
            #expect(try await store.log().map(\.timeMilliseconds) == [1_000])
            #expect(try await store.canonicalID(of: "b") == "c")
            #expect(try await store.canonicalID(of: "a") == "a")
            let (keys, taken) = (try await store.nodes().map(\.key), Set(nodes.map(\.key)))
            #expect(keys.allSatisfy { !taken.contains($0) })
            let activity = try await store.read { snapshot throws(StoreError) in
                try snapshot.activity(
                    of: [DistinctID("b")], in: project, before: .last, limit: 9, sizeLimitBytes: .max)
            }
            #expect(activity.map(\.sent) == ["b"])
        }
    }

    @Test(arguments: Backend.allCases)
    func `a closed store refuses every call`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.merge("a", "b"))
            try await store.close()
            let closed = StoreError(.closed, "")
            await #expect(throws: closed) { try await store.commit(Sent(id: "a")) }
            await #expect(throws: closed) { try await store.events() }
            await #expect(throws: closed) { try await store.projects() }
            await #expect(throws: closed) { try await store.accounts() }
            await #expect(throws: closed) { try await store.reset() }
            await #expect(throws: closed) { try await store.close() }
        }
    }
}
