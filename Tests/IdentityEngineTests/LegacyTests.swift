import IdentityEngine
import Testing

/// The one-way map of aliases of a Legacy project: P 9.
struct LegacyTests {
    static let table = [
        DecisionCase("9-2", [], .alias("X", of: "D"), .merged, 2, ["D X"]),
        DecisionCase("9-2, repeat", [.alias("X", of: "D")], .alias("X", of: "D"), .repeated, 2, ["D X"]),
        DecisionCase("9-2, many aliases", [.alias("X", of: "D")], .alias("Y", of: "D"), .merged, 3, ["D X Y"]),
        DecisionCase("9-2, an alias of an alias", [.alias("X", of: "D")], .alias("Y", of: "X"), .merged, 3, ["D X Y"]),
        DecisionCase("9-2, a chain to the root", [.alias("X", of: "D")], .alias("D", of: "E"), .merged, 3, ["E D X"]),
        DecisionCase(
            "9-2, the greater cluster is the alias's", [.alias("X", of: "D"), .alias("Y", of: "D")],
            .alias("D", of: "E"), .merged, 4, ["E D X Y"]),
        DecisionCase(
            "9-2, given once", [.alias("X", of: "D")],
            .alias("X", of: "E"), .refused(.aliasAlreadyExists), 0, ["D X", "E"]),
        DecisionCase(
            "9-2, given once, even within one chain", [.alias("X", of: "D"), .alias("D", of: "E")],
            .alias("X", of: "E"), .refused(.aliasAlreadyExists), 0, ["E D X"]),
        DecisionCase(
            "9-2, repeat within a chain", [.alias("X", of: "D"), .alias("D", of: "E")],
            .alias("X", of: "D"), .repeated, 3, ["E D X"]),
        DecisionCase(
            "9-3, a cycle of two", [.alias("X", of: "D")],
            .alias("D", of: "X"), .refused(.aliasAlreadyExists), 0, ["D X"]),
        DecisionCase(
            "9-3, a cycle of three", [.alias("X", of: "D"), .alias("D", of: "E")],
            .alias("E", of: "X"), .refused(.aliasAlreadyExists), 0, ["E D X"]),
        DecisionCase("9-3, an alias of itself", [], .alias("D", of: "D"), .repeated, 1, []),
        DecisionCase("9-1, $identify", [], .identify("U1", "A1"), .unlogged, 0, []),
        DecisionCase("9-1, $merge", [.alias("X", of: "D")], .merge("E", "X"), .unlogged, 0, ["D X"]),
    ]

    @Test(arguments: table) func `an alias is given once and maps to the root`(_ row: DecisionCase) {
        row.check(MergeRules(system: .legacy))
    }

    @Test func `an alias of itself stays free`() {
        var history = History(MergeRules(system: .legacy), [.alias("D", of: "D")])
        #expect(history.decide(.alias("D", of: "E")).outcome == .merged)
        #expect(history.canonicalID(of: "D") == "E")
    }

    @Test func `no limit of size holds`() {
        var history = History(MergeRules(system: .legacy, maxClusterSize: 2))
        for number in 1...600 { #expect(history.decide(.alias("X\(number)", of: "D")).outcome == .merged) }
        #expect(history.canonicalID(of: "X600") == "D")
    }

    @Test func `the root of an earlier moment is still to be had`() {
        let history = History(
            MergeRules(system: .legacy), [.alias("x", of: "A"), .alias("A", of: "B"), .alias("B", of: "C")])
        let canonicalIDs = (0...3).map { history.canonicalID(of: "x", asOf: Int64($0)) }
        #expect(canonicalIDs == ["x", "A", "B", "C"])
    }
}
