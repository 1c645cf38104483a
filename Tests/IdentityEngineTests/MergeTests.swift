import IdentityEngine
import Testing

/// `$merge`: P 7.6.
struct MergeTests {
    static let table = [
        DecisionCase("1, an id with itself", [], .merge("A1", "A1"), .repeated, 1, []),
        DecisionCase("1, itself in a cluster", [.merge("a", "b")], .merge("b", "b"), .repeated, 2, ["a b"]),
        DecisionCase("1, repeat", [.merge("a", "b")], .merge("a", "b"), .repeated, 2, ["a b"]),
        DecisionCase("1, the other way round", [.merge("a", "b")], .merge("b", "a"), .redundant, 2, ["a b"]),
        DecisionCase("1, by an alias", [.alias("b", of: "a")], .merge("a", "b"), .redundant, 2, ["a b"]),
        DecisionCase(
            "1, through a third", [.merge("a", "b"), .merge("b", "c")],
            .merge("a", "c"), .redundant, 3, ["a b c"]),
        DecisionCase("3, two new ids", [], .merge("a", "b"), .merged, 2, ["a b"]),
        DecisionCase("3, two anonymous ids", [], .merge("A2", "A1"), .merged, 2, ["A2 A1"]),
        DecisionCase(
            "3, two identified ids", [.identify("U1", "A1"), .identify("U2", "A2")],
            .merge("U2", "U1"), .merged, 4, ["U1 A1 A2 U2"]),
        DecisionCase(
            "3, ids that differ in case (7.6-4)", [.identify("U1", "A1")], .merge("u1", "U1"), .merged, 3,
            ["U1 A1 u1"]),
        DecisionCase(
            "3, a device id is an id like any other (7.6-6)", [.merge("$device:A1", "x")],
            .merge("A1", "y"), .merged, 2, ["$device:A1 x", "y A1"]),
    ]

    @Test(arguments: table) func `the first row of the table that holds decides`(_ row: DecisionCase) { row.check() }

    @Test func `used ids stay used in the merged cluster, and a merge makes none`() {
        var history = History(MergeRules(), [.merge("U1", "A1"), .merge("U2", "A2"), .identify("U1", "A3")])
        #expect(history.decide(.identify("U9", "A2")).outcome == .merged)
        #expect(history.decide(.merge("A1", "A2")).outcome == .merged)
        #expect(history.decide(.identify("U8", "A2")).outcome == .refused(.anonymousAssignedAlready))
    }

    @Test func `a merge makes no alias`() {
        var history = History(MergeRules(), [.merge("D", "X")])
        #expect(history.decide(.alias("X", of: "E")).outcome == .merged)
    }

    @Test func `a merge joins a blocked pair and lifts the block`() throws {
        var history = History(MergeRules(), [.merge("U1", "U2"), .merge("A1", "A2")])
        try history.block("U1", "A1")
        #expect(history.decide(.merge("A1", "U1")).outcome == .merged)
        #expect(Verdict(history.decide(.alias("A1", of: "U1"))) == .redundant)
    }

    @Test func `a merge of a blocked pair that is together another way lifts the block`() throws {
        var history = History(MergeRules(), [.merge("U1", "U2"), .merge("A1", "A2")])
        try history.block("U1", "A1")
        #expect(history.decide(.merge("U2", "A2")).outcome == .merged)
        #expect(history.decide(.alias("A1", of: "U1")).outcome == .refused(.linkRevoked), "another pair lifts nothing")
        #expect(Verdict(history.decide(.merge("U1", "A1"))) == .redundant)
        #expect(Verdict(history.decide(.alias("A1", of: "U1"))) == .redundant)
    }

    @Test func `a refused merge leaves the block`() throws {
        var history = History(MergeRules(maxClusterSize: 3), [.merge("U1", "U2"), .merge("A1", "A2")])
        try history.block("U1", "A1")
        #expect(history.decide(.merge("U1", "A1")).outcome == .refused(.manyIDs))
        #expect(history.decide(.identify("U1", "A1")).outcome == .refused(.linkRevoked))
    }
}
