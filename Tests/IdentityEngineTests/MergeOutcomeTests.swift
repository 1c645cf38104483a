import IdentityEngine
import Testing

/// The words of outcomes, and the numbers under which they are stored.
struct MergeOutcomeTests {
    struct Case: CustomTestStringConvertible {
        let given: [IdentityEvent]
        let event: IdentityEvent
        let reason: String
        let text: String

        init(_ given: [IdentityEvent], _ event: IdentityEvent, _ reason: String, _ text: String) {
            self.given = given
            self.event = event
            self.reason = reason
            self.text = text
        }

        var testDescription: String { reason }
    }

    /// P 7.1-3.
    static let table = [
        Case([], .identify("x", "x"), "errSameIDs", "Identified and anon ID are same in the identify request x"),
        Case(
            [], .identify("x", "y"), "errAnonDistinctIdNonGUIDForm",
            "$anon_distinct_id didn't match expected GUID pattern: y"),
        Case(
            [.identify("x", "A1")], .identify("y", "A1"), "errAnonDistinctIdAssignedAlready",
            "$anon_distinct_id already identified: 00000001-aaaa-4aaa-8aaa-aaaaaaaaaaaa"),
        Case(
            [.alias("y", of: "x")], .alias("y", of: "z"), "errAliasAlreadyExists",
            "alias already exists with the id"),
        Case(
            [.merge("x", "y")], .merge("y", "z"), "errManyIDs",
            "too many distinctIDs mapped together, Cluster size: 3 Max limit: 3"),
        Case(
            [.merge("x", "y"), .merge("z", "w")], .alias("w", of: "y"), "errManyIDs",
            "too many distinctIDs mapped together, Cluster size: 4 Max limit: 3"),
    ]

    @Test(arguments: table) func `a refusal has the reason and the text of P 7.1-3`(_ row: Case) {
        let rules = MergeRules(maxClusterSize: 2)
        var history = History(rules, row.given)
        let entry = Self.entry(row.event, history.decide(row.event), rules)
        #expect(entry.refusal?.failureReason == row.reason)
        #expect(entry.failureDescription == row.text)
        #expect(entry.outcome.kind == .refused)
    }

    @Test(arguments: [IdentityEvent.identify("U1", "A1"), .alias("A1", of: "U1")])
    func `a blocked pair is named, the secondary id first`(_ event: IdentityEvent) throws {
        var history = History(MergeRules(), [.merge("U1", "x"), .merge("A1", "y")])
        try history.block("U1", "A1")
        let entry = Self.entry(event, history.decide(event), history.rules)
        #expect(entry.refusal?.failureReason == "errLinkRevoked")
        let text = "these ids were parted by an unmerge: 00000001-aaaa-4aaa-8aaa-aaaaaaaaaaaa, U1"
        #expect(entry.failureDescription == text)
    }

    @Test func `the default limit is written as 500`() {
        let text = MergeRefusal.manyIDs.failureDescription(
            of: .merge("a", "b"), clusterSize: 500, maxClusterSize: MergeRules.defaultMaxClusterSize)
        #expect(text == "too many distinctIDs mapped together, Cluster size: 500 Max limit: 500")
    }

    @Test func `success has no text`() {
        var history = History()
        let merged = Self.entry(.merge("a", "b"), history.decide(.merge("a", "b")), history.rules)
        let unchanged = Self.entry(.merge("a", "b"), history.decide(.merge("a", "b")), history.rules)
        #expect([merged, unchanged].map(\.failureDescription) == [nil, nil])
        #expect([merged, unchanged].map(\.outcome.kind) == [.merged, .unchanged])
        #expect([merged, unchanged].map(\.hasLink) == [true, false])
    }

    @Test(arguments: MergeRefusal.allCases) func `every refusal says what to do`(_ refusal: MergeRefusal) {
        #expect(refusal.hint.hasSuffix("."))
    }

    /// A change here would change the meaning of every store there is.
    @Test func `stored numbers and words stay as they are`() {
        #expect(Verb.allCases.map(\.rawValue) == [1, 2, 3, 4, 5, 6, 7, 8])
        let names = ["$identify", "$create_alias", "$merge", "device", "unmerge", "restore", "unblock", "rules"]
        #expect(Verb.allCases.map(\.name) == names)
        #expect(MergeRefusal.allCases.map(\.rawValue) == [1, 2, 3, 4, 5, 6])
        let order: [MergeRefusal] = [
            .sameIDs, .anonymousNotGUIDForm, .linkRevoked, .anonymousAssignedAlready, .aliasAlreadyExists, .manyIDs,
        ]
        #expect(MergeRefusal.allCases == order)
        #expect(OutcomeKind.allCases.map(\.rawValue) == ["merged", "unchanged", "refused"])
        #expect(IdentitySystem.allCases.map(\.rawValue) == ["original", "simplified", "legacy"])
        #expect(AnonymousForm.allCases.map(\.rawValue) == ["mixpanel", "uuid4", "any"])
        #expect([EventBatch.Endpoint.track, .import].map(\.rawValue) == [1, 2])
    }

    private static func entry(_ event: IdentityEvent, _ decision: Decision, _ rules: MergeRules) -> LogEntry {
        LogEntry(
            sequence: 1, timeMilliseconds: 0, event: event, outcome: decision.outcome, hasLink: decision.link != nil,
            clusterSize: decision.clusterSize, maxClusterSize: rules.maxClusterSize,
            origin: EventBatch.Origin(endpoint: .track, principal: "token"))
    }
}
