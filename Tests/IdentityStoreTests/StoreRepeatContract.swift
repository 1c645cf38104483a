import IdentityEngine
import IdentityStore
import Testing

/// What every store makes of a statement whose event is stored already.
@Suite(.timeLimit(.minutes(10)))
struct StoreRepeatContract {
    private static let verb = Sent.identify("U", anonymous(1), insertID: "i")

    @Test(arguments: Backend.allCases)
    func `a repeat that changes nothing is counted, and makes no entry`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            #expect(try await store.commit(Self.verb).merged == 1)
            for _ in 0..<3 {
                let result = try await store.commit(Self.verb)
                #expect(result.unchanged == 1)
                #expect(result.lastSequences == [project: 1])
            }
            #expect(try await store.log().map(\.outcome) == [.merged])
            #expect(try await store.events().map(\.sequence) == [1])
        }
    }

    @Test(arguments: Backend.allCases)
    func `two copies of an event in one group, and in one batch, make one entry`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            let group = [EventBatch.of([Self.verb, Self.verb]), EventBatch.of([Self.verb])]
            let results = try await store.commit(group, by: original, nowMilliseconds: 1_000)
            #expect(results.map(\.merged) == [1, 0])
            #expect(results.map(\.unchanged) == [1, 1])
            #expect(try await store.log().map(\.outcome) == [.merged])
            #expect(try await store.events().map(\.sequence) == [1])
        }
    }

    @Test(arguments: Backend.allCases)
    func `a repeat whose event is another one makes an entry`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            var later = Self.verb
            later.time += 1
            let withoutInsertID = Sent.identify("U", anonymous(1))
            try await store.commit(Self.verb, later, withoutInsertID, withoutInsertID)
            #expect(try await store.log().map(\.outcome) == [.merged, .unchanged, .unchanged, .unchanged])
            try await store.commit(later)
            try await store.commit(withoutInsertID)
            #expect(try await store.log().count == 5)
            #expect(try await store.events().map(\.sequence).sorted() == [1, 2, 3, 4, 5])
        }
    }

    @Test(arguments: Backend.allCases)
    func `a copy that names other ids makes an entry`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            let other = Sent.identify("U", anonymous(2), insertID: "i")
            try await store.commit(Self.verb, .identify("U", anonymous(2)), other)
            #expect(try await store.log().map(\.outcome) == [.merged, .merged, .unchanged])
            try await store.commit(other)
            #expect(try await store.log().count == 3)
            try await store.commit(Self.verb)
            #expect(try await store.log().count == 4, "the event shows the other statement's entry by now")
        }
    }

    @Test(arguments: Backend.allCases)
    func `a copy that makes a redundant link makes an entry, once`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            var alias = Sent.alias("b", of: "a")
            alias.insertID = "i"
            try await store.commit(.merge("a", "b"))
            for _ in 0..<2 { #expect(try await store.commit(alias).unchanged == 1) }
            #expect(try await store.log().map(\.hasLink) == [true, true])
            #expect(Set(try await store.events().map(\.sequence)) == [1, 2])
        }
    }

    @Test(arguments: Backend.allCases)
    func `a refused repeat makes an entry each time, and so does the first that is not refused`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            let refused = Sent.identify("V", anonymous(1), insertID: "v")
            try await store.commit(Self.verb, refused)
            try await store.commit(refused)
            #expect(try await store.log().map(\.outcome.kind) == [.merged, .refused, .refused])
            try await store.unmerge(link: 1)
            // Another event states the same, and makes the link; the refused one is then unchanged.
            try await store.commit(.identify("V", anonymous(1)), refused)
            #expect(try await store.log().map(\.outcome.kind).suffix(2) == [.merged, .unchanged])
            let last = try await store.log().last?.sequence
            #expect(try await store.events().first { $0.insertID == Array("v".utf8) }?.sequence == last)
            try await store.commit(refused)
            #expect(try await store.log().last?.sequence == last)
        }
    }

    @Test(arguments: Backend.allCases)
    func `after an unmerge a repeat is refused, and merges again once the block is lifted`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            try await store.commit(Self.verb)
            try await store.unmerge(link: 1)
            #expect(try await store.commit(Self.verb).refused == 1)
            _ = try await store.amend(
                .unblock(DistinctID("U"), DistinctID(anonymous(1))), in: project, by: MergeRules(), origin: .command,
                nowMilliseconds: 1_000
            ).get()
            #expect(try await store.commit(Self.verb).merged == 1)
            #expect(try await store.commit(Self.verb).unchanged == 1)
            let entries = try await store.log()
            #expect(entries.map(\.outcome) == [.merged, .refused(.linkRevoked), .merged])
            #expect(try await store.events().map(\.sequence) == [entries.last?.sequence])
        }
    }

    @Test(arguments: Backend.allCases)
    func `an alias or a merge of one id with itself is an entry once for each event`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            var merge = Sent.merge("a", "a")
            merge.insertID = "i"
            for _ in 0..<3 { #expect(try await store.commit(merge).unchanged == 1) }
            #expect(try await store.log().count == 1)
            try await store.commit(.merge("a", "b"), merge)
            #expect(try await store.log().count == 2)
        }
    }

    @Test(arguments: Backend.allCases)
    func `a Legacy alias is an entry once for each event`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            var alias = Sent.alias("x", of: "y")
            alias.insertID = "i"
            for expected in [1, 0, 0] {
                let result = try await store.commit([.of([alias])], by: legacy, nowMilliseconds: 1)[0]
                #expect(result.merged == expected)
            }
            #expect(try await store.log().count == 1)
        }
    }

    @Test(arguments: Backend.allCases)
    func `a preview of repeats tells what committing them comes to, and the log proves right`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            try await store.save(.plain(MergeRules()), nowMilliseconds: 1)
            try await store.commit(Self.verb, .merge("a", "b"))
            let repeats = EventBatch.of([Self.verb, Self.verb, .identify("W", anonymous(1), insertID: "w")])
            let told = try await store.read { snapshot throws(StoreError) in
                var preview = try Preview(of: project, by: MergeRules(), on: snapshot, nowMilliseconds: 1_000)
                return try preview.decide(repeats).map(\.decision.outcome)
            }
            #expect(told == [.unchanged, .unchanged, .refused(.anonymousAssignedAlready)])
            let result = try await store.commit([repeats], by: original, nowMilliseconds: 1_000)[0]
            #expect([result.merged, result.unchanged, result.refused] == [0, 2, 1])
            let report = try await store.verify(
                .plain(MergeRules()), decides: true, checksEvents: true, progress: { _ in })
            #expect(report.isIdentical)
        }
    }
}

extension Store {
    fileprivate func unmerge(link: Int64) async throws {
        _ = try await amend(
            .unmergeLink(link, keepsApart: true), in: project, by: MergeRules(), origin: .command,
            nowMilliseconds: 1_000
        ).get()
    }
}
