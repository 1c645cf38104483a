import IdentityEngine
import Testing

/// What a recorded log comes to, without deciding anything anew.
@Suite struct ReplayTests {
    @Test(arguments: IdentitySystem.allCases)
    func `a replay of recorded outcomes comes to the index that decided them`(_ system: IdentitySystem) {
        for number in 0..<1_000 as Range<UInt64> {
            let seed = UInt64.random(in: 0 ... .max) &+ number
            let random = RandomHistory(system, seed: seed)
            var played = History(random.rules)
            var replay = Replay(rules: random.rules)
            var differences = DifferenceTally()
            for case .decide(let event) in random.steps {
                let decision = played.decide(event)
                guard decision.isLogged else { continue }
                let entry = LogEntry.of(event, decision, sequence: played.lastSequence, random.rules)
                #expect(replay.decision(anew: entry) == decision, "seed \(seed), \(event.testDescription)")
                replay.apply(.entry(entry), noting: &differences)
            }
            #expect(differences.first == nil, "seed \(seed)")
            #expect(replay.index.allNodes == played.index.allNodes, "seed \(seed)")
        }
    }

    /// A log of two entries: `$identify` U1, A1, and another.
    struct Contradiction: CustomTestStringConvertible {
        let event: IdentityEvent
        let outcome: MergeOutcome
        let hasLink: Bool
        let clusterSize: Int
        let isSound: Bool

        init(_ event: IdentityEvent, _ outcome: MergeOutcome, _ hasLink: Bool, _ clusterSize: Int, _ isSound: Bool) {
            self.event = event
            self.outcome = outcome
            self.hasLink = hasLink
            self.clusterSize = clusterSize
            self.isSound = isSound
        }

        var testDescription: String { "\(event.testDescription), \(outcome), \(hasLink), \(clusterSize)" }

        static let all = [
            Contradiction(.identify("U1", "A1"), .unchanged, false, 2, true),
            Contradiction(.identify("U1", "A1"), .unchanged, true, 2, false),
            Contradiction(.identify("U1", "A1"), .merged, true, 2, false),
            Contradiction(.identify("U1", "A1"), .unchanged, false, 3, false),
            Contradiction(.merge("U1", "A1"), .unchanged, true, 2, true),
            Contradiction(.merge("U1", "A1"), .unchanged, false, 2, false),
            Contradiction(.merge("U1", "A1"), .merged, true, 2, false),
            Contradiction(.identify("U2", "A2"), .merged, true, 2, true),
            Contradiction(.identify("U2", "A2"), .merged, false, 2, false),
            Contradiction(.identify("U2", "A2"), .unchanged, true, 2, false),
            Contradiction(.identify("U2", "A2"), .unchanged, false, 0, false),
            Contradiction(.identify("U2", "A1"), .refused(.anonymousAssignedAlready), false, 0, true),
            Contradiction(.identify("U2", "A1"), .refused(.manyIDs), false, 3, true),
            Contradiction(.identify("U2", "A1"), .refused(.manyIDs), false, 2, false),
            Contradiction(.identify("U2", "A1"), .refused(.anonymousAssignedAlready), true, 0, false),
            Contradiction(.merge("U1", "U1"), .unchanged, false, 2, true),
            Contradiction(.merge("U3", "U3"), .unchanged, false, 1, true),
            Contradiction(.merge("U3", "U3"), .merged, true, 1, false),
            Contradiction(
                IdentityEvent(verb: .unmerge, primary: DistinctID("a"), secondary: DistinctID("b")), .merged, true, 2,
                false),
        ]
    }

    @Test(arguments: Contradiction.all)
    func `an outcome that contradicts the entries before it is a difference`(_ second: Contradiction) {
        var replay = Replay(rules: MergeRules())
        var differences = DifferenceTally()
        replay.apply(.entry(.of(.identify("U1", "A1"), .merged, true, 2, sequence: 1)), noting: &differences)
        #expect(differences.count == 0)
        let entry = LogEntry.of(second.event, second.outcome, second.hasLink, second.clusterSize, sequence: 2)
        replay.apply(.entry(entry), noting: &differences)
        #expect(differences.first?.sequence == (second.isSound ? nil : 2))
    }

    @Test(
        arguments: [
            (.unmerge(links: [1], target: nil, keepsApart: true), true),
            (.unmerge(links: [2], target: nil, keepsApart: true), false),
            (.unmerge(links: [1], target: 2, keepsApart: true), false),
            (.restore(unmerge: 1, links: [1]), false),
            (.unblock, false),
            (.rules(from: MergeRules(), to: MergeRules(maxClusterSize: 2)), true),
            (.rules(from: MergeRules(anonymousForm: .any), to: MergeRules()), false),
        ] as [(Amendment, Bool)])
    func `an amendment that contradicts the entries before it is a difference`(
        _ amendment: Amendment, _ isSound: Bool
    ) {
        var replay = Replay(rules: MergeRules())
        var differences = DifferenceTally()
        replay.apply(.entry(.of(.identify("U1", "A1"), .merged, true, 2, sequence: 1)), noting: &differences)
        let entry = AmendmentEntry(
            sequence: 2, timeMilliseconds: 9_000, amendment: amendment, ids: [DistinctID("U1")], origin: .command)
        replay.apply(.amendment(entry), noting: &differences)
        #expect(differences.count == (isSound ? 0 : 1))
    }
}

extension LogEntry {
    fileprivate static func of(
        _ event: IdentityEvent, _ decision: Decision, sequence: Int64, _ rules: MergeRules
    ) -> LogEntry {
        LogEntry(
            sequence: sequence, timeMilliseconds: sequence * 1_000, event: event, outcome: decision.outcome,
            hasLink: decision.link != nil, clusterSize: decision.clusterSize, maxClusterSize: rules.maxClusterSize,
            origin: .command)
    }

    fileprivate static func of(
        _ event: IdentityEvent, _ outcome: MergeOutcome, _ hasLink: Bool, _ clusterSize: Int, sequence: Int64
    ) -> LogEntry {
        LogEntry(
            sequence: sequence, timeMilliseconds: sequence * 1_000, event: event, outcome: outcome, hasLink: hasLink,
            clusterSize: clusterSize, maxClusterSize: 499, origin: .command)
    }
}
