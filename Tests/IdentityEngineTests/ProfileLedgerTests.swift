import Testing

@testable import IdentityEngine

/// What a ledger keeps, and that it stays short.
struct ProfileLedgerTests {
    @Test func `a ledger survives its encoding, whatever its steps`() throws {
        var sender = ProfileSender(isClustered: true)
        let empty = ProfileSender(isClustered: true)
        sender.send((.set, #"{"a":[1],"b":"x","c":1}"#), (.setOnce, #"{"d":{}}"#), (.add, #"{"e":-1.5}"#))
        sender.send((.append, #"{"f":1}"#), (.remove, #"{"f":"y"}"#), (.union, #"{"f":["y","z"],"g":[]}"#))
        sender.send((.merge, #"{"h":{"k":{"m":1}}}"#), (.unset, #"["b"]"#), isLiteral: true)
        sender.send((.remove, #"{"i":1}"#), linkedSequence: 1 << 40)
        #expect(ProfileLedger(encoded: sender.ledger.encoded) == sender.ledger)
        sender.send((.delete, ""), (.set, #"{"a":1}"#))
        #expect(sender.ledger.deletion != nil)
        #expect(ProfileLedger(encoded: sender.ledger.encoded) == sender.ledger)
        #expect(ProfileLedger(encoded: empty.ledger.encoded) == ProfileLedger())
        let whole = sender.ledger.encoded
        for count in whole.indices { #expect(ProfileLedger(encoded: Array(whole[..<count])) == nil) }
        #expect(ProfileLedger(encoded: whole + [0]) == nil)
        #expect(ProfileLedger(encoded: [2] + whole.dropFirst()) == nil)
    }

    @Test(arguments: [
        #"$set"#, "$add", "$append", "$union", "$remove", "$setOnce", "$merge",
    ])
    func `a thousand updates of one kind are one step`(_ kind: String) {
        for isClustered in [false, true] {
            var sender = ProfileSender(isClustered: isClustered)
            for number in 0..<1_000 {
                switch kind {
                case "$set": sender.send((.set, "{\"p\":\(number)}"))
                case "$add": sender.send((.add, #"{"p":1}"#))
                case "$append": sender.send((.append, #"{"p":1}"#))
                case "$union": sender.send((.union, #"{"p":[1,2]}"#))
                case "$remove": sender.send((.append, #"{"p":1}"#), (.remove, #"{"p":1}"#))
                case "$setOnce": sender.send((.setOnce, "{\"p\":\(number)}"))
                default: sender.send((.merge, "{\"p\":{\"k\":\(number)}}"))
                }
            }
            #expect(sender.ledger.steps.values.map(\.count) == [1], "\(isClustered)")
        }
    }

    @Test func `two members who take turns at one sum keep a bounded number of steps, and the sum`() {
        var a = ProfileSender(isClustered: true)
        var b = ProfileSender(isClustered: true)
        var order: Int64 = 1
        var sum = 0
        for round in 0..<200 {
            // The other member starts the sum anew now and then, which parts what came before from what comes after.
            if round.isMultiple(of: 3) {
                b.send((.set, #"{"p":0}"#), at: order, others: [a.ledger])
                order += 1
                sum = 0
            }
            a.send((.add, #"{"p":1}"#), at: order, others: [b.ledger])
            b.send((.add, #"{"p":10}"#), at: order + 1, others: [a.ledger])
            order += 2
            sum += 11
            let views = ProfileViews([a.member, b.member]) { _, _ in 1 }
            #expect(views.profile(by: .hide)?.text == "{\"p\":\(sum)}")
        }
        #expect((a.ledger.steps.values.first?.count ?? 0) <= ProfileLedger.stepLimit)
    }

    @Test func `two members who take turns at one list keep a bounded number of steps, and every element`() {
        var a = ProfileSender(isClustered: true)
        var b = ProfileSender(isClustered: true)
        for round in 0..<100 as Range<Int64> {
            a.send((.append, "{\"p\":\(2 * round)}"), at: 2 * round + 1, others: [b.ledger])
            b.send((.append, "{\"p\":\(2 * round + 1)}"), at: 2 * round + 2, others: [a.ledger])
        }
        #expect(a.ledger.steps.values.map(\.count) == [ProfileLedger.stepLimit])
        let text = ProfileViews([a.member, b.member]) { _, _ in 1 }.profile(by: .hide)?.text ?? ""
        let numbers = text.dropFirst(6).dropLast(2).split(separator: ",").compactMap { Int($0) }
        #expect(numbers.sorted() == Array(0..<200))
        // The latest turns are still in order.
        #expect(numbers.suffix(20) == Array(180..<200)[...])
    }

    @Test func `a property beyond the limit of a profile is left out, and the others take updates`() {
        var sender = ProfileSender()
        for start in stride(from: 0, to: ProfileLedger.propertyLimit, by: 100) {
            let members = (start..<start + 100).map { "\"p\($0)\":0" }.joined(separator: ",")
            sender.send((.set, "{\(members)}"))
        }
        sender.send((.set, #"{"more":1}"#), (.add, #"{"p7":5}"#), (.setOnce, #"{"more":1}"#))
        #expect(sender.text("more") == nil)
        #expect(sender.text("p7") == "5")
        #expect(sender.ledger.properties.count == ProfileLedger.propertyLimit)
        sender.send((.unset, #"["p0"]"#), (.set, #"{"more":1}"#))
        #expect(sender.text("more") == "1")
    }

    @Test func `a change that would make a profile too large is left out`() {
        var sender = ProfileSender()
        let text = String(repeating: "x", count: 500_000)
        sender.send((.set, "{\"a\":\"\(text)\"}"), (.set, "{\"b\":\"\(text)\"}"), (.set, "{\"c\":\"\(text)\"}"))
        #expect(sender.text("b") != nil)
        #expect(sender.text("c") == nil)
        sender.send((.set, #"{"a":1,"b":2,"c":3}"#))
        #expect(sender.text("c") == "3")
        #expect(sender.ledger.sizeBytes < 100)
    }

    @Test(arguments: [false, true])
    func `a list grows to its limit, and no further`(_ isClustered: Bool) {
        var sender = ProfileSender(isClustered: isClustered)
        let text = String(repeating: "x", count: 100_000)
        for _ in 0..<5 { sender.send((.append, "{\"l\":\"\(text)\"}")) }
        #expect(sender.text("l")?.utf8.count == 200_007)
        sender.send((.remove, "{\"l\":\"\(text)\"}"), (.append, #"{"l":1}"#))
        #expect(sender.text("l") == "[1]")
    }
}
