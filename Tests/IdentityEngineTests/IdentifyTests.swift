import IdentityEngine
import Testing

/// `$identify`: P 7.2 and 7.3.
struct IdentifyTests {
    static let table = [
        DecisionCase("1, an id with itself", [], .identify("A1", "A1"), .refused(.sameIDs), 0, ["A1"]),
        DecisionCase("1 before 2", [], .identify("U1", "U1"), .refused(.sameIDs), 0, ["U1"]),
        DecisionCase("1, not 3", [.merge("A1", "A2")], .identify("A1", "A1"), .refused(.sameIDs), 0, ["A1 A2"]),
        DecisionCase("2", [], .identify("U1", "u2"), .refused(.anonymousNotGUIDForm), 0, ["U1", "u2"]),
        DecisionCase(
            "2 before 3, together by an alias", [.alias("U2", of: "U1")],
            .identify("U1", "U2"), .refused(.anonymousNotGUIDForm), 0, ["U1 U2"]),
        DecisionCase(
            "2 before 4", [.identify("U2", "A1")],
            .identify("U1", "U2"), .refused(.anonymousNotGUIDForm), 0, ["U1", "U2 A1"]),
        DecisionCase("2 asks nothing of the identified id", [], .identify("A1", "A2"), .merged, 2, ["A1 A2"]),
        DecisionCase("3, repeat", [.identify("U1", "A1")], .identify("U1", "A1"), .repeated, 2, ["U1 A1"]),
        DecisionCase("3, by a merge", [.merge("U1", "A1")], .identify("U1", "A1"), .redundant, 2, ["U1 A1"]),
        DecisionCase("3, by an alias", [.alias("A1", of: "U1")], .identify("U1", "A1"), .redundant, 2, ["U1 A1"]),
        DecisionCase(
            "3, through a third", [.merge("U1", "A1"), .merge("A1", "A2")],
            .identify("U1", "A2"), .redundant, 3, ["U1 A1 A2"]),
        DecisionCase("3, the other way", [.identify("A2", "A1")], .identify("A1", "A2"), .redundant, 2, ["A2 A1"]),
        DecisionCase(
            "3 before 4, the cluster holds another identified id",
            [.identify("U1", "A1"), .identify("U2", "A2"), .merge("U1", "U2")],
            .identify("U2", "A1"), .redundant, 4, ["U1 A1 A2 U2"]),
        DecisionCase(
            "4, the anonymous id", [.identify("U1", "A1")],
            .identify("U2", "A1"), .refused(.anonymousAssignedAlready), 0, ["U1 A1", "U2"]),
        DecisionCase(
            "4, an id merged with it", [.identify("U1", "A1"), .merge("A1", "A2")],
            .identify("U2", "A2"), .refused(.anonymousAssignedAlready), 0, ["U1 A1 A2", "U2"]),
        DecisionCase(
            "4, it is the identified id itself", [.identify("A2", "A1")],
            .identify("U1", "A2"), .refused(.anonymousAssignedAlready), 0, ["A2 A1", "U1"]),
        DecisionCase(
            "4, used only by a redundant link (7.2-3)", [.merge("U1", "A1"), .identify("U1", "A1")],
            .identify("U2", "A1"), .refused(.anonymousAssignedAlready), 0, ["U1 A1", "U2"]),
        DecisionCase(
            "6, the refused are not used (7.2-4)",
            [.identify("U1", "x"), .merge("U1", "A1")],
            .identify("U2", "A1"), .merged, 3, ["U2 A1 U1", "x"]),
        DecisionCase("6, two new ids", [], .identify("U1", "A1"), .merged, 2, ["U1 A1"]),
        DecisionCase("6, one more device", [.identify("U1", "A1")], .identify("U1", "A2"), .merged, 3, ["U1 A1 A2"]),
        DecisionCase(
            "6, the identified cluster holds used ids (7.2-2)",
            [.identify("U1", "A1"), .identify("U2", "A2"), .merge("U1", "U2")],
            .identify("U2", "A3"), .merged, 5, ["U1 A1 A2 A3 U2"]),
        DecisionCase(
            "6, an identified id may be identified onto by a used one", [.identify("A2", "A1")],
            .identify("A1", "A3"), .merged, 3, ["A2 A1 A3"]),
    ]

    @Test(arguments: table) func `the first row of the table that holds decides`(_ row: DecisionCase) { row.check() }

    @Test func `what an unmerge parted stays parted`() throws {
        var history = History(MergeRules(), [.merge("U9", "A9"), .merge("U1", "U8"), .merge("A1", "A8")])
        try history.block("U1", "A1")
        #expect(history.decide(.identify("U1", "A1")).outcome == .refused(.linkRevoked))
        #expect(history.decide(.identify("U1", "A8")).outcome == .merged, "only the pair is blocked")
        #expect(history.decide(.identify("U1", "A1")).outcome == .unchanged, "row 3 comes before row 3b")
        #expect(history.clusters == ["U1 A1 A8 U8", "U9 A9"])
    }

