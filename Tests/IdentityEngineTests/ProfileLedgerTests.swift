import Testing

@testable import IdentityEngine

/// What a ledger keeps, and that it stays short.
struct ProfileLedgerTests {
    private func decoded(_ bytes: [UInt8]) -> ProfileLedger? {
        ProfileLedger(encoded: bytes, updatedMilliseconds: 1_700_000_000_999, linkedSequence: 1)
    }

    @Test func `a ledger that was kept before $last_seen was gets it from the time of its last update`() throws {
        var sender = ProfileSender(isClustered: true)
        sender.send((.set, #"{"a":1}"#))
        let old = try #require(decoded([1] + sender.ledger.encoded.dropFirst()))
        sender.send((.set, #"{"b":1}"#), at: 1, lastSeen: #""2023-11-14T22:13:20""#)
        #expect(old.properties[ProfileLedger.lastSeen] == sender.ledger.properties[ProfileLedger.lastSeen])
        #expect(old.sizeBytes == decoded(old.encoded)?.sizeBytes)
        #expect(decoded(old.encoded) == old)
        var own = ProfileSender()
        own.send((.set, #"{"$last_seen":"mine"}"#))
        #expect(decoded([1] + own.ledger.encoded.dropFirst()) == own.ledger)
        #expect(decoded([1] + ProfileLedger().encoded.dropFirst()) == ProfileLedger())
    }

    @Test func `the time of an update is set before what the update says, and again after what it deletes`() {
        var sender = ProfileSender()
        sender.send((.set, #"{"a":1}"#), lastSeen: #""1""#)
        #expect(sender.text("$last_seen") == #""1""#)
        sender.send((.set, #"{"$last_seen":"mine"}"#), lastSeen: #""2""#)
        #expect(sender.text("$last_seen") == #""mine""#)
        sender.send((.setOnce, #"{"$last_seen":"late"}"#), lastSeen: #""3""#)
        #expect(sender.text("$last_seen") == #""3""#)
        sender.send((.add, #"{"a":1}"#))
        #expect(sender.text("$last_seen") == #""3""#)
        sender.send((.delete, ""), lastSeen: #""4""#)
        #expect(sender.ledger.isEmpty)
        sender.send((.set, #"{"a":1}"#), (.delete, ""), (.set, #"{"b":1}"#), lastSeen: #""5""#)
        #expect(sender.ledger.properties.count == 2)
        #expect(sender.text("$last_seen") == #""5""#)
        sender.send((.unset, #"["$last_seen"]"#), lastSeen: #""6""#)
        #expect(sender.text("$last_seen") == nil)
    }

    @Test func `the time of an update does not count among the properties that a profile may have`() {
        var sender = ProfileSender()
        let names = (0..<ProfileLedger.propertyLimit).map { "\"p\($0)\":1" }.joined(separator: ",")
        sender.send((.set, "{\(names)}"), lastSeen: #""1""#)
        sender.send((.set, #"{"more":1}"#), lastSeen: #""2""#)
        #expect(sender.ledger.properties.count == ProfileLedger.propertyLimit + 1)
        #expect(sender.text("more") == nil)
        let text = ProfileViews([sender.member]) { _, _ in 0 }.profile(by: .hide)?.text ?? ""
        #expect(text.contains(#""$last_seen":"2""#))
        #expect(text.contains(#""p1999":1"#))
        var late = ProfileSender()
        late.send((.set, "{\(names)}"))
        late.send((.set, #"{"p0":2}"#), lastSeen: #""3""#)
        #expect(late.text("$last_seen") == #""3""#)
    }

    @Test func `a ledger survives its encoding, whatever its steps`() throws {
        var sender = ProfileSender(isClustered: true)
        let empty = ProfileSender(isClustered: true)
        sender.send((.set, #"{"a":[1],"b":"x","c":1}"#), (.setOnce, #"{"d":{}}"#), (.add, #"{"e":-1.5}"#))
        sender.send((.append, #"{"f":1}"#), (.remove, #"{"f":"y"}"#), (.union, #"{"f":["y","z"],"g":[]}"#))
        sender.send((.merge, #"{"h":{"k":{"m":1}}}"#), (.unset, #"["b"]"#), isLiteral: true)
        sender.send((.remove, #"{"i":1}"#), linkedSequence: 1 << 40)
        #expect(decoded(sender.ledger.encoded) == sender.ledger)
        sender.send((.delete, ""), (.set, #"{"a":1}"#))
        #expect(sender.ledger.deletion != nil)
        #expect(decoded(sender.ledger.encoded) == sender.ledger)
        #expect(decoded(empty.ledger.encoded) == ProfileLedger())
        let whole = sender.ledger.encoded
        for count in whole.indices { #expect(decoded(Array(whole[..<count])) == nil) }
        #expect(decoded(whole + [0]) == nil)
        #expect(decoded([3] + whole.dropFirst()) == nil)
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
