import IdentityEngine
import IdentityStore
import Testing

/// What every store keeps: reads.
@Suite(.timeLimit(.minutes(10)))
struct StoreReadingContract {
    @Test(arguments: Backend.allCases)
    func `the log is asked by id, outcome, verb and place`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(
                .identify("U1", anonymous(1)), .identify("U2", anonymous(1)), .merge("U1", "U2"),
                .alias("x", of: "U1"), .merge("U1", "U2"), .identify("U2", "U2"))
            func sequences(_ query: LogQuery) async throws -> [Int64] {
                try await store.log(of: project, query).map(\.sequence)
            }
            #expect(try await sequences(LogQuery(limit: 10)) == [1, 2, 3, 4, 5, 6])
            #expect(try await sequences(LogQuery(after: 2, limit: 2)) == [3, 4])
            #expect(try await sequences(LogQuery(limit: 10, distinctID: DistinctID("U2"))) == [2, 3, 5, 6])
            #expect(try await sequences(LogQuery(after: 3, limit: 1, distinctID: DistinctID("U2"))) == [5])
            #expect(try await sequences(LogQuery(limit: 10, distinctID: DistinctID("nobody"))) == [])
            #expect(try await sequences(LogQuery(limit: 10, outcomes: [.refused])) == [2, 6])
            #expect(try await sequences(LogQuery(limit: 10, outcomes: [.refused, .unchanged])) == [2, 5, 6])
            #expect(try await sequences(LogQuery(limit: 10, outcomes: [])) == [])
            #expect(try await sequences(LogQuery(limit: 10, verb: .merge)) == [3, 5])
            #expect(try await sequences(LogQuery(limit: 3, isLatestFirst: true)) == [6, 5, 4])
            #expect(try await sequences(LogQuery(limit: 3, before: 4, isLatestFirst: true)) == [3, 2, 1])
            #expect(try await sequences(LogQuery(after: 2, limit: 9, before: 5, isLatestFirst: true)) == [4, 3])
            #expect(try await sequences(LogQuery(after: 2, limit: 9, before: 5)) == [3, 4])
            #expect(try await sequences(LogQuery(after: 5, limit: 9, before: 5)) == [])
            #expect(try await sequences(LogQuery(after: .max, limit: 9, before: 1, isLatestFirst: true)) == [])
            let latest = LogQuery(limit: 2, before: 6, isLatestFirst: true, distinctID: DistinctID("U2"))
            #expect(try await sequences(latest) == [5, 3])
            #expect(
                try await sequences(LogQuery(limit: 9, isLatestFirst: true, outcomes: [.refused])) == [6, 2])
            let mixed = LogQuery(limit: 10, distinctID: DistinctID("U2"), outcomes: [.merged], verb: .merge)
            #expect(try await sequences(mixed) == [3])
            let entry = try await store.read { snapshot throws(StoreError) in try snapshot.logEntry(2, in: project) }
            #expect(entry?.outcome == .refused(.anonymousAssignedAlready))
            #expect(entry?.event == .of(.identify, "U2", anonymous(1)))
            for missing in [0, 7] as [Int64] {
                #expect(
                    try await store.read { snapshot throws(StoreError) in
                        try snapshot.logEntry(missing, in: project)
                    } == nil)
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func `an entry about an id without a node is not found by that id`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.merge("a", "a"), .merge("a", "b"), .merge("a", "a"))
            let found = try await store.log(of: project, LogQuery(limit: 10, distinctID: DistinctID("a")))
            #expect(found.map(\.sequence) == [2, 3])
        }
    }

    @Test(arguments: Backend.allCases)
    func `nodes come in pages, in the order of their keys, of one project`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            for number in 0..<5 {
                try await store.commit(.merge("a", "b\(number)"), .merge("a", "b\(number)").in(ProjectID(2)))
            }
            var ids: [String] = []
            var last: NodeKey = 0
            while true {
                let page = try await store.read { [last] snapshot throws(StoreError) in
                    try snapshot.nodes(in: project, after: last, limit: 4)
                }
                guard let end = page.last else { break }
                #expect(page.count <= 4)
                ids += page.map(\.id.description)
                last = end.key
            }
            #expect(ids == ["a", "b0", "b1", "b2", "b3", "b4"])
        }
    }

    @Test(arguments: Backend.allCases)
    func `a node is found by id and by key in its own project only`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.merge("a", "b"))
            try await store.read { snapshot throws(StoreError) in
                let node = try snapshot.node(for: DistinctID("a"), in: project)
                #expect(node?.key == 1)
                #expect(try snapshot.node(1, in: project) == node)
                #expect(try snapshot.node(1, in: ProjectID(2)) == nil)
                #expect(try snapshot.node(for: DistinctID("a"), in: ProjectID(2)) == nil)
                #expect(try snapshot.node(3, in: project) == nil)
                #expect(try snapshot.lastSequence(of: project) == 1)
                #expect(try snapshot.lastSequence(of: ProjectID(2)) == 0)
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func `links are found from both ends, in order`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(.merge("a", "b"), .merge("c", "a"), .merge("c", "d"), .alias("b", of: "a"))
            let links = try await store.read { snapshot throws(StoreError) in try snapshot.links(of: 1, in: project) }
            #expect(
                links == [
                    Link(sequence: 1, verb: .merge, from: 2, to: 1), Link(sequence: 2, verb: .merge, from: 1, to: 3),
                    Link(sequence: 4, verb: .alias, from: 2, to: 1),
                ])
            let begun = try await store.read { snapshot throws(StoreError) in
                [try snapshot.links(from: 2, in: project), try snapshot.links(from: 3, in: project)]
            }
            #expect(begun.map { $0.map(\.sequence) } == [[1, 4], []])
            let none = try await store.read { snapshot throws(StoreError) in
                try snapshot.links(of: 1, in: ProjectID(2)) + snapshot.links(from: 2, in: ProjectID(2))
            }
            #expect(none.isEmpty)
        }
    }

    @Test(arguments: Backend.allCases)
    func `pages of events meet without gap or overlap, over equal times too`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            for number in 0..<40 { try await store.commit(Sent(id: "\(number)", time: Int64(number / 10) - 2)) }
            try await store.commit(Sent(id: "other", time: 0).in(ProjectID(2)))
            let all = try await store.events()
            #expect(all.count == 40)
            #expect(all.map(\.key) == all.map(\.key).sorted())
            for limit in [1, 3, 10, 39] {
                var paged: [StoredEvent] = []
                var key = EventKey.before(-2)
                while true {
                    let page = try await store.read { [key] snapshot throws(StoreError) in
                        try snapshot.events(
                            in: project, after: key, beforeMilliseconds: 1, limit: limit, sizeLimitBytes: .max)
                    }
                    guard let last = page.last else { break }
                    paged += page
                    key = last.key
                }
                #expect(paged == Array(all.prefix(30)))
            }
            let none = try await store.read { snapshot throws(StoreError) in
                try snapshot.events(
                    in: project, after: .before(2), beforeMilliseconds: .max, limit: 9, sizeLimitBytes: .max)
            }
            #expect(none.isEmpty)
        }
    }

    @Test(arguments: Backend.allCases)
    func `a page of events ends where its properties reach the limit of size, but not before the first`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            for time in 0..<4 as Range<Int64> { try await store.commit(Sent(time: time, properties: "0123456789")) }
            for (limit, count) in [(0, 1), (1, 1), (10, 1), (11, 2), (30, 3), (1_000, 4)] {
                let page = try await store.read { snapshot throws(StoreError) in
                    try snapshot.events(
                        in: project, after: .before(0), beforeMilliseconds: .max, limit: 9, sizeLimitBytes: limit)
                }
                #expect(page.count == count)
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func `a snapshot sees whole commits, and the same ones for as long as it is open`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            try await withThrowingTaskGroup { tasks in
                tasks.addTask {
                    for number in 0..<60 {
                        try await store.commit(.merge("a", "b\(number)"), Sent(id: "e", time: Int64(number)))
                    }
                }
                for _ in 0..<3 {
                    tasks.addTask {
                        for _ in 0..<40 {
                            try await store.read { snapshot throws(StoreError) in
                                let sequence = try snapshot.lastSequence(of: project)
                                let entries = try snapshot.logEntries(LogQuery(limit: .max), in: project)
                                let events = try snapshot.events(
                                    in: project, after: .before(0), beforeMilliseconds: .max, limit: .max,
                                    sizeLimitBytes: .max)
                                let nodes = try snapshot.nodes(in: project, after: 0, limit: .max)
                                #expect(Int64(entries.count) == sequence)
                                #expect(Int64(events.count) == 2 * sequence)
                                #expect(sequence == 0 || Int64(nodes.count) == sequence + 1)
                                #expect(try snapshot.lastSequence(of: project) == sequence)
                            }
                        }
                    }
                }
                try await tasks.waitForAll()
            }
        }
    }

    @Test(arguments: Backend.allCases)
    func `what the body of a read throws comes out, and the store goes on`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            await #expect(throws: StoreError(.corrupt, "")) {
                try await store.read { _ throws(StoreError) in throw StoreError(.corrupt, "no") }
            }
            try await store.commit(Sent(id: "a"))
            #expect(try await store.events().count == 1)
        }
    }
}