    @Test func `a block is told before an assignment and before a limit`() throws {
        var history = History(MergeRules(maxClusterSize: 2), [.identify("U1", "A1"), .identify("U2", "A2")])
        try history.block("A1", "U2")
        #expect(history.decide(.identify("U2", "A1")).outcome == .refused(.linkRevoked))
        #expect(history.decide(.identify("U1", "A2")).outcome == .refused(.anonymousAssignedAlready))
        #expect(history.decide(.identify("U1", "A3")).outcome == .refused(.manyIDs))
    }

    @Test(arguments: AnonymousForm.allCases) func `the form of row 2 is the project's`(_ form: AnonymousForm) {
        var history = History(MergeRules(anonymousForm: form))
        let accepted = history.decide(.identify("U1", "visitor 7")).outcome == .merged
        #expect(accepted == (form == .any))
    }

    /// The examples a to i of P 7.3-3, each with the outcome of every statement.
    struct Example: CustomTestStringConvertible {
        let letter: String
        let steps: [(event: IdentityEvent, verdict: Verdict)]
        let clusters: [String]

        init(_ letter: String, _ steps: [(IdentityEvent, Verdict)], _ clusters: [String]) {
            self.letter = letter
            self.steps = steps.map { (event: $0.0, verdict: $0.1) }
            self.clusters = clusters
        }

        var testDescription: String { letter }
    }

    static let assigned = Verdict.refused(.anonymousAssignedAlready)

    static let examples = [
        Example("a", [(.identify("U1", "A1"), .merged), (.identify("U2", "A1"), assigned)], ["U1 A1", "U2"]),
        Example("b", [(.identify("U1", "A1"), .merged), (.identify("U1", "A1"), .repeated)], ["U1 A1"]),
        Example("c", [(.identify("U1", "A1"), .merged), (.identify("U1", "A2"), .merged)], ["U1 A1 A2"]),
        Example(
            "d",
            [
                (.identify("U1", "A1"), .merged), (.identify("U2", "A2"), .merged), (.merge("U1", "U2"), .merged),
                (.identify("U2", "A1"), .redundant),
            ], ["U1 A1 A2 U2"]),
        Example("e", [(.merge("U1", "A1"), .merged), (.identify("U2", "A1"), .merged)], ["U2 A1 U1"]),
        Example("f", [(.alias("U1", of: "A1"), .merged), (.identify("U2", "A1"), .merged)], ["U2 A1 U1"]),
        Example("g", [(.identify("U1", "A1"), .merged), (.alias("U2", of: "A1"), .merged)], ["U1 A1 U2"]),
        Example(
            "h",
            [
                (.identify("A2", "A1"), .merged), (.identify("U1", "A2"), assigned), (.merge("U1", "A2"), .merged),
            ], ["A2 A1 U1"]),
        Example(
            "i, where the identified id is one that stays free",
            [
                (.identify("U1", "A1"), .merged), (.identify("A3", "A1"), assigned), (.identify("U2", "A3"), .merged),
            ], ["U1 A1", "U2 A3"]),
    ]

    @Test(arguments: examples) func `the worked examples come out as worked`(_ example: Example) {
        var history = History()
        let verdicts = example.steps.map { Verdict(history.decide($0.event)) }
        #expect(verdicts == example.steps.map(\.verdict))
        #expect(history.clusters == example.clusters)
    }

    /// Example i.
    @Test func `a refusal leaves the anonymous id free`() throws {
        var history = History(MergeRules(maxClusterSize: 2), [.identify("U1", "A1")])
        #expect(history.decide(.identify("U1", "A2")).outcome == .refused(.manyIDs))
        #expect(history.decide(.identify("U2", "A2")).outcome == .merged)

        history = History(MergeRules(), [.merge("U1", "x"), .merge("A1", "y")])
        try history.block("U1", "A1")
        #expect(history.decide(.identify("U1", "A1")).outcome == .refused(.linkRevoked))
        #expect(history.decide(.identify("U2", "A1")).outcome == .merged)
    }

    /// The columns of the table in P 7.3, as the reading R3 has them.
    static let readings = [
        DecisionCase("same pair again", [.identify("U1", "A1")], .identify("U1", "A1"), .repeated, 2, ["U1 A1"]),
        DecisionCase(
            "merged into a cluster with a used id", [.identify("U1", "A2"), .merge("U1", "A1")],
            .identify("U2", "A1"), assigned, 0, ["U1 A1 A2", "U2"]),
        DecisionCase(
            "aliased into a cluster with a used id", [.identify("U1", "A2"), .alias("A1", of: "U1")],
            .identify("U2", "A1"), assigned, 0, ["U1 A1 A2", "U2"]),
        DecisionCase(
            "merged into a cluster without one", [.merge("U1", "A1")],
            .identify("U2", "A1"), .merged, 3, ["U2 A1 U1"]),
        DecisionCase(
            "an id merged with an assigned one", [.identify("U1", "A1"), .merge("A1", "A2")],
            .identify("U2", "A2"), assigned, 0, ["U1 A1 A2", "U2"]),
        DecisionCase(
            "a change of account where account ids are UUIDs", [.identify("A1", "A9")],
            .identify("A2", "A1"), assigned, 0, ["A1 A9", "A2"]),
    ]

    @Test(arguments: readings) func `already merged means a cluster of another identified id`(_ row: DecisionCase) {
        row.check()
    }
}
