import IdentityEngine
import IdentityStore
import Testing

/// What every store keeps: deletions for privacy law.
@Suite(.timeLimit(.minutes(10)))
struct StoreDeletionContract {
    @Test(arguments: Backend.allCases)
    func `a deletion takes whole clusters with everything about them, and nothing else`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(
                Sent(id: "U1", properties: #"{"a":1}"#), Sent(id: anonymous(1)), Sent(id: "x"), Sent(id: "U2"),
                .identify("U1", anonymous(1)), .alias("x", of: "U1"), .identify("U2", anonymous(2)),
                Sent(id: "U1").in(ProjectID(2)))
            try await store.delete("x")
            #expect(try await store.events().map(\.sent).sorted() == ["U2", "U2"])
            #expect(try await store.events(of: ProjectID(2)).map(\.sent) == ["U1"])
            #expect(try await store.nodes().map(\.id.description).sorted() == [anonymous(2), "U2"].sorted())
            #expect(try await store.canonicalID(of: anonymous(2)) == "U2")
            for id in ["U1", anonymous(1), "x"] {
                let resolved = try await store.read { snapshot throws(StoreError) in
                    try snapshot.identity(of: project).resolve(DistinctID(id))
                }
                #expect(!resolved.isKnown)
                #expect(resolved.canonicalID == DistinctID(id))
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func `a deletion takes the profiles of its ids, and no other's`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            var batch = EventBatch.of([.merge("a", "b")])
            for id in ["a", "b", "c", "d"] { batch.update(id, [(.set, #"{"city":"Bern"}"#)]) }
            _ = try await store.commit([batch], by: original, nowMilliseconds: 1)
            try await store.delete("b", "d")
            let found = try await store.read { snapshot throws(StoreError) in
                var found: [String] = []
                for id in ["a", "b", "c", "d"] where try snapshot.profile(of: DistinctID(id), in: project) != nil {
                    found.append(id)
                }
                return found
            }
            #expect(found == ["c"])
        }
    }

    @Test(arguments: Backend.allCases)
    func `entries that name a deleted id become tombstones, in the history of other clusters too`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.merge("a", "a"), .identify("U1", anonymous(1)), now: 10)
            try await store.commit(.identify("U2", anonymous(2)), now: 20)
            try await store.commit(.identify("U2", anonymous(1)), now: 30)
            try await store.commit(.merge("a", "b"), now: 40)
            try await store.delete("U1", "a")
            let records = try await store.records(LogQuery(limit: 10))
            let merged = LogTombstone(sequence: 1, verb: .merge, timeMilliseconds: 0)
            #expect(records.map(\.sequence) == [1, 2, 3, 4, 5])
            #expect(records[0] == .tombstone(merged))
            #expect(records[1] == .tombstone(LogTombstone(sequence: 2, verb: .identify, timeMilliseconds: 0)))
            #expect(records[2].entry?.event == .of(.identify, "U2", anonymous(2)))
            #expect(records[3] == .tombstone(LogTombstone(sequence: 4, verb: .identify, timeMilliseconds: 20)))
            #expect(records[4] == .tombstone(LogTombstone(sequence: 5, verb: .merge, timeMilliseconds: 20)))
            func sequences(_ query: LogQuery) async throws -> [Int64] {
                try await store.records(query).map(\.sequence)
            }
            #expect(try await sequences(LogQuery(limit: 10, distinctID: DistinctID("U2"))) == [3, 4])
            #expect(try await sequences(LogQuery(limit: 10, distinctID: DistinctID("U1"))) == [])
            #expect(try await sequences(LogQuery(limit: 10, outcomes: [.merged, .refused, .unchanged])) == [3])
            #expect(try await sequences(LogQuery(limit: 10, verb: .merge)) == [1, 5])
            #expect(try await sequences(LogQuery(limit: 10, distinctID: DistinctID("U2"), verb: .merge)) == [])
            let entry = try await store.read { snapshot throws(StoreError) in try snapshot.logEntry(4, in: project) }
            #expect(entry == nil)
        }
    }

    @Test(arguments: Backend.allCases)
    func `a deleted id begins anew, and neither sequences nor node keys are given twice`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.identify("U1", anonymous(1)), .identify("U2", anonymous(2)))
            try await store.delete("U2")
            let again = try await store.commit(.identify("U3", anonymous(2)), Sent(id: "U2"), now: 5)
            #expect(again.merged == 1)
            #expect(again.lastSequences == [project: 3])
            #expect(try await store.canonicalID(of: anonymous(2)) == "U3")
            #expect(try await store.nodes().map(\.key) == [1, 2, 5, 6])
            #expect(try await store.records(LogQuery(limit: 9)).map(\.timeMilliseconds) == [1_000, 1_000, 1_000])
            #expect(
                try await store.records(LogQuery(limit: 9, distinctID: DistinctID(anonymous(2)))).map(\.sequence) == [3]
            )
            // The device went with its user, so that another may take it.
            #expect(try await store.commit(.identify("U2", anonymous(3))).merged == 1)
            #expect(try await store.events().map(\.sent).sorted() == ["U1", "U2", "U2", "U3"])
            let links = try await store.read { snapshot throws(StoreError) in try snapshot.links(of: 5, in: project) }
            #expect(links.map(\.sequence) == [3])
        }
    }

    @Test(arguments: Backend.allCases)
    func `an event of another cluster loses the deleted id and nothing more`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            let rest = #","$device_id":"d","plan":"U1","n":[{"alias":"U1"}]}"#
            let properties = #"{"$anon_id":"\#(anonymous(1))","$user_id":"\u00551""# + rest
            var refused = Sent.identify("U2", anonymous(1))
            refused.properties = properties
            var merge = Sent.merge("U1", "U2")
            merge.properties = #"{"$distinct_ids":["U1","U2"]}"#
            try await store.commit(.identify("U1", anonymous(1)), refused, by: original)
            try await store.commit(merge, by: [project: MergeRules(maxClusterSize: 2)])
            try await store.delete(anonymous(1))
            let events = try await store.events().sorted { $0.sequence < $1.sequence }
            #expect(events.map(\.sent) == ["U2", ""])
            // Why they were refused stays with the events, for the log does not say it any more.
            let first = #"{"$anon_id":null,"$user_id":null"# + rest.dropLast()
            #expect(events.first?.text == first + #","$failure_reason":"errAnonDistinctIdAssignedAlready"}"#)
            #expect(events.last?.text == #"{"$distinct_ids":[null,"U2"],"$failure_reason":"errManyIDs"}"#)
        }
    }

    @Test(arguments: Backend.allCases)
    func `an event of nobody goes when it names deleted ids only`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            var merge = Sent.merge("a", "b")
            merge.properties = #"{"$distinct_ids":["a","b"]}"#
            try await store.commit(merge, Sent(properties: #"{"$user_id":""}"#))
            try await store.delete("b")
            #expect(try await store.events().map(\.text) == [#"{"$user_id":""}"#])
        }
    }

    @Test(arguments: Backend.allCases)
    func `an event that was sent under a deleted id and is another's stays that other's`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            var conflict = Sent.device("$device:d", of: "U2")
            conflict.properties = #"{"$device_id":"d","$user_id":"U2"}"#
            conflict.insertID = "i"
            try await store.commit(.device("$device:d", of: "U1"), conflict, by: simplified)
            let before = try await store.events().first { $0.filed == "U2" }
            try await store.delete("$device:d")
            let left = try #require(try await store.events().first)
            #expect(try await store.events().count == 1)
            #expect([left.sent, left.filed] == ["U2", "U2"])
            #expect(left.text == #"{"$device_id":null,"$user_id":"U2"}"#)
            #expect(left.insertID == Array("i".utf8))
            #expect(left.key != before?.key)
            try await store.delete("U2")
            #expect(try await store.events().isEmpty)
        }
    }

    @Test(arguments: Backend.allCases)
    func `an id with events and without identity operations is deleted too`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(Sent(id: "a"), Sent(id: "b"), Sent(id: "a", insertID: "i"))
            try await store.delete("a", "nobody")
            #expect(try await store.events().map(\.sent) == ["b"])
        }
    }

    @Test(arguments: Backend.allCases)
    func `a task is replaced in its state only, and counts its ids when they are gone`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            var task = PrivacyTask.deletion("t1", of: "a", "b\0")
            #expect(try await store.add(task, openLimit: 1))
            #expect(try await store.add(.deletion("t2", of: "c"), openLimit: 1) == false)
            #expect(try await store.privacyTask("t1") == task)
            #expect(try await store.privacyTask("t2") == nil)
            task.state = .revoked
            #expect(try await store.replace(task, in: .started) == false)
            #expect(try await store.privacyTasks(in: [.pending]).map(\.state) == [.pending])
            #expect(try await store.replace(task, in: .pending))
            #expect(try await store.privacyTasks(in: PrivacyTask.State.open).isEmpty)
            #expect(try await store.add(.deletion("t2", of: "a"), openLimit: 1))
            try await store.run("t2")
            let done = try await store.privacyTask("t2")
            #expect(done?.state == .erasing)
            #expect(done?.distinctIDs == [])
            #expect(done?.idCount == 1)
        }
    }

    @Test(arguments: Backend.allCases)
    func `each project has its own room for tasks, and files take room from retrievals only`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            func retrieval(_ trackingID: String, _ number: Int64) -> PrivacyTask {
                PrivacyTask(
                    trackingID: trackingID, project: ProjectID(number), kind: .retrieval, complianceType: .gdpr,
                    requestedBy: "secret", createdMilliseconds: 1, distinctIDs: [DistinctID("a")])
            }
            var done = retrieval("r1", project.rawValue)
            #expect(try await store.add(done, openLimit: 1))
            done.state = .available
            #expect(try await store.replace(done, in: .pending))
            #expect(try await store.add(retrieval("r2", project.rawValue), openLimit: 1) == false)
            #expect(try await store.add(retrieval("r3", project.rawValue + 1), openLimit: 1))
            #expect(try await store.add(.deletion("d1", of: "a"), openLimit: 1))
            #expect(try await store.add(.deletion("d2", of: "a"), openLimit: 1) == false)
        }
    }

    @Test(arguments: Backend.allCases)
    func `a deletion takes its ids out of retrievals that wait`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.merge("a", "b"))
            let retrieval = PrivacyTask(
                trackingID: "r", project: project, kind: .retrieval, complianceType: .gdpr, requestedBy: "secret",
                createdMilliseconds: 1, distinctIDs: [DistinctID("b"), DistinctID("c")])
            #expect(try await store.add(retrieval, openLimit: 9))
            try await store.delete("a")
            #expect(try await store.privacyTask("r")?.distinctIDs == [DistinctID("c")])
        }
    }

    @Test(arguments: Backend.allCases)
    func `commits go on beside deletions, and what came before the end is gone or whole`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            for round in 0..<20 {
                let events = (0..<50).map { Sent(id: $0 % 2 == 0 ? "a" : "b", insertID: "\(round)-\($0)") }
                _ = try await store.commit([EventBatch.of(events)], by: original, nowMilliseconds: 1)
            }
            try await store.commit(.merge("a", "a2"))
            try await withThrowingTaskGroup { tasks in
                tasks.addTask { try await store.delete("a") }
                tasks.addTask {
                    for round in 0..<50 {
                        try await store.commit(
                            Sent(id: "b", insertID: "n\(round)"), Sent(id: "a", insertID: "m\(round)"),
                            .merge("a", "n\(round)"))
                    }
                }
                try await tasks.waitForAll()
            }
            let events = try await store.events()
            #expect(events.count { $0.sent == "b" } == 550)
            // Of the ids that came after the cluster went, every entry, node and event is there.
            let entries = try await store.log().filter { $0.event.primary == DistinctID("a") }
            #expect(events.count { $0.sent == "a" } == entries.count)
            #expect(try await store.records(LogQuery(limit: .max)).map(\.sequence) == Array(1...51))
            let size = try await store.read { snapshot throws(StoreError) in
                try snapshot.identity(of: project).resolve(DistinctID("a")).clusterSize
            }
            #expect(Int(size) == max(entries.count + 1, 1))
        }
    }
}

