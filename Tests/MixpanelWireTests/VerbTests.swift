import IdentityEngine
import MixpanelWire
import Testing

struct VerbTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var verb: String
        var properties: String
        var expected: String
        var testDescription: String { "\(verb) \(properties)" }

        init(_ verb: String, _ properties: String, _ expected: String) {
            self.verb = verb
            self.properties = properties
            self.expected = expected
        }

        var record: String { #"[{"event":"\#(verb)","properties":{\#(properties)}}]"# }
    }

    @Test(arguments: [
        Case(
            "$identify", #""$identified_id":"U","$anon_id":"A""#,
            #"$identify sent=U identify(U, A) {"$identified_id":"U","$anon_id":"A"}"#),
        Case(
            "$identify", #""distinct_id":"U","$anon_distinct_id":"A""#,
            #"$identify sent=U identify(U, A) {"$anon_distinct_id":"A"}"#),
        Case(
            "$identify", #""$identified_id":null,"distinct_id":"U","$anon_id":null,"$anon_distinct_id":"A""#,
            #"$identify sent=U identify(U, A) {"$identified_id":null,"$anon_id":null,"$anon_distinct_id":"A"}"#),
        Case(
            "$identify", #""distinct_id":"D","$identified_id":12345,"$anon_id":"A""#,
            #"$identify sent=D identify(12345, A) {"$identified_id":12345,"$anon_id":"A"}"#),
        Case(
            "$identify", #""distinct_id":" ","$identified_id":"U","$anon_id":"A""#,
            #"$identify sent=U identify(U, A) {"$identified_id":"U","$anon_id":"A"}"#),
        Case(
            "$create_alias", #""distinct_id":"D","alias":"X ""#,
            #"$create_alias sent=D alias(D, X ) {"alias":"X "}"#),
        Case("$merge", #""$distinct_ids":["a",7]"#, #"$merge sent=a merge(a, 7) {"$distinct_ids":["a",7]}"#),
        Case(
            "$merge", #""$distinct_ids":["a","b"],"distinct_id":"""#,
            #"$merge merge(a, b) {"$distinct_ids":["a","b"]}"#),
        Case("$Identify", #""time":1,"distinct_id":"u""#, "$Identify sent=u time=1000 {}"),
    ])
    func `a verb states two ids and its event belongs to one`(_ row: Case) {
        let decoded = importing(row.record, strict: false)
        #expect(decoded.rejections.isEmpty)
        #expect(decoded.lines == [row.expected])
    }

    @Test(arguments: [
        Case("$identify", #""$anon_id":"A""#, "$identified_id: must not be missing or blank"),
        Case("$identify", #""$identified_id":"","$anon_id":"A""#, "$identified_id: must not be missing or blank"),
        Case(
            "$identify", #""$identified_id":"\u2003 ","$anon_id":"A""#, "$identified_id: must not be missing or blank"),
        Case("$identify", #""$identified_id":true,"$anon_id":"A""#, "$identified_id: must be a string"),
        Case("$identify", #""distinct_id":["u"],"$anon_id":"A""#, "distinct_id: must be a string"),
        Case("$identify", #""$identified_id":"u","$anon_id":{}"#, "$anon_id: must be a string"),
        Case("$identify", #""$identified_id":"u""#, "$anon_id: must not be missing or blank"),
        Case(
            "$identify", #""$identified_id":"u","$anon_distinct_id":"NONE""#,
            "$anon_distinct_id: must not be one of the disallowed values"),
        Case(
            "$identify", #""$identified_id":0,"$anon_id":"a""#,
            "$identified_id: must not be one of the disallowed values"),
        Case("$create_alias", #""distinct_id":"d""#, "alias: must not be missing or blank"),
        Case("$create_alias", #""alias":"d""#, "distinct_id: must not be missing or blank"),
        Case("$create_alias", #""distinct_id":"d","alias":1e2000"#, "alias: must be at most 1024 bytes"),
        Case(
            "$create_alias", #""distinct_id":"d","alias":"\#(String(repeating: "k", count: 1025))""#,
            "alias: must be at most 1024 bytes"),
        Case("$merge", #""$distinct_ids":["a"]"#, "$distinct_ids: must contain exactly 2 distinct_ids"),
        Case("$merge", #""$distinct_ids":["a","b","c"]"#, "$distinct_ids: must contain exactly 2 distinct_ids"),
        Case("$merge", #""$distinct_ids":"ab""#, "$distinct_ids: must contain exactly 2 distinct_ids"),
        Case("$merge", #""$distinct_ids":["a",["b"]]"#, "$distinct_ids: must be a string"),
        Case("$merge", #""$distinct_ids":["a","null"]"#, "$distinct_ids: must not be one of the disallowed values"),
    ])
    func `a verb without two usable ids is refused`(_ row: Case) {
        let (field, rule) = (row.expected.prefix { $0 != ":" }, row.expected.drop { $0 != ":" }.dropFirst(2))
        let decoded = importing(row.record)
        #expect(decoded.rejections == ["0 properties.\(field): 'properties.\(field)' is invalid: \(rule)"])
    }

    @Test func `an id with half a surrogate pair is refused`() {
        let decoded = importing(#"[{"event":"$identify","properties":{"$identified_id":"a\udc00","$anon_id":"A"}}]"#)
        #expect(
            decoded.result.rejections.map(\.message) == [
                "properties.$identified_id is invalid: string should be valid utf8"
            ])
    }

    @Test func `a merge needs more than the public token`() {
        let body = #"[{"event":"$merge","properties":{"$distinct_ids":["a","b"]}}]"#
        #expect(
            importing(body, mayMerge: false).rejections == [
                "0 event: $merge requires project secret or service account authentication"
            ])
        #expect(importing(body, Project.legacy, mayMerge: false).rejections.isEmpty)
    }

    @Test func `an alias of 1024 bytes is kept whole`() {
        let alias = String(repeating: "é", count: 512)
        let decoded = importing(#"{"event":"$create_alias","properties":{"distinct_id":"d","alias":"\#(alias)"}}"#)
        #expect(decoded.batch.events.map { decoded.text($0.secondaryID) } == [alias])
        #expect(decoded.properties == #"{"alias":"\#(alias)"}"#)
    }

    @Test(arguments: [
        ("12345", "12345"), ("1.5", "1.5"), ("1e3", "1000"), ("1.50", "1.5"), ("100", "100"), ("0.10", "0.1"),
        ("12345678901234567890", "12345678901234567890"), ("9223372036854775807", "9223372036854775807"),
        ("1.5e-3", "0.0015"), ("-12.0", "-12"), ("1.2345e2", "123.45"), ("12.5E+1", "125"), ("1E0", "1"),
        ("100000000000000000000000000000001", "100000000000000000000000000000001"),
    ])
    func `an id that is a number becomes its shortest decimal text`(_ source: String, _ expected: String) {
        #expect(track(event(#""distinct_id":\#(source)"#)).lines == ["View sent=\(expected) {}"])
    }

    @Test(arguments: ["0", "-0", "0.00", "0e9", "1e1024", "1e-1100", "1e99999999999999999999"])
    func `a number that is reserved or endless is no id`(_ source: String) {
        let decoded = importing(#"{"event":"$create_alias","properties":{"distinct_id":\#(source),"alias":"x"}}"#)
        #expect(decoded.result.rejections.map(\.field) == ["properties.distinct_id"])
    }

    @Test(arguments: [
        "00000000-0000-0000-0000-000000000000", "anon", "anonymous", "nil", "none", "null", "n/a", "na", "undefined",
        "unknown", "<nil>", "0", "-1", "true", "false", "[]", "{}", "NoNe", "NULL", "N/A",
    ])
    func `a reserved id never enters a merge`(_ id: String) {
        let decoded = importing(#"{"event":"$create_alias","properties":{"distinct_id":"d","alias":"\#(id)"}}"#)
        #expect(
            decoded.rejections == [
                "0 properties.alias: 'properties.alias' is invalid: must not be one of the disallowed values"
            ])
    }

    @Test(arguments: [
        "[object Object]", "NaN", "nan", "(null)", "guest", "GUEST", "distinct_id", "email", "not_authenticated",
        #"\"\""#,
    ])
    func `a text that the setting adds never enters a merge, and is an id elsewhere`(_ id: String) {
        let rule = "is invalid: must not be one of the disallowed values"
        for (verb, ids, field) in [
            ("$create_alias", #""distinct_id":"d","alias":"\#(id)""#, "alias"),
            ("$create_alias", #""distinct_id":"\#(id)","alias":"a""#, "distinct_id"),
            ("$identify", #""$identified_id":"\#(id)","$anon_id":"a""#, "$identified_id"),
            ("$identify", #""distinct_id":"a","$anon_distinct_id":"\#(id)""#, "$anon_distinct_id"),
            ("$merge", #""$distinct_ids":["a","\#(id)"]"#, "$distinct_ids"),
        ] {
            let record = #"{"event":"\#(verb)","properties":{\#(ids)}}"#
            #expect(
                importing(record, strict: false).rejections == ["0 properties.\(field): 'properties.\(field)' \(rule)"])
            var limits = WireLimits()
            limits.reservedIDs = ReservedIDs(text: "")
            let decoded = decode(
                Array(record.utf8), .import, .fixed(Project.original, mayMerge: true), limits: limits)
            #expect(decoded.rejections.isEmpty)
        }
        let properties = #""time":1699999999,"distinct_id":"\#(id)","$insert_id":"i""#
        #expect(importing(event(properties)).rejections.isEmpty)
        #expect(track(event(#""distinct_id":"\#(id)","$insert_id":"\#(id)""#)).rejections.isEmpty)
        #expect(updating(update(#""$set":{"a":1}"#, id: id)).rejections.isEmpty)
    }

    @Test func `the setting of reserved ids names texts with commas between them`() {
        var limits = WireLimits()
        limits.reservedIDs = ReservedIDs(text: " Nobody , two words ,, a ")
        for (id, isReserved) in [
            ("nobody", true), ("NOBODY", true), ("two words", true), ("A", true), ("guest", false), ("null", true),
            (" nobody", false), ("twowords", false),
        ] {
            let record = #"{"event":"$create_alias","properties":{"token":"aaaa","distinct_id":"d","alias":"\#(id)"}}"#
            #expect(track(record, limits: limits).rejections.isEmpty == !isReserved, "\(id)")
        }
    }

    @Test(arguments: [" none", "none ", "lmy47d", "nona", "00"])
    func `an id that only resembles a reserved one is an id`(_ id: String) {
        let decoded = importing(#"{"event":"$create_alias","properties":{"distinct_id":"d","alias":"\#(id)"}}"#)
        #expect(decoded.rejections.isEmpty)
    }
}
