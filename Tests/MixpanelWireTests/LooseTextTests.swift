import IdentityEngine
import MixpanelWire
import Testing

/// Bodies whose text is no UTF-8 (P 2-11): `«…»` stands for bytes in hexadecimal digits.
private func loose(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    for (index, part) in text.split(separator: "«", omittingEmptySubsequences: false).enumerated() {
        guard index > 0, let end = part.firstIndex(of: "»") else {
            bytes += Array(part.utf8)
            continue
        }
        let digits = Array(part[..<end].filter { $0 != " " })
        for place in stride(from: 0, to: digits.count, by: 2) {
            bytes.append(UInt8(String(digits[place...place + 1]), radix: 16) ?? 0)
        }
        bytes += Array(part[part.index(after: end)...].utf8)
    }
    return bytes
}

private func track(loose text: String, isLines: Bool = false) -> Decoded {
    decode(loose(text), .track, Project.byToken, isLines: isLines)
}

/// 🌳, as mixpanel-js spells it.
private let tree = "«ED A0 BC ED BC B3»"

struct LooseTextTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var sent: String
        var kept: String
        var testDescription: String { sent }

        init(_ sent: String, _ kept: String) {
            self.sent = sent
            self.kept = kept
        }
    }

    @Test(arguments: [
        Case("a \(tree) b", "a 🌳 b"),
        Case("\(tree)\(tree)é", "🌳🌳é"),
        Case("«ED A0 BC»\\udf33", "🌳"),
        Case("\\uD83C«ED BC B3»", "🌳"),
        Case("\\ud83c\\udf33«ED A0 BC ED BC B3»", "🌳🌳"),
        Case("🌳«ED A0 BC ED BC B3»", "🌳🌳"),
        Case("«ED A0 80 ED B0 80 ED AF BF ED BF BF»", "\u{10000}\u{10FFFF}"),
        Case("x«ED A0 BC»", "x\\ud83c"),
        Case("«ED BC B3»x", "\\udf33x"),
        Case("«ED BC B3 ED A0 BC»", "\\udf33\\ud83c"),
        Case("«ED A0 BC ED A0 BC ED BC B3»", "\\ud83c🌳"),
        Case("«ED A0 BC»\\ud83c\\udf33", "\\ud83c🌳"),
        Case("\\ud83c«ED A0 BC»\\udf33", "\\ud83c🌳"),
        Case("«ED A0 BC»\\u0041«ED BC B3»", "\\ud83cA\\udf33"),
        Case("«ED A0 BC»\\\\udf33", "\\ud83c\\\\udf33"),
        Case("«ED A0 BC»\u{D7FF}\u{E000}", "\\ud83c\u{D7FF}\u{E000}"),
        Case("«ED A0 BC»\\n«ED BC B3»\\\"", "\\ud83c\\n\\udf33\\\""),
    ])
    func `text is what its UTF-16 units say, in keys and in values`(_ row: Case) {
        let marker = "«ED A0 BC ED BC B3»"
        for wrapped in ["[\(record(row.sent, marker))]", record(row.sent, marker)] {
            let decoded = track(loose: wrapped)
            #expect(
                decoded.lines == [
                    "View {\"a\":\"\(row.kept)\",\"k\(row.kept)\":[{\"\(row.kept)\":\"\(row.kept)\"}],\"m\":\"🌳\"}"
                ])
            #expect(decoded.rejections.isEmpty)
        }
    }

    private func record(_ text: String, _ marker: String) -> String {
        event("\"a\":\"\(text)\",\"k\(text)\":[{\"\(text)\":\"\(text)\"}],\"m\":\"\(marker)\"")
    }

    @Test func `an id is the same in every spelling`() {
        for id in ["u🌳", "u\(tree)", "u«ED A0 BC»\\uDF33", "u\\ud83c«ED BC B3»", "u\\ud83c\\udf33"] {
            let properties = #""distinct_id":"\#(id)","x":"\#(tree)""#
            #expect(track(loose: event(properties)).lines == [#"View sent=u🌳 {"x":"🌳"}"#])
            let verbs = [
                #"{"event":"$identify","properties":{"token":"aaaa","$identified_id":"\#(id)","$anon_id":"\#(id)2"}}"#,
                #"{"event":"$create_alias","properties":{"token":"aaaa","distinct_id":"\#(id)","alias":"\#(id)2"}}"#,
                #"{"event":"E","properties":{"token":"aaaa","x":"\#(tree)"}}"#,
            ]
            let decoded = track(loose: verbs.joined(separator: "\n"), isLines: true)
            #expect(
                decoded.batch.events.map { decoded.text($0.primaryID) + " " + decoded.text($0.secondaryID) }
                    == ["u🌳 u🌳2", "u🌳 u🌳2", " "])
            let merge = #"[{"event":"$merge","properties":{"$distinct_ids":["\#(id)","\#(tree)"]}}]"#
            let merged = decode(loose(merge), .import, .fixed(Project.original, mayMerge: true), strict: true)
            #expect(merged.batch.events.map { merged.text($0.primaryID) } == ["u🌳"])
            #expect(merged.batch.events.map { merged.text($0.secondaryID) } == ["🌳"])
            let simplified =
                #"[{"event":"E","properties":{"token":"bbbb","$device_id":"\#(id)","$user_id":"\#(tree)"}}]"#
            #expect(
                track(loose: simplified).lines == [
                    #"E sent=🌳 device(🌳, $device:u🌳) {"$device_id":"u🌳","$user_id":"🌳"}"#
                ])
        }
    }

    @Test func `profiles and groups take the same spellings`() {
        let member = #""$set":{"city \#(tree)":["\#(tree)"]},"$unset":["\#(tree)"]"#
        #expect(
            updated(update(member, id: "u\(tree)"), .engage).updateLines == [
                #"1001 u🌳 set{"city 🌳":["🌳"]} unset["🌳"]"#
            ])
        let group = #"{"$token":"aaaa","$group_key":"k\#(tree)","$group_id":"g\#(tree)","$set":{"a":"\#(tree)"}}"#
        #expect(updated(group, .groups).updateLines == [#"1001 k🌳=g🌳 set{"a":"🌳"}"#])
    }

    private func updated(_ json: String, _ endpoint: EventBatch.Endpoint) -> Decoded {
        var batch = EventBatch(
            origin: EventBatch.Origin(endpoint: endpoint, principal: "test"), receivedMilliseconds: now)
        let result = ProfileDecoder().decode(Payload(json: loose(json)), into: &batch, projects: Project.byToken)
        return Decoded(result: result, batch: batch)
    }

    @Test(arguments: ["«ED A0 BC»", "\\ud83c", "«ED BC B3 ED A0 BC»"])
    func `half a pair refuses its record in an id, a token or a group key, and nowhere else`(_ half: String) {
        let good = event(#""x":"\#(tree)""#)
        func rejections(_ record: String) -> [String] { track(loose: "[\(good),\(record),\(good)]").rejections }
        func utf8(_ field: String) -> [String] { ["1 \(field): \(field) is invalid: string should be valid utf8"] }
        #expect(rejections(event(#""distinct_id":"a\#(half)""#)) == utf8("properties.distinct_id"))
        #expect(
            rejections(#"{"event":"E","properties":{"token":"a\#(half)"}}"#) == utf8("properties.token"))
        for (verb, ids, field) in [
            ("$identify", #""$identified_id":"a\#(half)","$anon_id":"b""#, "$identified_id"),
            ("$identify", #""distinct_id":"a","$anon_distinct_id":"\#(half)""#, "$anon_distinct_id"),
            ("$create_alias", #""distinct_id":"a","alias":"\#(half)b""#, "alias"),
        ] {
            let record = #"{"event":"\#(verb)","properties":{"token":"aaaa",\#(ids)}}"#
            #expect(rejections(record) == utf8("properties.\(field)"))
        }
        #expect(
            rejections(#"{"event":"E","properties":{"token":"bbbb","$user_id":"\#(half)"}}"#)
                == utf8("properties.$user_id"))
        for (members, endpoint, field) in [
            (#""$token":"a\#(half)","$distinct_id":"u""#, EventBatch.Endpoint.engage, "$token"),
            (#""$token":"aaaa","$distinct_id":"u\#(half)""#, .engage, "$distinct_id"),
            (#""$token":"aaaa","$group_key":"\#(half)","$group_id":"g""#, .groups, "$group_key"),
            (#""$token":"aaaa","$group_key":"k","$group_id":"\#(half)""#, .groups, "$group_id"),
        ] {
            #expect(
                updated(#"{\#(members),"$set":{"a":"\#(tree)"}}"#, endpoint).rejections == [
                    "0 \(field): '\(field)' is invalid: string should be valid utf8"
                ])
        }
        #expect(rejections(event(#""$device_id":"\#(half)","\#(half)":"\#(half)","$insert_id":"\#(half)""#)).isEmpty)
    }

    @Test(arguments: ["«ED A0 BC»", "\\ud83c"])
    func `half a pair is kept in an event's name and in an insert id`(_ half: String) {
        let record =
            #"{"event":"a\#(half)b","properties":{"token":"aaaa","$insert_id":"i\#(half)","x":"\#(tree)"}}"#
        let decoded = track(loose: record)
        #expect(decoded.batch.events.map { Array(decoded.batch.bytes[$0.name.range]) } == [loose("a«ED A0 BC»b")])
        #expect(decoded.batch.events.map { Array(decoded.batch.bytes[$0.insertID.range]) } == [loose("i«ED A0 BC»")])
        #expect(decoded.batch.events.map(\.isDeduplicated) == [true])
        var json: [UInt8] = []
        JSONText.appendJSONString(loose("a«ED A0 BC»b\u{D7FF}«ED»"), to: &json)
        #expect(json == loose("\"a\\ud83cb\u{D7FF}«ED»\""))
    }

    @Test(arguments: [
        "«FF»", "«FE»", "«80»", "«BF BF»", "«C0 80»", "«C1 BF»", "«E0 80 80»", "«E0 9F BF»", "«F0 80 80 80»",
        "«F0 8F BF BF»", "«F4 90 80 80»", "«F5 80 80 80»", "«F8 88 80 80 80»", "«C3»", "«E2 82»", "«F0 9F 8C»",
        "«ED A0»", "«ED»", "«C3 28»", "«E2 28 A1»", "«F0 28 8C BC»", "«ED A0 BC FF»",
    ])
    func `any other byte that is no UTF-8 costs its own record alone`(_ bad: String) {
        let good = event(#""distinct_id":"u\#(tree)","x":"é""#)
        let kept = [String](repeating: #"View sent=u🌳 {"x":"é"}"#, count: 2)
        for (record, field) in [
            (event(#""p":"a\#(bad)""#), "properties.p"), (event(#""p":"\#(bad)b""#), "properties.p"),
            (event(#""a":1,"p":{"q":["r","\#(bad)"]},"z":1"#), "properties.p"),
            (event(#""p":{"\#(bad)":1}"#), "properties.p"),
            (event(#""distinct_id":"\#(bad)""#), "properties.distinct_id"),
            (event(#""$insert_id":"\#(bad)""#), "properties.$insert_id"),
            (event("", name: "E\(bad)"), "event"), (event("", name: "\(bad)"), "event"),
            (#"{"x":"\#(bad)","event":"E","properties":{"token":"aaaa"}}"#, "x"),
            (#"{"x":{"y":{"z":"\#(bad)"}},"event":"E","properties":{"token":"aaaa"}}"#, "x.y"),
            (
                #"{"event":"E","properties":{"token":"aaaa","a":"\#(bad)"},"properties":{"token":"aaaa"}}"#,
                "properties.a"
            ),
        ] {
            for isLines in [true, false] {
                let records = [good, record, good]
                let body = isLines ? records.joined(separator: "\n") : "[" + records.joined(separator: ",") + "]"
                let decoded = track(loose: body, isLines: isLines)
                #expect(decoded.lines == kept, "\(record)")
                #expect(
                    decoded.rejections == ["1 \(field): \(field) is invalid: string should be valid utf8"], "\(record)")
            }
        }
        for (members, field) in [
            (#""$set":{"a":"\#(bad)"}"#, "$set.a"), (#""$add":{"a":1},"x":["\#(bad)"]"#, "x"),
            (#""$set":{"a":"\#(bad)"},"$set":{"b":1}"#, "$set.a"), (#""$unset":["\#(bad)"]"#, "$unset"),
            (#""$delete":"\#(bad)""#, "$delete"),
        ] {
            let decoded = updated("[\(update(#""$set":{"a":1}"#)),\(update(members))]", .engage)
            #expect(decoded.updateLines == [#"1001 u1 set{"a":1}"#])
            #expect(decoded.rejections == ["1 \(field): '\(field)' is invalid: string should be valid utf8"])
        }
    }

    @Test func `a member whose own name is at fault is named as far as it can be read`() {
        let decoded = track(loose: event(#""ci«FF»ty":1"#))
        #expect(decoded.result.rejections.map(\.field) == ["properties.ci\u{FFFD}ty"])
    }

    @Test func `a strict import says so too, and tells the insert id`() {
        let record =
            #"[{"event":"E","properties":{"time":1699999999,"distinct_id":"u","$insert_id":"i-1","p":"«FF»"}}]"#
        let decoded = decode(loose(record), .import, .fixed(Project.original, mayMerge: true), strict: true)
        #expect(decoded.rejections == ["0 properties.p: properties.p is invalid: string should be valid utf8"])
        #expect(decoded.result.rejections.map(\.insertID) == [Array("i-1".utf8)])
    }

    @Test(arguments: [
        "{«FF»}", #"{"event":«ED A0 BC ED BC B3»}"#, #"{"event":"E"«80»,"properties":{}}"#, "«FF»", "tru«FF»",
        #"{"event":1«C3»}"#, #"{"event":"a\«FF»"}"#, #"{"event":"a\u«FF»000"}"#,
    ])
    func `bytes outside of strings are a fault of syntax as any other`(_ bad: String) {
        let decoded = track(loose: "[\(event("")),\(bad),\(event(""))]")
        #expect(decoded.lines == ["View {}", "View {}"])
        #expect(decoded.result.rejections.map(\.index) == [1])
        #expect(decoded.result.rejections.map(\.field) == [""])
    }

    @Test func `limits count what is there after joining`() {
        let good = #""x":"\#(tree)""#
        func id(_ count: Int) -> String { String(repeating: tree, count: count) }
        #expect(track(loose: event("\(good),\"distinct_id\":\"\(id(256))\"")).rejections.isEmpty)
        #expect(
            track(loose: event("\(good),\"distinct_id\":\"\(id(256))u\"")).rejections == [
                "0 properties.distinct_id: 'properties.distinct_id' is invalid: must be at most 1024 bytes"
            ])
        let long = track(loose: event("\"a\":\"\(id(300))\""))
        #expect(long.properties == #"{"a":"\#(String(repeating: "🌳", count: 255))"}"#)
        #expect(track(loose: event(good, name: id(63) + "abc")).rejections.isEmpty)
        #expect(track(loose: event(good, name: id(64))).result.rejections.map(\.field) == ["event"])
        var limits = WireLimits()
        limits.profileNameScalars = 3
        var batch = EventBatch(
            origin: EventBatch.Origin(endpoint: .engage, principal: "test"), receivedMilliseconds: now)
        let result = ProfileDecoder().decode(
            Payload(json: loose("[\(update(#""$set":{"\#(id(3))":1}"#)),\(update(#""$set":{"\#(id(4))":1}"#))]")),
            into: &batch, projects: Project.byToken, limits: limits)
        #expect(result.rejections.map(\.index) == [1])
    }

    @Test func `a copy that is longer than its source stays within its buffer`() {
        let half = String(repeating: "«ED A0 BC»", count: 20_000)
        let decoded = track(
            loose: "[" + [String](repeating: event("\"\(half)\":1"), count: 5).joined(separator: ",") + "]")
        let kept = String(repeating: "\\ud83c", count: 20_000)
        #expect(decoded.lines == [String](repeating: "View {\"\(kept)\":1}", count: 5))
    }

    @Test func `ids outside of JSON are joined, and anything else stays`() {
        #expect(LooseUTF8.joined(loose("a«ED A0 BC ED BC B3»b")) == Array("a🌳b".utf8))
        for text in ["a«ED A0 BC»b", "«ED BC B3 ED A0 BC»", "«FF»", "«ED A0 BC»", "«ED A0»", "é🌳\u{D7FF}", ""] {
            #expect(LooseUTF8.joined(loose(text)) == loose(text))
        }
        #expect(LooseUTF8.joined(loose("«FF ED A0 BC ED BC B3 ED»")) == loose("«FF»🌳«ED»"))
    }

    @Test func `bodies of our own name ids in the same spellings, and no other bytes`() throws {
        let ids = try IdentityQuery.distinctIDs(
            fromJSON: loose(#"{"distinct_ids":["a\#(tree)","«ED A0 BC»\udf33"]}"#), limit: 9)
        #expect(ids.map(\.description) == ["a🌳", "🌳"])
        #expect(throws: IdentityQuery.Failure.notAnID(index: 1)) {
            try IdentityQuery.distinctIDs(fromJSON: loose(#"{"distinct_ids":["a","«ED A0 BC»"]}"#), limit: 9)
        }
        #expect(throws: IdentityQuery.Failure.notJSON) {
            try IdentityQuery.distinctIDs(fromJSON: loose(#"{"distinct_ids":["a"],"x":"«FF»"}"#), limit: 9)
        }
        #expect(IdentityQuery.hasDistinctID(loose(#"{"distinct_id":"\#(tree)"}"#)))
        #expect(!IdentityQuery.hasDistinctID(loose(#"{"distinct_id":"«FF»"}"#)))
        let body = try QueryBody(WireRequest(method: .post, body: loose(#"{"a":"\#(tree)","b":["\#(tree)"]}"#)))
        #expect(body.first("a") == Array("🌳".utf8))
        #expect(body.first("b") == Array(#"["🌳"]"#.utf8))
        #expect(throws: PayloadError.self) { try QueryBody(WireRequest(method: .post, body: loose(#"{"a":"«FF»"}"#))) }
    }
}