extension PrivacyTask {
    static func deletion(_ trackingID: String, of ids: String...) -> PrivacyTask {
        PrivacyTask(
            trackingID: trackingID, project: ProjectID(1), kind: .deletion, complianceType: .gdpr,
            requestedBy: "secret", createdMilliseconds: 1, distinctIDs: ids.map { DistinctID($0) })
    }
}

extension Store {
    func records(_ query: LogQuery) async throws(StoreError) -> [LogRecord] {
        try await read { snapshot throws(StoreError) in try snapshot.logRecords(query, in: project) }
    }

    /// Deletes the clusters of ids, and erases what is left of them.
    func delete(_ ids: String...) async throws {
        let number = try await privacyTasks(in: Set(PrivacyTask.State.allCases)).count
        let task = PrivacyTask(
            trackingID: "delete \(number)", project: project, kind: .deletion, complianceType: .ccpa,
            requestedBy: "secret", createdMilliseconds: 1, distinctIDs: ids.map { DistinctID($0) })
        #expect(try await add(task, openLimit: .max))
        try await run(task.trackingID)
        #expect(try await eraseTraces())
    }

    /// Begins a deletion, and does it.
    func run(_ trackingID: String) async throws {
        var task = try #require(try await privacyTask(trackingID))
        task.state = .started
        #expect(try await replace(task, in: .pending))
        #expect(try await deleteClusters(of: trackingID))
    }
}
