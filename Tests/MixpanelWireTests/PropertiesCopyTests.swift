import IdentityEngine
import MixpanelWire
import Testing

struct PropertiesCopyTests {
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
        Case(#" "a" : 1 , "b" : [ 1 , { } , [ ] , true , null ] "#, #"{"a":1,"b":[1,{},[],true,null]}"#),
        Case(#""a":{"x":{"y":-0.0e+5}}"#, #"{"a":{"x":{"y":-0.0e+5}}}"#),
        Case(
            #""a":123456789012345678901234567890.12345678901234567890e-400"#,
            #"{"a":123456789012345678901234567890.12345678901234567890e-400}"#),
        Case(
            #""\u0061\/":"\u0041\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t\u001F\u007f""#,
            "{\"a/\":\"Aé😀\\\"\\\\/\\b\\f\\n\\r\\t\\u001f\u{7f}\"}"),
        Case(
            #""a":"\uD800","b":"\udC00x","c":"\ud800\u0041","d":"\ud800\ud83d\ude00""#,
            #"{"a":"\ud800","b":"\udc00x","c":"\ud800A","d":"\ud800😀"}"#),
        Case(#""a":1,"a":2"#, #"{"a":2}"#),
        Case(#""a":1,"b":2,"\u0061":3"#, #"{"b":2,"a":3}"#),
        Case(#""a":{"x":1,"y":2,"x":3,"x":{"z":1,"z":2}},"b":1"#, #"{"a":{"y":2,"x":{"z":2}},"b":1}"#),
        Case(#""a":[{"x":1,"x":2},{"x":1}],"c":0,"a":7"#, #"{"c":0,"a":7}"#),
        Case("\"e\u{301}\":1,\"é\":2", "{\"e\u{301}\":1,\"é\":2}"),
        Case(#""$insert_id":"a:b","x":1"#, #"{"x":1}"#),
        Case(#""$insert_id":"a:b","$insert_id":"ok","x":1"#, #"{"x":1}"#),
        Case(#""$insert_id":"ok","$insert_id":{"a":1}"#, #"{}"#),
        Case(
            """
            "$failure_reason":1,"a":1,"$failure_description":{},"$distinct_id_before_identity":"x",
            "$is_reshuffled":true,"$identity_failure_reason":"x","$import":true,"mp_processing_time_ms":1,
            "$mp_api_endpoint":"x",
            "$mp_api_timestamp_ms":1,"b":2
            """, #"{"a":1,"b":2}"#),
        Case(#""distinct_id":"x","time":5,"token":"aaaa","$import":[1]"#, "{}"),
        Case("", "{}"),
    ])
    func `the copy is minified, normalised and without repeats`(_ row: Case) {
        #expect(track(event(row.sent)).properties.map { Array($0.utf8) } == Array(row.kept.utf8))
    }

    @Test func `the last of two equal keys of a record wins`() {
        let decoded = track(
            #"{"event":"a","properties":{"token":"bogus","x":1},"event":"b","properties":{"token":"aaaa","y":2}}"#)
        #expect(decoded.lines == [#"b {"y":2}"#])
    }

    @Test func `unknown members of a record are checked and left out`() {
        #expect(
            track(#"{"a":[{"b":[]}],"event":"E","properties":{"token":"aaaa","c":1},"d":"x"}"#).lines == [#"E {"c":1}"#]
        )
        #expect(
            track(#"{"a":[tru],"event":"E","properties":{"token":"aaaa"}}"#).rejections == [
                "0 : record is not valid JSON"
            ])
    }

    @Test func `many repeats of a key cost no more than the limit allows`() {
        let repeats = (0..<300).map { #""a":\#($0)"# }.joined(separator: ",")
        #expect(
            track(event(repeats)).rejections == [
                "0 properties: 'properties' is invalid: must have fewer than 255 keys"
            ])
        let fewer = (0..<200).map { #""a":\#($0)"# }.joined(separator: ",")
        #expect(track(event(fewer)).properties == #"{"a":199}"#)
    }

    @Test func `half a surrogate pair in an event's name is kept, in three bytes`() {
        let decoded = track(#"{"event":"a\ud800b","properties":{"token":"aaaa"}}"#)
        #expect(
            decoded.batch.events.map { Array(decoded.batch.bytes[$0.name.range]) } == [[0x61, 0xED, 0xA0, 0x80, 0x62]])
    }
}
