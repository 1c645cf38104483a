import IdentityEngine
import Testing

/// The greatest size of a cluster: P 7.7.
struct ClusterLimitTests {
    struct Case: CustomTestStringConvertible {
        let maxClusterSize: Int
        let sizes: (Int, Int)
        let outcome: MergeOutcome
        let clusterSize: Int

        init(_ maxClusterSize: Int, _ sizes: (Int, Int), _ outcome: MergeOutcome, _ clusterSize: Int) {
            self.maxClusterSize = maxClusterSize
            self.sizes = sizes
            self.outcome = outcome
            self.clusterSize = clusterSize
        }

        var testDescription: String { "\(sizes.0) and \(sizes.1) ids, at most \(maxClusterSize)" }
    }

    static let table = [
        Case(499, (498, 1), .merged, 499),
        Case(499, (499, 1), .refused(.manyIDs), 500),
        Case(499, (1, 499), .refused(.manyIDs), 500),
        Case(499, (250, 249), .merged, 499),
        Case(499, (250, 250), .refused(.manyIDs), 500),
        Case(499, (300, 300), .refused(.manyIDs), 600),
        Case(500, (499, 1), .merged, 500),
        Case(500, (500, 1), .refused(.manyIDs), 501),
        Case(500, (250, 250), .merged, 500),
        Case(2, (1, 1), .merged, 2),
        Case(2, (2, 1), .refused(.manyIDs), 3),
        Case(1, (1, 1), .refused(.manyIDs), 2),
        Case(0, (499, 1), .merged, 500),
        Case(0, (1000, 1000), .merged, 2000),
    ]

    @Test(arguments: table, [Verb.identify, .alias, .merge])
    func `the result is what is measured, whichever the verb`(_ row: Case, _ verb: Verb) throws {
        var history = Self.twoClusters(row.sizes)
        history.rules.maxClusterSize = row.maxClusterSize
        let event = IdentityEvent(
            verb: verb, primary: DistinctID(named: "A1"), secondary: DistinctID(named: "A5000"))
        let decision = history.decide(event)
        #expect(decision.outcome == row.outcome)
        #expect(decision.clusterSize == row.clusterSize)
        let sizes = try ["A1", "A5000"].map { Int(try history.root(of: $0).size) }
        let total = row.sizes.0 + row.sizes.1
        #expect(sizes == (row.outcome == .merged ? [total, total] : [row.sizes.0, row.sizes.1]))
    }

    @Test(arguments: [Verb.identify, .alias, .merge])
    func `a lowered limit never fails inside an old cluster`(_ verb: Verb) {
        var history = Self.twoClusters((700, 1))
        history.rules.maxClusterSize = 2
        let inside = IdentityEvent(verb: verb, primary: DistinctID(named: "A3"), secondary: DistinctID(named: "A699"))
        #expect(Verdict(history.decide(inside)) == .redundant)
        let outside = IdentityEvent(verb: verb, primary: DistinctID(named: "A3"), secondary: DistinctID(named: "A5000"))
        #expect(history.decide(outside).outcome == .refused(.manyIDs))
    }

    @Test func `the default is the reading of the flowcharts`() {
        #expect(MergeRules() == MergeRules(system: .original, maxClusterSize: 499, anonymousForm: .mixpanel))
    }

    /// Two clusters, around A1 and around A5000, that merges made: none of their ids is used or an alias.
    private static func twoClusters(_ sizes: (Int, Int)) -> History {
        var history = History(MergeRules(maxClusterSize: 0))
        for number in 1..<sizes.0 { history.decide(.merge("A1", "A\(number + 1)")) }
        for number in 1..<sizes.1 { history.decide(.merge("A5000", "A\(number + 5000)")) }
        return history
    }
}
