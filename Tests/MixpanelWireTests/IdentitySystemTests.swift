import IdentityEngine
import MixpanelWire
import Testing

struct IdentitySystemTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var properties: String
        var expected: String
        var testDescription: String { properties }

        init(_ properties: String, _ expected: String) {
            self.properties = properties
            self.expected = expected
        }
    }

    @Test(arguments: [
        Case(#""$device_id":"D""#, #"E sent=$device:D {"$device_id":"D"}"#),
        Case(#""$user_id":"U""#, #"E sent=U {"$user_id":"U"}"#),
        Case(
            #""$device_id":"$device:D","x":1,"$user_id":7"#,
            #"E sent=7 device(7, $device:D) {"x":1,"$device_id":"D","$user_id":"7"}"#),
        Case(#""$user_id":"U","distinct_id":"zzz""#, #"E sent=zzz filed=U {"$user_id":"U"}"#),
        Case(#""distinct_id":"U""#, #"E sent=U {"$user_id":"U"}"#),
        Case(#""distinct_id":"$device:D""#, #"E sent=$device:D {"$device_id":"D"}"#),
        Case(#""distinct_id":"$device:$device:D""#, #"E sent=$device:$device:D {"$device_id":"$device:D"}"#),
        Case(#""$device_id":"D","$user_id":"""#, #"E sent=$device:D {"$device_id":"D"}"#),
        Case(#""$device_id":"D","$user_id":null"#, #"E sent=$device:D {"$device_id":"D"}"#),
        Case(#""$device_id":"D","$user_id":"undefined""#, #"E sent=$device:D {"$device_id":"D"}"#),
        Case(#""$device_id":"D","$user_id":"$device:X""#, #"E sent=$device:D {"$device_id":"D"}"#),
        Case(#""$device_id":"$device:","distinct_id":"U""#, #"E sent=U {"$user_id":"U"}"#),
        Case(#""$device_id":"S","$user_id":"S""#, #"E sent=S device(S, $device:S) {"$device_id":"S","$user_id":"S"}"#),
        Case(
            #""$device_id":"1","$device_id":"D\"\n","y":[]"#,
            #"E sent=$device:D"\#u{A} {"y":[],"$device_id":"D\"\n"}"#),
        Case(#""distinct_id":"none""#, "E {}"),
        Case("", "E {}"),
    ])
    func `a Simplified event is filed under its user, else its device, else its distinct_id`(_ row: Case) {
        let rest = row.properties.isEmpty ? "" : ",\(row.properties)"
        let decoded = track(#"{"event":"E","properties":{"token":"bbbb"\#(rest)}}"#)
        #expect(decoded.rejections.isEmpty)
        #expect(decoded.lines == [row.expected])
    }

    @Test func `a Simplified import needs no distinct_id beside the other two`() {
        let rest = #""time":1699999999,"$insert_id":"i""#
        func body(_ ids: String) -> String { #"{"event":"E","properties":{\#(rest)\#(ids)}}"# }
        #expect(importing(body(#","$device_id":"knock""#), Project.simplified).rejections.isEmpty)
        #expect(
            importing(body(#","$user_id":"null""#), Project.simplified).rejections == [
                "0 properties.distinct_id: 'properties.distinct_id' is invalid: must not be missing"
            ])
    }

    @Test(arguments: ["$identify", "$create_alias", "$merge"])
    func `a Simplified project ignores verbs on track and refuses them on import`(_ verb: String) {
        let tracked = track(#"{"event":"\#(verb)","properties":{"token":"bbbb"}}"#)
        #expect(tracked.result.validCount == 1)
        #expect(tracked.batch.events.isEmpty)
        let imported = importing(#"{"event":"\#(verb)","properties":{}}"#, Project.simplified, strict: false)
        #expect(
            imported.rejections == [
                "0 event: identity events are not allowed when project is using simplified identity management"
            ])
    }

    @Test func `a Legacy project knows aliases only`() {
        let decoded = track(
            """
            [{"event":"$identify","properties":{"token":"cccc","distinct_id":"u","$anon_id":true}},
            {"event":"$merge","properties":{"token":"cccc","$distinct_ids":[]}},
            {"event":"$create_alias","properties":{"token":"cccc","distinct_id":"d","alias":"a"}},
            {"event":"$create_alias","properties":{"token":"cccc","distinct_id":"d"}}]
            """)
        #expect(
            decoded.lines == [
                #"$identify sent=u {"$anon_id":true}"#, #"$merge {"$distinct_ids":[]}"#,
                #"$create_alias sent=d alias(d, a) {"alias":"a"}"#,
            ])
        #expect(
            decoded.rejections == [
                "3 properties.alias: 'properties.alias' is invalid: must not be missing or blank"
            ])
    }

    @Test func `a Legacy import needs neither time nor insert id for the three verbs`() {
        let decoded = importing(#"[{"event":"$merge","properties":{"$distinct_ids":["a","b"]}}]"#, Project.legacy)
        #expect(decoded.lines == [#"$merge {"$distinct_ids":["a","b"]}"#])
    }

    @Test func `an Original event keeps device and user as plain properties`() {
        let decoded = track(event(#""distinct_id":"u","$device_id":"d","$user_id":"U""#))
        #expect(decoded.lines == [#"View sent=u {"$device_id":"d","$user_id":"U"}"#])
    }
}
