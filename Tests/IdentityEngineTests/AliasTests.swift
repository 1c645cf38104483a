import IdentityEngine
import Testing

/// `$create_alias` of an Original project: P 7.5.
struct AliasTests {
    static let table = [
        DecisionCase(
            "1, another distinct_id", [.alias("X", of: "D1")],
            .alias("X", of: "D2"), .refused(.aliasAlreadyExists), 0, ["D1 X", "D2"]),
        DecisionCase(
            "1, another cluster, not another id", [.alias("X", of: "D1"), .merge("D2", "D3")],
            .alias("X", of: "D3"), .refused(.aliasAlreadyExists), 0, ["D1 X", "D2 D3"]),
        DecisionCase(
            "1, an alias by a redundant link", [.merge("D1", "X"), .alias("X", of: "D1")],
            .alias("X", of: "D2"), .refused(.aliasAlreadyExists), 0, ["D1 X", "D2"]),
        DecisionCase(
            "1, as RudderStack sends a second device (7.5-5)", [.alias("U1", of: "A1")],
            .alias("U1", of: "A2"), .refused(.aliasAlreadyExists), 0, ["A2", "U1 A1"]),
        DecisionCase(
            "2 and not 1, the clusters were joined since", [.alias("X", of: "D1"), .merge("D1", "D2")],
            .alias("X", of: "D2"), .redundant, 3, ["D1 D2 X"]),
        DecisionCase("2, repeat", [.alias("X", of: "D")], .alias("X", of: "D"), .repeated, 2, ["D X"]),
        DecisionCase("2, by a merge", [.merge("X", "D")], .alias("X", of: "D"), .redundant, 2, ["X D"]),
        DecisionCase("2, the other way round", [.alias("X", of: "D")], .alias("D", of: "X"), .redundant, 2, ["D X"]),
        DecisionCase(
            "2, a second distinct_id in the cluster", [.alias("X", of: "D"), .alias("Y", of: "D")],
            .alias("X", of: "Y"), .redundant, 3, ["D X Y"]),
        DecisionCase("4, two new ids", [], .alias("X", of: "D"), .merged, 2, ["D X"]),
        DecisionCase("4, fan-in (7.5-2)", [.alias("X", of: "D")], .alias("Y", of: "D"), .merged, 3, ["D X Y"]),
        DecisionCase("4, a chain (7.5-2)", [.alias("X", of: "D")], .alias("Y", of: "X"), .merged, 3, ["D X Y"]),
        DecisionCase("4, direction (7.5-5)", [.alias("X", of: "D1")], .alias("D2", of: "X"), .merged, 3, ["D1 D2 X"]),
        DecisionCase("4, the named id as alias", [.alias("X", of: "D")], .alias("D", of: "E"), .merged, 3, ["D E X"]),
        DecisionCase(
            "4, whole clusters (7.5-3)", [.identify("U1", "A1"), .identify("U2", "A2")],
            .alias("A2", of: "A1"), .merged, 4, ["U1 A1 A2 U2"]),
        DecisionCase(
            "4, no guard of $identify (7.5-1)", [.identify("U1", "A1")],
            .alias("U2", of: "A1"), .merged, 3, ["U1 A1 U2"]),
        DecisionCase("X is D (7.5-4)", [], .alias("X", of: "X"), .repeated, 1, []),
        DecisionCase("X is D, in a cluster", [.merge("X", "Y")], .alias("X", of: "X"), .repeated, 2, ["X Y"]),
    ]

    @Test(arguments: table) func `the first row of the table that holds decides`(_ row: DecisionCase) { row.check() }

    @Test func `an alias of itself is not an alias afterwards`() {
        var history = History(MergeRules(), [.alias("X", of: "X")])
        #expect(history.decide(.alias("X", of: "D")).outcome == .merged)
    }

    @Test func `a refused alias is not an alias afterwards`() {
        var history = History(MergeRules(maxClusterSize: 2), [.merge("D", "E")])
        #expect(history.decide(.alias("X", of: "D")).outcome == .refused(.manyIDs))
        #expect(history.decide(.alias("X", of: "F")).outcome == .merged)
    }

    @Test func `a redundant alias is one, and another cluster cannot have it`() {
        var history = History(MergeRules(), [.merge("X", "D"), .alias("X", of: "D")])
        #expect(history.decide(.alias("X", of: "E")).outcome == .refused(.aliasAlreadyExists))
    }

    @Test func `a block is told before all else, even where the ids are together`() throws {
        var history = History(MergeRules(), [.alias("X", of: "D"), .merge("Y", "E")])
        try history.block("X", "E")
        #expect(history.decide(.alias("X", of: "E")).outcome == .refused(.linkRevoked))
        #expect(history.decide(.alias("E", of: "X")).outcome == .refused(.linkRevoked), "a pair has no direction")
        #expect(history.decide(.merge("D", "Y")).outcome == .merged)
        #expect(history.decide(.alias("X", of: "E")).outcome == .refused(.linkRevoked))
        #expect(history.clusters == ["D E X Y"])
    }
}
