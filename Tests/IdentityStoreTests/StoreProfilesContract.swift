import IdentityEngine
import IdentityStore
import Testing

/// What every store keeps of profiles (P 7.10, 10-1 to 10-3).
@Suite(.timeLimit(.minutes(10)))
struct StoreProfilesContract {
    @Test(arguments: Backend.allCases)
    func `an update shows in the profile of its id, and of no other`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.update("a", .set, #"{"n":"Ann","x":1}"#)
            try await store.update("a", .add, #"{"x":2,"y":3}"#)
            #expect(try await store.profile("a") == #"{"n":"Ann","x":3,"y":3}"#)
            #expect(try await store.profile("b") == nil)
            #expect(try await store.profile("a", in: ProjectID(2)) == nil)
            let found = try #require(try await store.cluster("a"))
            #expect(found.canonicalID == DistinctID("a"))
            #expect(found.ownerID == DistinctID("a"))
            #expect(found.updatedMilliseconds == EventBatch.received)
        }
    }

    @Test(arguments: Backend.allCases)
    func `a commit tells the sequence of a project that only updates name`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.merge("a", "b"))
            var batch = EventBatch.of([Sent(id: "e").in(ProjectID(2))])
            batch.update("a", [(.set, #"{"n":1}"#)])
            let result = try await store.commit([batch], by: original, nowMilliseconds: 1)[0]
            #expect(result.lastSequences == [project: 1, ProjectID(2): 0])
        }
    }

    @Test(arguments: Backend.allCases)
    func `an update of a project without rules refuses the whole group`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            var batch = EventBatch.of([Sent(id: "e")])
            batch.update("a", [(.set, #"{"n":1}"#)])
            batch.update("a", [(.set, #"{"n":1}"#)], in: ProjectID(9))
            let group = [batch]
            await #expect(throws: StoreError(.unexpected, "")) {
                try await store.commit(group, by: original, nowMilliseconds: 1)
            }
            #expect(try await store.profile("a") == nil)
            #expect(try await store.events().isEmpty)
        }
    }

    @Test(arguments: Backend.allCases)
    func `where both sides of a merge have a profile the first in rank shows, or fills`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            try await store.update(anonymous(1), .set, #"{"n":"anon","x":1,"count":5}"#)
            try await store.update("u1", .set, #"{"n":"user"}"#)
            try await store.commit(.identify("u1", anonymous(1)))
            for id in ["u1", anonymous(1)] {
                #expect(try await store.profile(id) == #"{"n":"user"}"#)
                #expect(try await store.profile(id, .fill) == #"{"count":5,"n":"user","x":1}"#)
            }
            try await store.update(anonymous(1), .add, #"{"count":2}"#)
            try await store.update(anonymous(1), .set, #"{"n":"later"}"#)
            #expect(try await store.profile("u1") == #"{"count":2,"n":"later"}"#)
            #expect(try await store.profile("u1", .fill) == #"{"count":7,"n":"later","x":1}"#)
        }
    }

    @Test(arguments: Backend.allCases)
    func `where one side has a profile it is the cluster's`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.update(anonymous(1), .set, #"{"n":"anon"}"#)
            try await store.commit(.identify("u1", anonymous(1)))
            let found = try #require(try await store.cluster("u1"))
            #expect(String(decoding: found.properties, as: UTF8.self) == #"{"n":"anon"}"#)
            #expect(found.canonicalID == DistinctID("u1"))
            #expect(found.ownerID == DistinctID(anonymous(1)))
        }
    }

    @Test(arguments: Backend.allCases)
    func `sums under several ids add up after the join`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.update("u1", .add, #"{"c":1}"#)
            try await store.commit(.identify("u1", anonymous(1)))
            for _ in 0..<10 {
                try await store.update("u1", .add, #"{"c":1}"#)
                try await store.update(anonymous(1), .add, #"{"c":100}"#)
            }
            #expect(try await store.profile("u1") == #"{"c":1011}"#)
            try await store.update("u1", .set, #"{"c":0}"#)
            #expect(try await store.profile("u1") == #"{"c":0}"#)
            try await store.update(anonymous(1), .add, #"{"c":100}"#)
            #expect(try await store.profile("u1") == #"{"c":100}"#)
        }
    }

    @Test(arguments: Backend.allCases)
    func `a cluster was last seen when the latest update came that counts`(_ backend: Backend) async throws {
        func time(_ minute: Int) -> String { "\"2023-11-14T22:\(10 + minute):00\"" }
        func at(_ minute: Int) -> Int64 { 1_699_999_800_000 + Int64(minute) * 60_000 }
        try await backend.withStore { store async throws in
            try await store.update("u1", .set, #"{"n":1}"#, seenAt: at(1))
            try await store.update(anonymous(1), .set, #"{"m":2}"#, seenAt: at(2))
            #expect(try await store.profile("u1") == #"{"$last_seen":\#(time(1)),"n":1}"#)
            try await store.commit(.identify("u1", anonymous(1)))
            #expect(try await store.profile("u1") == #"{"$last_seen":\#(time(1)),"n":1}"#)
            #expect(try await store.profile("u1", .fill) == #"{"$last_seen":\#(time(2)),"m":2,"n":1}"#)
            try await store.update(anonymous(1), .set, #"{"n":3}"#, seenAt: at(3))
            try await store.update("u1", .set, #"{"n":4}"#)
            #expect(try await store.profile("u1") == #"{"$last_seen":\#(time(3)),"n":4}"#)
            try await store.update(anonymous(1), .set, #"{"n":5}"#, ignoresAlias: true, seenAt: at(4))
            #expect(try await store.profile("u1") == #"{"$last_seen":\#(time(3)),"n":4}"#)
            try await store.update("u1", .set, #"{"$last_seen":"mine"}"#, seenAt: at(5))
            #expect(try await store.profile("u1") == #"{"$last_seen":"mine","n":4}"#)
            try await store.update("u2", .unset, #"["x"]"#, seenAt: at(6))
            #expect(try await store.profile("u2") == #"{"$last_seen":\#(time(6))}"#)
            // Who only was seen hides no profile of others.
            try await store.update(anonymous(2), .set, #"{"k":1}"#)
            try await store.commit(.identify("u2", anonymous(2)))
            #expect(try await store.profile("u2") == #"{"k":1}"#)
            var batch = EventBatch.of([], endpoint: .groups)
            batch.updateGroup("k", "g", [(.set, #"{"n":1}"#)], ignoresTime: false)
            _ = try await store.commit([batch], by: original, nowMilliseconds: 1)
            #expect(try await store.group("k", "g") == #"{"$last_seen":"2023-11-14T22:15:00","n":1}"#)
        }
    }

    @Test(arguments: Backend.allCases)
    func `what is for the literal id is not the cluster's`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.identify("u1", anonymous(1)))
            try await store.update("u1", .set, #"{"n":1}"#)
            try await store.update(anonymous(1), .set, #"{"n":2}"#, ignoresAlias: true)
            try await store.update(anonymous(1), .delete, "", ignoresAlias: true)
            #expect(try await store.profile("u1") == #"{"n":1}"#)
            try await store.update(anonymous(1), .delete, "")
            #expect(try await store.profile("u1") == nil)
            #expect(try await store.list().isEmpty)
        }
    }

    @Test(arguments: Backend.allCases)
    func `a device's profile is not carried over to the user of a Simplified project`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            try await store.update("$device:d", .set, #"{"n":1}"#, by: simplified)
            #expect(try await store.profile("$device:d", system: .simplified) == #"{"n":1}"#)
            try await store.commit(.device("$device:d", of: "U"), by: simplified)
            #expect(try await store.profile("$device:d", system: .simplified) == nil)
            #expect(try await store.list(system: .simplified).isEmpty)
            try await store.update("$device:d", .set, #"{"m":2}"#, by: simplified)
            #expect(try await store.profile("U", system: .simplified) == #"{"m":2}"#)
            #expect(try await store.list(system: .simplified) == ["$device:d"])
            try await store.update("U", .set, #"{"k":3}"#, by: simplified)
            #expect(try await store.profile("$device:d", .fill, system: .simplified) == #"{"k":3,"m":2}"#)
            #expect(try await store.list(system: .simplified) == ["U"])
        }
    }

    @Test(arguments: Backend.allCases)
    func `a Legacy update goes where the map leads, unless it is for the literal id`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            try await store.update("x", .set, #"{"a":1}"#, by: legacy)
            try await store.commit(.alias("x", of: "y"), by: legacy)
            try await store.update("x", .set, #"{"b":2}"#, by: legacy)
            try await store.update("x", .set, #"{"c":3}"#, ignoresAlias: true, by: legacy)
            #expect(try await store.profile("x", system: .legacy) == #"{"a":1,"c":3}"#)
            #expect(try await store.profile("y", system: .legacy) == #"{"b":2}"#)
            #expect(try await store.list(system: .legacy) == ["x", "y"])
        }
    }

    @Test(arguments: Backend.allCases)
    func `a listing has each cluster once, in byte order of its owner, in pages`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            for number in 0..<30 {
                let (user, device) = ("u\(number)", anonymous(number))
                try await store.update(number.isMultiple(of: 3) ? device : user, .set, "{\"n\":\(number)}")
                if number.isMultiple(of: 2) { try await store.commit(.identify(user, device)) }
                if number.isMultiple(of: 4) { try await store.update(device, .set, #"{"m":1}"#) }
                try await store.update("other", .set, #"{"m":1}"#, in: ProjectID(2))
            }
            let all = try await store.list(limit: .max)
            #expect(all.count == 30)
            #expect(all == all.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
            #expect(try await store.list(limit: 1) == all)
            #expect(try await store.list(limit: 7) == all)
            #expect(try await store.list(limit: 100, sizeLimitBytes: 1) == all)
        }
    }

    @Test(arguments: Backend.allCases)
    func `groups have profiles of their own`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            var batch = EventBatch.of([], endpoint: .groups)
            batch.updateGroup("company", "1", [(.set, #"{"n":"A"}"#), (.add, #"{"c":1}"#)])
            batch.updateGroup("company", "1", [(.add, #"{"c":1}"#), (.union, #"{"l":[1,1,2]}"#)])
            batch.updateGroup("company", "2", [(.setOnce, #"{"n":"B"}"#)])
            batch.updateGroup("c", "ompany1", [(.set, #"{"n":"C"}"#)])
            #expect(try await store.commit([batch], by: original, nowMilliseconds: 1)[0].lastSequences == [project: 0])
            #expect(try await store.group("company", "1") == #"{"c":2,"l":[1,2],"n":"A"}"#)
            #expect(try await store.group("company", "2") == #"{"n":"B"}"#)
            #expect(try await store.group("c", "ompany1") == #"{"n":"C"}"#)
            #expect(try await store.profile("1") == nil)
            var deletion = EventBatch.of([], endpoint: .groups)
            deletion.updateGroup("company", "1", [(.delete, "")])
            _ = try await store.commit([deletion], by: original, nowMilliseconds: 1)
            #expect(try await store.group("company", "1") == nil)
        }
    }

    @Test(arguments: Backend.allCases)
    func `sums that sixteen send at once add up`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.identify("u1", anonymous(1)))
            try await withThrowingTaskGroup { tasks in
                for number in 0..<16 {
                    tasks.addTask {
                        for _ in 0..<25 {
                            try await store.update(number.isMultiple(of: 2) ? "u1" : anonymous(1), .add, #"{"c":1}"#)
                        }
                    }
                }
                try await tasks.waitForAll()
            }
            #expect(try await store.profile(anonymous(1)) == #"{"c":400}"#)
        }
    }

    @Test(arguments: Backend.allCases)
    func `an update sees what the events of its own request joined`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.update("u1", .set, #"{"n":1}"#)
            var batch = EventBatch.of([.identify("u1", anonymous(1))])
            batch.update(anonymous(1), [(.set, #"{"m":2}"#)])
            _ = try await store.commit([batch], by: original, nowMilliseconds: 1)
            #expect(try await store.profile("u1") == #"{"m":2,"n":1}"#)
        }
    }

    @Test(arguments: Backend.allCases)
    func `reset deletes profiles, and a project with one keeps its identity system`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            var record = ProjectRecord(
                id: project, name: "p", token: "t", secretDigest: [1], rules: MergeRules(), createdMilliseconds: 1)
            try await store.save(record)
            var batch = EventBatch.of([])
            batch.updateGroup("k", "g", [(.set, "{}")])
            _ = try await store.commit([batch], by: original, nowMilliseconds: 1)
            record.rules.system = .legacy
            let changed = record
            await #expect(throws: StoreError(.conflict, "")) { try await store.save(changed) }
            try await store.update("a", .set, #"{"n":1}"#)
            try await store.reset()
            #expect(try await store.profile("a") == nil)
            #expect(try await store.group("k", "g") == nil)
            try await store.save(record)
        }
    }
}

extension Store {
    /// Sends one update, as a request of its own.
    func update(
        _ id: String, _ verb: ProfileVerb, _ operand: String, ignoresAlias: Bool = false, seenAt time: Int64? = nil,
        in project: ProjectID = project, by rules: [ProjectID: MergeRules] = original
    ) async throws(StoreError) {
        var batch = EventBatch.of([], endpoint: .engage)
        if let time { batch.receivedMilliseconds = time }
        batch.update(id, [(verb, operand)], ignoresAlias: ignoresAlias, ignoresTime: time == nil, in: project)
        _ = try await commit([batch], by: rules, nowMilliseconds: 1)
    }

    func cluster(
        _ id: String, _ rule: ProfileMergeRule = .hide, system: IdentitySystem = .original,
        in project: ProjectID = project
    ) async throws(StoreError) -> ClusterProfile? {
        try await read { snapshot throws(StoreError) in
            try snapshot.clusterProfile(of: DistinctID(id), in: project, system: system, rule: rule)
        }
    }

    /// The text of the profile that an id's cluster has.
    func profile(
        _ id: String, _ rule: ProfileMergeRule = .hide, system: IdentitySystem = .original,
        in project: ProjectID = project
    ) async throws(StoreError) -> String? {
        try await cluster(id, rule, system: system, in: project).map { String(decoding: $0.properties, as: UTF8.self) }
    }

    func group(_ key: String, _ id: String) async throws(StoreError) -> String? {
        try await read { snapshot throws(StoreError) in
            try snapshot.groupProfile(key: Array(key.utf8), id: Array(id.utf8), in: project)
        }.map { String(decoding: $0, as: UTF8.self) }
    }

    /// The owners of all profiles, asked for in pages.
    func list(
        system: IdentitySystem = .original, limit: Int = 1_000, sizeLimitBytes: Int = .max
    ) async throws(StoreError) -> [String] {
        var owners: [DistinctID] = []
        while true {
            let last = owners.last
            let page = try await read { snapshot throws(StoreError) in
                try snapshot.clusterProfiles(
                    in: project, after: last, limit: limit, sizeLimitBytes: sizeLimitBytes, system: system, rule: .hide)
            }
            if page.isEmpty { return owners.map(\.description) }
            owners += page.map(\.ownerID)
        }
    }
}
