import IdentityEngine
import MixpanelWire
import Testing

struct ProfileUpdateTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var json: String
        var expected: [String]
        var endpoint = EventBatch.Endpoint.engage
        var testDescription: String { json }

        init(_ json: String, _ expected: String..., endpoint: EventBatch.Endpoint = .engage) {
            self.json = json
            self.expected = expected
            self.endpoint = endpoint
        }
    }

    @Test(arguments: [
        Case(update(#""$set":{"a":1,"b":"x"}"#), #"1001 u1 set{"a":1,"b":"x"}"#),
        Case(update(#""$set": { "a" : [ 1 , { "b" : null } ] }"#), #"1001 u1 set{"a":[1,{"b":null}]}"#),
        Case(update(#""$set":{}"#), "1001 u1 set{}"),
        Case(update(#""$set_once":{"a":"2023-11-14T22:13:20"}"#), #"1001 u1 setOnce{"a":"2023-11-14T22:13:20"}"#),
        Case(update(#""$add":{"a":1,"b":-2.50,"c":1e400}"#), #"1001 u1 add{"a":1,"b":-2.50,"c":1e400}"#),
        Case(update(#""$append":{"a":[1],"b":2}"#), #"1001 u1 append{"a":[1],"b":2}"#),
        Case(update(#""$union":{"a":[1,"x"],"b":[]}"#), #"1001 u1 union{"a":[1,"x"],"b":[]}"#),
        Case(update(#""$remove":{"a":{"b":1}}"#), #"1001 u1 remove{"a":{"b":1}}"#),
        Case(update(#""$unset":[ "a" , "b" ]"#), #"1001 u1 unset["a","b"]"#),
        Case(update(#""$unset":[]"#), "1001 u1 unset[]"),
        Case(update(#""$merge":{"a":{"b":{"c":1}}}"#), #"1001 u1 merge{"a":{"b":{"c":1}}}"#),
        Case(update(#""$delete":"null""#), "1001 u1 delete"),
        Case(update(#""$delete":"""#), "1001 u1 delete"),
        Case(update(#""$delete":{"a":[1]}"#), "1001 u1 delete"),
        Case(
            update(#""$add":{"n":1},"$set":{"a":1},"$unset":["b"],"$delete":true"#),
            #"1001 u1 add{"n":1} set{"a":1} unset["b"] delete"#),
    ])
    func `an operator and its operand are read`(_ one: Case) {
        #expect(updating(one.json).updateLines == one.expected)
    }

    @Test(arguments: [
        Case(update(#""$set":{"a":1}"#, id: "ünï"), #"1001 ünï set{"a":1}"#),
        Case(#"{"$token":"aaaa","$distinct_id":12345678901234567890,"$set":{}}"#, "1001 12345678901234567890 set{}"),
        Case(#"{"$token":"aaaa","$distinct_id":1.50,"$set":{}}"#, "1001 1.5 set{}"),
        Case(#"{"$token":"aaaa","$distinct_id":"a\"b","$set":{}}"#, #"1001 a"b set{}"#),
        Case(update(#""$set":{}"#, id: "undefined"), "1001 undefined set{}"),
        Case(#"{"$token":"bbbb","$distinct_id":"$device:d1","$set":{}}"#, "1002 $device:d1 set{}"),
        // P 8-8: not what stands beside it.
        Case(
            #"{"$token":"bbbb","$distinct_id":"a","$device_id":"d","$user_id":"b","$set":{}}"#, "1002 a set{}"),
        Case(update(#""$ignore_alias":true,"$set":{}"#), "1001 u1 literal set{}"),
        Case(update(#""$ignore_alias":"true","$delete":"""#), "1001 u1 literal delete"),
        Case(update(#""$ignore_alias":false,"$set":{}"#), "1001 u1 set{}"),
        Case(update(#""$ignore_alias":"false","$set":{}"#), "1001 u1 set{}"),
        Case(update(#""$ignore_alias":1,"$set":{}"#), "1001 u1 set{}"),
        Case(update(#""$ignore_time":"true","$delete":"""#), "1001 u1 quiet delete"),
        Case(update(#""$ignore_time":false,"$set":{}"#), "1001 u1 set{}"),
        Case(update(#""$ignore_time":1,"$set":{}"#), "1001 u1 set{}"),
        Case(
            update(#""$ip":"0","$time":1,"$ignore_time":true,"$latitude":1.5,"mp_meta":{"x":[]},"$set":{}"#),
            "1001 u1 quiet set{}"),
        Case(
            #"{"$token":"aaaa","$group_key":"company","$group_id":"acme","$distinct_id":{},"$set":{"a":1}}"#,
            #"1001 company=acme set{"a":1}"#, endpoint: .groups),
        Case(
            #"{"$token":"aaaa","$group_key":"company","$group_id":42,"$ignore_alias":true,"$add":{"a":1}}"#,
            #"1001 company=42 add{"a":1}"#, endpoint: .groups),
        Case(
            #"[{"$token":"cccc","$distinct_id":"a","$set":{}},{"$token":"bbbb","$distinct_id":"b","$set":{}}]"#,
            "1003 a set{}", "1002 b set{}"),
    ])
    func `whose profile it is comes from the record alone`(_ one: Case) {
        let decoded = updating(one.json, one.endpoint)
        #expect(decoded.updateLines == one.expected)
        #expect(decoded.rejections.isEmpty)
    }

    @Test(arguments: [
        Case(update(#""$set":{"a":1,"b":2,"a":3}"#), #"1001 u1 set{"b":2,"a":3}"#),
        Case(update(#""$set":{"a":{"x":1,"x":2}}"#), #"1001 u1 set{"a":{"x":2}}"#),
        Case(update(#""$set":{"a":1},"$add":{"n":1},"$set":{"b":2}"#), #"1001 u1 add{"n":1} set{"b":2}"#),
        Case(update(#""$set":7,"$set":{"b":2}"#), #"1001 u1 set{"b":2}"#),
        Case(update(#""$add":{"n":"x","n":2}"#), #"1001 u1 add{"n":2}"#),
        Case(#"{"$token":7,"$distinct_id":"a","$distinct_id":"b","$token":"aaaa","$set":{}}"#, "1001 b set{}"),
    ])
    func `of what stands twice the last counts`(_ one: Case) {
        #expect(updating(one.json).updateLines == one.expected)
    }

    @Test(arguments: [
        (#"{"a":"\ud800x","b":"\u0041\u000a"}"#, #"{"a":"\ud800x","b":"A\n"}"#),
        (#"{"a":123456789012345678901234567890.10}"#, #"{"a":123456789012345678901234567890.10}"#),
        (#"{"":1,"é":2}"#, #"{"":1,"é":2}"#),
    ])
    func `values are kept as they are`(_ sent: String, _ kept: String) {
        #expect(updating(update(#""$set":\#(sent)"#)).updateLines == ["1001 u1 set\(kept)"])
    }

    @Test func `texts of values are cut, ids and names are not`() {
        let long = String(repeating: "é", count: 300)
        let cut = String(repeating: "é", count: 255)
        #expect(updating(update(#""$set":{"a":"\#(long)"}"#)).updateLines == [#"1001 u1 set{"a":"\#(cut)"}"#])
        #expect(
            updating(update(#""$union":{"a":["\#(long)"]}"#)).updateLines == [#"1001 u1 union{"a":["\#(cut)"]}"#])
        #expect(updating(update(#""$unset":["\#(long)"]"#)).updateLines == [#"1001 u1 unset["\#(long)"]"#])
        #expect(updating(update(#""$set":{}"#, id: long)).updateLines == ["1001 \(long) set{}"])
        #expect(updating(update(#""$set":{"\#(cut)":1}"#)).updateLines == [#"1001 u1 set{"\#(cut)":1}"#])
    }

    @Test func `an unknown token drops the update and is counted`() {
        let decoded = updating(#"[{"$token":"zzzz","$distinct_id":"a","$set":{}},\#(update(#""$set":{}"#))]"#)
        #expect(decoded.updateLines == ["1001 u1 set{}"])
        #expect(decoded.result.validCount == 2)
        #expect(decoded.result.unknownTokenRecords == 1)
        #expect(decoded.result.unknownTokens == ["zzzz": 1])
        let malformed = updating(#"{"$token":"zzzz","$distinct_id":"a"}"#)
        #expect(malformed.result.unknownTokenRecords == 0)
        #expect(malformed.rejections.count == 1)
    }

    @Test func `one bad update costs no neighbour`() {
        let good = update(#""$set":{"a":1}"#)
        for bad in ["7", "{}", #"{"$token":"aaaa""#, #"{"$set":{"a":01}}"#, update(#""$set":{"a":"\#u{1}"}"#), "[{}]"] {
            let decoded = updating("[\(good),\(bad)\(bad.hasSuffix(#""aaaa""#) ? "}" : ""),\(good)]")
            #expect(decoded.updateLines == Array(repeating: #"1001 u1 set{"a":1}"#, count: 2), "\(bad)")
            #expect(decoded.result.rejections.map(\.index) == [1], "\(bad)")
        }
        let lines = updating("\(good)\n{\"$set\":\n\(good)\n", isLines: true)
        #expect(lines.updateLines.count == 2)
    }
}
