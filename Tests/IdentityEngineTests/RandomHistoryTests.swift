import IdentityEngine
import Testing

/// Random histories over few ids, so that everything collides: the index against `NaiveProject`, and against itself.
struct RandomHistoryTests {
    @Test(.timeLimit(.minutes(10)), arguments: IdentitySystem.allCases)
    func `an index decides as the rules say, and remembers every earlier state`(_ system: IdentitySystem) {
        expectNoDifference(in: system, count: 3500) { RandomHistory.differenceFromModel($0) }
    }

    @Test(.timeLimit(.minutes(10)), arguments: [IdentitySystem.original, .simplified])
    func `with unmerges and restores, clusters are what the active links say, now and at every sequence`(
        _ system: IdentitySystem
    ) {
        expectNoDifference(in: system, count: 5000, withUnmerges: true) { RandomHistory.differenceFromModel($0) }
    }

    @Test(arguments: IdentitySystem.allCases)
    func `a batch that loads only the rows it names comes to the same rows`(_ system: IdentitySystem) {
        expectNoDifference(in: system, count: 500) { RandomHistory.differenceWhenLoaded($0) }
    }

    @Test(arguments: IdentitySystem.allCases)
    func `a history that is decided again gives equal rows and decisions`(_ system: IdentitySystem) {
        expectNoDifference(in: system, count: 200) { history in
            RandomHistory.play(history) == RandomHistory.play(history) ? nil : "two runs differ"
        }
    }

    /// A property is worth no more than the cases that it sees.
    @Test func `random histories come to every outcome`() {
        for system in IdentitySystem.allCases {
            var seen: Set<Verdict> = []
            for number: UInt64 in 0..<1000 {
                let play = RandomHistory.play(RandomHistory(system, seed: runSeed &+ number))
                seen.formUnion(play.decisions.map { Verdict($0) })
            }
            let expected: Set<Verdict> =
                switch system {
                case .original:
                    Set(MergeRefusal.allCases.map { .refused($0) }).union([.merged, .redundant, .repeated, .unlogged])
                case .simplified: [.merged, .unlogged, .conflict]
                case .legacy: [.merged, .repeated, .refused(.aliasAlreadyExists), .unlogged]
                }
            #expect(seen == expected, "SELFSAME_SEED=\(runSeed), \(system)")
        }
    }

    /// Looks at a number of histories, and reports the first that differs, with all needless steps taken out.
    private func expectNoDifference(
        in system: IdentitySystem, count: UInt64, withUnmerges: Bool = false,
        _ difference: (RandomHistory) -> String?
    ) {
        for number in 0..<count {
            let history = RandomHistory(system, seed: runSeed &+ number, withUnmerges: withUnmerges)
            guard difference(history) != nil else { continue }
            let shortest = history.shortened { difference($0) != nil }
            Issue.record("SELFSAME_SEED=\(runSeed): \(difference(shortest) ?? "") after \(shortest.steps)")
            return
        }
    }
}
