import IdentityEngine
import Testing

/// Which member stands for a cluster, and since when: P 7.8.
struct CanonicalIDTests {
    struct Case: CustomTestStringConvertible {
        let title: String
        let events: [IdentityEvent]
        let clusters: [String]
        /// The canonical id of the last event's primary id before the first event, and after each.
        let canonicalIDs: [String]

        init(_ title: String, _ events: [IdentityEvent], _ clusters: [String], _ canonicalIDs: [String]) {
            self.title = title
            self.events = events
            self.clusters = clusters
            self.canonicalIDs = canonicalIDs
        }

        var testDescription: String { title }
    }

    static let table = [
        Case("identified before anonymous", [.identify("U1", "A1")], ["U1 A1"], ["U1", "U1"]),
        Case("the same, sorting the other way", [.identify("A2", "A1")], ["A2 A1"], ["A2", "A2"]),
        Case(
            "one more device", [.identify("U1", "A1"), .identify("U1", "A2")], ["U1 A1 A2"], ["U1", "U1", "U1"]),
        Case("the first of a merge", [.merge("A1", "A2")], ["A1 A2"], ["A1", "A1"]),
        Case("the first of a merge, sorting the other way", [.merge("A2", "A1")], ["A2 A1"], ["A2", "A2"]),
        Case("the distinct_id of an alias", [.alias("X", of: "D")], ["D X"], ["D", "D"]),
        Case("not anonymous before anonymous", [.merge("A1", "x")], ["x A1"], ["A1", "x"]),
        Case("not anonymous before anonymous, by alias", [.alias("U1", of: "A1")], ["U1 A1"], ["A1", "U1"]),
        Case(
            "identified before not anonymous",
            [.merge("x", "A1"), .identify("A2", "A1")], ["A2 A1 x"], ["A2", "A2", "A2"]),
        Case(
            "a later $identify moves it",
            [.merge("A1", "A2"), .identify("U1", "A1")], ["U1 A1 A2"], ["U1", "U1", "U1"]),
        Case(
            "as seen by a member",
            [.merge("A1", "A2"), .identify("U1", "A1"), .merge("A2", "A3")],
            ["U1 A1 A2 A3"], ["A2", "A1", "U1", "U1"]),
        Case(
            "of two identified ids the earlier linked",
            [.identify("U1", "A1"), .identify("U2", "A2"), .merge("U2", "U1")], ["U1 A1 A2 U2"],
            ["U2", "U2", "U2", "U1"]),
        Case(
            "the earliest link counts, not the earliest $identify",
            [.merge("U2", "x"), .identify("U1", "A1"), .identify("U2", "A2"), .merge("U1", "U2")],
            ["U2 A1 A2 U1 x"], ["U1", "U1", "U1", "U1", "U2"]),
        Case(
            "a refused statement gives no place",
            [.identify("U2", "x"), .merge("U1", "U3"), .merge("U1", "U2")], ["U1 U2 U3", "x"],
            ["U1", "U1", "U1", "U1"]),
        Case(
            "nor does a statement about one id",
            [.merge("U2", "U2"), .merge("U1", "U3"), .merge("U2", "U1")], ["U1 U2 U3"],
            ["U2", "U2", "U2", "U1"]),
        Case(
            "a redundant $identify raises its id",
            [.merge("U1", "A1"), .merge("A1", "U2"), .identify("U2", "A1")], ["U2 A1 U1"],
            ["U2", "U2", "U1", "U2"]),
        Case(
            "a redundant merge raises nobody",
            [.merge("U1", "A1"), .merge("A1", "U2"), .merge("U2", "U1")], ["U1 A1 U2"],
            ["U2", "U2", "U1", "U1"]),
        Case(
            "a repeat raises nobody",
            [.identify("U1", "A1"), .merge("U1", "U2"), .identify("U2", "A1"), .identify("U2", "A1")],
            ["U1 A1 U2"], ["U2", "U2", "U1", "U1", "U1"]),
        Case(
            "back to the first, when it is identified too",
            [.merge("U1", "A1"), .identify("U2", "A1"), .identify("U1", "A1")], ["U1 A1 U2"],
            ["U1", "U1", "U2", "U1"]),
    ]

    @Test(arguments: table) func `the best member stands for all, and stood for all then`(_ row: Case) throws {
        let history = History(MergeRules(), row.events)
        let id = try #require(row.events.last).primary.name
        #expect(history.clusters == row.clusters)
        #expect((0...row.events.count).map { history.canonicalID(of: id, asOf: Int64($0)) } == row.canonicalIDs)
    }

    @Test func `an id without a row stands for itself, at all times`() {
        let history = History(MergeRules(), [.merge("a", "b")])
        #expect(history.canonicalID(of: "never seen") == "never seen")
        #expect(history.canonicalID(of: "never seen", asOf: 0) == "never seen")
        #expect(history.canonicalID(of: "b", asOf: 0) == "b")
    }

    @Test func `an id keeps the form that it had when its row was made`() {
        var history = History(MergeRules(anonymousForm: .any), [.merge("a", "A1")])
        #expect(history.clusters == ["a A1"])
        history.rules.anonymousForm = .mixpanel
        history.decide(.merge("A2", "x"))
        #expect(history.decide(.merge("x", "a")).outcome == .merged)
        #expect(history.clusters == ["x A1 A2 a"], "only x was not anonymous when its row was made")
    }

    @Test func `the date of a canonical id is that of the last change`() throws {
        let history = History(
            MergeRules(),
            [
                .merge("A1", "A2"), .identify("x", "not anonymous"), .merge("A3", "A4"), .merge("A3", "A5"),
                .merge("A3", "A1"), .identify("U1", "A5"), .merge("U1", "A6"),
            ])
        let dates = try ["A1", "A2", "A3", "U1", "A6", "x"].map { name in
            history.index.canonicalSince(of: try #require(history.index.node(for: DistinctID(named: name))))
        }
        #expect(dates == [6, 6, 6, 6, 7, 2])
    }

    @Test func `members of an earlier moment are told from those who came later`() throws {
        let history = History(
            MergeRules(), [.merge("a", "b"), .merge("c", "d"), .merge("c", "e"), .merge("a", "c"), .merge("f", "e")])
        let node = try #require(history.index.node(for: DistinctID("a")))
        let members = (1...5).map { sequence in
            var names: [String] = []
            let root = history.index.root(of: node, asOf: Int64(sequence))
            history.index.forEachMember(ofRoot: root, asOf: Int64(sequence)) { member in
                names.append(member.id.name)
                return true
            }
            return names.sorted().joined()
        }
        #expect(members == ["ab", "ab", "ab", "abcde", "abcdef"])
    }

    @Test func `a listing stops when it is told to`() throws {
        let history = History(MergeRules(), (1...9).map { .merge("x", "A\($0)") })
        var count = 0
        history.index.forEachMember(ofRoot: try history.root(of: "A5")) { _ in
            count += 1
            return count < 4
        }
        #expect(count == 4)
    }
}
