import Testing

@testable import IdentityEngine

/// What one operator does to one property (P 10-2).
struct ProfileChangeTests {
    struct Case: CustomTestStringConvertible {
        let verb: ProfileVerb
        /// What is set before; nil for a missing property.
        let before: String?
        let operand: String
        let after: String?

        init(_ verb: ProfileVerb, _ before: String?, _ operand: String, _ after: String?) {
            self.verb = verb
            self.before = before
            self.operand = operand
            self.after = after
        }

        var testDescription: String { "\(verb) \(operand) on \(before ?? "nothing")" }
    }

    static let cases: [Case] = [
        Case(.set, nil, "1", "1"), Case(.set, #""x""#, "[1,{}]", "[1,{}]"), Case(.set, "1", "null", "null"),
        Case(.setOnce, nil, "1", "1"), Case(.setOnce, "2", "1", "2"), Case(.setOnce, "null", "1", "null"),
        Case(.add, nil, "5", "5"), Case(.add, "2", "5", "7"), Case(.add, "2", "-5", "-3"),
        Case(.add, "0.5", "0.25", "0.75"), Case(.add, "1.5", "0.5", "2"), Case(.add, "1e3", "1", "1001"),
        Case(.add, "9007199254740993", "2", "9007199254740995"),
        Case(.add, "9223372036854775807", "1", "9.223372036854776e+18"),
        Case(.add, "1.7e308", "1.7e308", "1.7976931348623157e+308"),
        Case(.add, "-1e999", "1", "-1.7976931348623157e+308"),
        Case(.add, #""2""#, "5", #""2""#), Case(.add, "null", "5", "null"), Case(.add, "[2]", "5", "[2]"),
        Case(.append, nil, "1", "[1]"), Case(.append, "[]", "1", "[1]"), Case(.append, "[1]", "[1]", "[1,[1]]"),
        Case(.append, "1", "2", "1"), Case(.append, #""[""#, "2", #""[""#), Case(.append, "{}", "2", "{}"),
        Case(.union, nil, "[1,1,2]", "[1,2]"), Case(.union, "[3,1,3]", "[1,2,2]", "[3,1,3,2]"),
        Case(.union, "[1.0]", "[1,10e-1,2]", "[1.0,2]"), Case(.union, #"["1"]"#, "[1]", #"["1",1]"#),
        Case(.union, nil, "[]", "[]"), Case(.union, "5", "[1]", "5"),
        Case(
            .union, "[12345678901234567890123]", "[12345678901234567890124]",
            "[12345678901234567890123,12345678901234567890124]"),
        Case(.remove, nil, "1", nil), Case(.remove, "[1,2,1.0,[1]]", "1", "[2,[1]]"), Case(.remove, "[2]", "1", "[2]"),
        Case(.remove, "[1]", "1", "[]"), Case(.remove, "1", "1", "1"),
        Case(.remove, #"["a,\"]b",{"k":[1,"}"]},3]"#, #"{"k":[1,"}"]}"#, #"["a,\"]b",3]"#),
        Case(.merge, nil, #"{"a":1}"#, #"{"a":1}"#), Case(.merge, #"{"b":2}"#, #"{"a":1}"#, #"{"b":2,"a":1}"#),
        Case(.merge, #"{"a":{"x":1},"b":2}"#, #"{"a":{"y":2},"b":{}}"#, #"{"a":{"x":1,"y":2},"b":{}}"#),
        Case(.merge, "[1]", #"{"a":1}"#, "[1]"), Case(.merge, "[1]", "2", "2"), Case(.merge, nil, "2", "2"),
    ]

    @Test(arguments: cases)
    func `an operator does what its row says`(_ row: Case) {
        var sender = ProfileSender()
        if let before = row.before { sender.send((.set, "{\"p\":\(before)}")) }
        sender.send((row.verb, "{\"p\":\(row.operand)}"))
        #expect(sender.text("p") == row.after)
    }

    /// Whether a step was folded or not must not show: an id in a cluster keeps relative steps as they are.
    @Test(arguments: cases)
    func `an operator on what another member set does the same`(_ row: Case) {
        var sender = ProfileSender(isClustered: true)
        var other = ProfileSender(isClustered: true)
        if let before = row.before { other.send((.set, "{\"p\":\(before)}"), at: 1) }
        sender.send((row.verb, "{\"p\":\(row.operand)}"), at: 2, others: [other.ledger])
        let views = ProfileViews([other.member, sender.member]) { _, _ in 1 }
        let expected = row.after.map { "{\"p\":\($0)}" } ?? "{}"
        #expect(views.profile(ofViewer: 0)?.text == expected)
    }

    @Test func `unset takes names away, and delete everything`() {
        var sender = ProfileSender()
        sender.send((.set, #"{"a":1,"b\"":2,"c":3}"#))
        sender.send((.unset, #"["a","b\"","d"]"#))
        #expect(sender.ledger.properties.count == 1)
        #expect(sender.text("c") == "3")
        sender.send((.delete, ""), (.set, #"{"e":1}"#))
        #expect(sender.ledger.properties.count == 1)
        sender.send((.delete, ""))
        #expect(sender.ledger.isEmpty)
        #expect(sender.ledger.sizeBytes == 0)
    }

    @Test func `operators of one record apply in their order`() {
        var sender = ProfileSender()
        sender.send((.setOnce, #"{"a":1}"#), (.add, #"{"a":2}"#), (.set, #"{"b":1}"#), (.unset, #"["b"]"#))
        #expect(sender.text("a") == "3")
        #expect(sender.text("b") == nil)
    }

    @Test func `names are told apart byte by byte`() {
        var sender = ProfileSender()
        sender.send((.set, "{\"caf\u{e9}\":1,\"cafe\u{301}\":2,\"\":3,\"a\\\\\":4}"))
        #expect(sender.ledger.properties.count == 4)
        #expect(sender.text("") == "3")
        #expect(sender.text("a\\\\") == "4")
    }
}

/// Sends updates to one id.
struct ProfileSender {
    private(set) var ledger = ProfileLedger()
    let isClustered: Bool
    private var order: Int64 = 0

    init(isClustered: Bool = false) { self.isClustered = isClustered }

    mutating func send(
        _ operations: (verb: ProfileVerb, operand: String)..., at place: Int64? = nil, isLiteral: Bool = false,
        linkedSequence: Int64 = 1, lastSeen: String? = nil, others: [ProfileLedger] = []
    ) {
        var bytes: [UInt8] = []
        let slices = operations.map { operation in
            defer { bytes += Array(operation.operand.utf8) }
            let slice = EventBatch.Slice(offset: bytes.count, count: operation.operand.utf8.count)
            return ProfileOperation(verb: operation.verb, operand: slice)
        }
        order = place ?? order + 1
        let moment = ProfileMoment(
            order: order, linkedSequence: linkedSequence, isClustered: isClustered, isLiteral: isLiteral)
        ledger.apply(slices, in: bytes, at: moment, lastSeen: lastSeen.map { Array($0.utf8) }, others: others)
        order += Int64(operations.count)
    }

    func text(_ name: String) -> String? {
        ledger.properties[Array(name.utf8)].map { String(decoding: $0, as: UTF8.self) }
    }

    var member: ProfileViews.Member { ProfileViews.Member(ledger: ledger, updatedMilliseconds: 1) }
}

extension ProfileViews.Profile {
    var text: String { String(decoding: properties, as: UTF8.self) }
}
