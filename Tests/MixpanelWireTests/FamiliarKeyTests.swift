import IdentityEngine
import MixpanelWire
import Testing

/// A decoder that recognises the keys of one record in the next must read each record as if it stood alone.
struct FamiliarKeyTests {
    private static func copies(_ objects: [String], limits: WireLimits = WireLimits()) -> [String] {
        let records = objects.map { #"{"event":"E","properties":{"token":"aaaa",\#($0.dropFirst())}"# }
        let decoded = track("[" + records.joined(separator: ",") + "]", limits: limits)
        return decoded.batch.events.map { decoded.text($0.properties) }
            + decoded.result.rejections.map { "\($0.index): \($0.message)" }
    }

    @Test(arguments: 1...40)
    func `keys that differ in one byte are different keys`(_ count: Int) {
        let key = String(repeating: "k", count: count)
        for place in 0..<count {
            let other = "\(key.prefix(place))j\(key.dropFirst(place + 1))"
            let objects = [
                #"{"\#(key)":1,"\#(other)":2}"#, #"{"\#(key)":1,"\#(key)":2}"#, #"{"\#(other)":1,"\#(other)":2}"#,
            ]
            let copies = [objects[0], #"{"\#(key)":2}"#, #"{"\#(other)":2}"#]
            #expect(Self.copies(objects) == copies)
            #expect(Self.copies([objects[0], objects[2], objects[1]]) == [copies[0], copies[2], copies[1]])
        }
        let longer = [#"{"\#(key)":1,"z":"y"}"#, #"{"\#(key)k":1,"z":"y"}"#, #"{"\#(key.dropLast())":1,"z":"y"}"#]
        #expect(Self.copies(longer) == longer)
    }

    @Test(arguments: [
        "time", "distinct_id", "$insert_id", "$import", "$mp_api_endpoint", "mp_processing_time_ms",
        "$distinct_id_before_identity",
    ])
    func `a key that differs from a field's in one byte is not that field`(_ name: String) {
        let field = #"{"event":"E","properties":{"\#(name)":1699999999,"a":1}}"#
        for place in 0..<name.utf8.count {
            let other = field.replacing(name, with: "\(name.prefix(place))~\(name.dropFirst(place + 1))")
            let records = [field, other, field, other, other, field]
            let together = importing("[" + records.joined(separator: ",") + "]", strict: false)
            #expect(together.lines == records.flatMap { importing($0, strict: false).lines })
        }
    }

    @Test(arguments: [
        [#"{"a":1,"b":2}"#, #"{"a":1,"b":2,"a":3}"#, #"{"a":1,"b":2}"#],
        [#"{"a":1,"b":2,"c":3}"#, #"{"b":1,"b":2,"c":3}"#, #"{"a":1,"a":2,"c":3}"#, #"{"a":1,"b":2,"b":3}"#],
        [#"{"a":1,"a":2}"#, #"{"a":1,"a":2}"#, #"{"a":1,"b":2}"#, #"{"a":3,"a":4,"b":5,"a":6}"#],
        [#"{"a":1,"b":2,"c":3}"#, #"{"c":1,"b":2,"a":3,"c":4}"#, #"{"c":1,"b":2,"a":3,"b":[4]}"#],
        [#"{"a":1,"b":2}"#, #"{"a":1,"\u0062":2}"#, #"{"a":1,"\u0061":2}"#, #"{"\u0061":1,"a":2}"#, #"{"a":1,"b":2}"#],
        [#"{"a":1,"b":{"a":1,"a":2}}"#, #"{"a":1,"b":{"a":1,"a":2},"b":7}"#, #"{"a":1,"b":{"b":2,"b":4},"a":5}"#],
    ])
    func `of a repeated key the last one counts, whatever the records before`(_ objects: [String]) {
        #expect(Self.copies(objects) == objects.map { Self.copies([$0])[0] })
        #expect(Self.copies(objects.reversed()) == objects.reversed().map { Self.copies([$0])[0] })
    }

    @Test func `a repeat of a key is dropped at a place where the record before had the same key`() {
        #expect(Self.copies([#"{"a":1,"b":2}"#, #"{"b":1,"b":2}"#]) == [#"{"a":1,"b":2}"#, #"{"b":2}"#])
        #expect(
            Self.copies([#"{"a":1,"b":2}"#, #"{"a":1,"b":2,"a":3}"#]) == [#"{"a":1,"b":2}"#, #"{"b":2,"a":3}"#])
    }

    @Test func `a record with a fault leaves no half of its keys behind`() {
        let objects = [#"{"a":1,"b":2}"#, #"{"b":tru}"#, #"{"b":1,"b":2}"#, #"{"a":1,"b":2}"#]
        #expect(
            Self.copies(objects) == [
                #"{"a":1,"b":2}"#, #"{"b":2}"#, #"{"a":1,"b":2}"#, "1: record is not valid JSON",
            ])
    }

    @Test(arguments: [
        [#"{"a":1,"b":"x"}"#, #"{"b":"x","a":1}"#, #"{"a":1,"b":"x"}"#],
        [#"{"a":1,"b":"x","c":true}"#, #"{"a":1,"c":true}"#, #"{"a":1}"#, #"{"a":1,"b":"x","c":true,"d":null}"#],
        [#"{"a":"\n","b":"x"}"#, #"{"a":"x","b":"\""}"#, #"{"a":"x","b":"x"}"#, #"{"a":"\\","b":"\\"}"#],
        [#"{"a":[1,{"a":1}],"b":-1.5e+3}"#, #"{"a":0,"b":{"b":1}}"#, #"{"a":false,"b":[]}"#, #"{"a":0,"b":12}"#],
        [#"{"":1,"a":""}"#, #"{"":1,"a":""}"#, #"{"a":1,"":""}"#],
    ])
    func `records of any keys in any order are copied each as it is`(_ objects: [String]) {
        #expect(Self.copies(objects) == objects)
    }

    @Test func `white space never reaches the copy`() {
        let spaced = [
            #"{"a":1,"b":"x"}"#, #"{"a": 1, "b": "x"}"#, #"{ "a" :1 ,"b": "x" }"#, "{\"a\"\n:\r\n1,\t\"b\":\"x\"\n}",
            #"{"a": 1, "b": "x"}"#, #"{"a":1,"b":"x"}"#,
        ]
        #expect(Self.copies(spaced) == [String](repeating: #"{"a":1,"b":"x"}"#, count: spaced.count))
    }

    @Test(arguments: [
        "1x", "01", "1.", "-", "1e", "tru", "truex", "nul", "falsy", #""a"b"#, "1 2", "+1", "\"a\tb\"", #""\q""#, "",
    ])
    func `a fault in a value is found behind a familiar key`(_ value: String) {
        let good = #"{"event":"E","properties":{"token":"aaaa","a":1,"b":"x"}}"#
        let bad = #"{"event":"E","properties":{"token":"aaaa","a":\#(value),"b":"x"}}"#
        let decoded = track("[\(good),\(good),\(bad),\(good)]")
        #expect(decoded.result.rejections.map(\.index) == [2])
        #expect(decoded.lines == [String](repeating: #"E {"a":1,"b":"x"}"#, count: 3))
    }

    @Test func `the limits of a record hold behind familiar keys`() {
        var limits = WireLimits()
        limits.properties = 4
        limits.textScalars = 3
        let objects = [
            #"{"a":1,"b":2}"#, #"{"a":1,"b":2,"c":3}"#, #"{"a":1,"b":2,"c":3,"d":4}"#, #"{"a":1,"b":2}"#,
            #"{"a":1,"b":"1234"}"#, #"{"a":1,"b":"éééé"}"#, #"{"a":1,"b":"éé"}"#,
        ]
        let tooMany = "'properties' is invalid: must have fewer than 4 keys"
        #expect(
            Self.copies(objects, limits: limits) == [
                #"{"a":1,"b":2}"#, #"{"a":1,"b":2}"#, #"{"a":1,"b":"123"}"#, #"{"a":1,"b":"ééé"}"#,
                #"{"a":1,"b":"éé"}"#, "1: \(tooMany)", "2: \(tooMany)",
            ])
    }

    @Test func `more keys than are remembered are read alike`() {
        var limits = WireLimits()
        limits.properties = 1000
        let object = "{" + (0..<600).map { #""key \#($0)":\#($0)"# }.joined(separator: ",") + "}"
        let repeated = object.dropLast() + #","key 3":"last"}"#
        let objects = [object, object, String(repeated), object]
        let expected = String(repeated).replacing(#""key 3":3,"#, with: "")
        #expect(Self.copies(objects, limits: limits) == [object, object, expected, object])
    }

    @Test func `what stands at a field's place is that record's own`() {
        let records = [
            event(#""distinct_id":"a","$insert_id":"i1","x":1"#), event(#""distinct_id":7,"$insert_id":"i2","x":1"#),
            event(#""distinct_id":"a\/b","$insert_id":"i3","x":1"#), event(#""distinct_id":null,"x":1"#),
            event(#""distinct_id":"a","$insert_id":"i1","x":1,"distinct_id":"c""#), event(#""x":1"#),
        ]
        #expect(
            track("[" + records.joined(separator: ",") + "]").lines == [
                #"View sent=a insert=i1 {"x":1}"#, #"View sent=7 insert=i2 {"x":1}"#,
                #"View sent=a/b insert=i3 {"x":1}"#, #"View {"x":1}"#, #"View sent=c insert=i1 {"x":1}"#,
                #"View {"x":1}"#,
            ])
    }

    @Test func `a Simplified project's ids are replaced behind familiar keys`() {
        let records = ["d1", "d2"].map {
            #"{"event":"E","properties":{"token":"bbbb","a":1,"$device_id":"\#($0)","$user_id":"u","b":2}}"#
        }
        #expect(
            track("[" + records.joined(separator: ",") + "]").lines
                == ["d1", "d2"].map {
                    #"E sent=u device(u, $device:\#($0)) {"a":1,"b":2,"$device_id":"\#($0)","$user_id":"u"}"#
                })
    }

    @Test func `the ids of a merge are read again however they are spelt`() {
        let records = [#"["a\/b","c"]"#, #"["a","\u0063"]"#, #"["a","c"]"#].map {
            #"{"event":"$merge","properties":{"a":"x","$distinct_ids":\#($0),"b":"\n"}}"#
        }
        let decoded = importing("[" + records.joined(separator: ",") + "]")
        #expect(
            decoded.batch.events.map { [decoded.text($0.primaryID), decoded.text($0.secondaryID)] } == [
                ["a/b", "c"], ["a", "c"], ["a", "c"],
            ])
    }

    @Test func `nothing is remembered from one body to the next`() {
        let decoder = EventDecoder()
        let bodies = ["one", "two", "uno"].map { key in
            (0..<3).map { event(#""\#(key)":\#($0),"\#(key)s":"x""#) }.joined(separator: "\n")
        }
        for (key, body) in zip(["one", "two", "uno", "one"], bodies + [bodies[0]]) {
            var batch = EventBatch(
                origin: EventBatch.Origin(endpoint: .track, principal: "test"), receivedMilliseconds: now)
            let result = decoder.decode(
                Payload(json: Array(body.utf8), isLines: true), into: &batch, projects: Project.byToken, strict: false,
                nowMilliseconds: now)
            let lines = (0..<3).map { #"View {"\#(key)":\#($0),"\#(key)s":"x"}"# }
            #expect(Decoded(result: result, batch: batch).lines == lines)
        }
    }
}
