import IdentityEngine
import MixpanelWire
import Testing

struct RecordCheckTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var record: String
        var field: String
        var message: String
        var testDescription: String { record }

        init(_ record: String, _ field: String, _ message: String) {
            self.record = record
            self.field = field
            self.message = message
        }
    }

    private static let good = #""time":1699999999,"distinct_id":"u","$insert_id":"i-1""#
    private static func view(_ properties: String) -> String { #"{"event":"View","properties":{\#(properties)}}"# }

    @Test(arguments: [
        Case("7", "", "record must be a JSON object"),
        Case(#"["event"]"#, "", "record must be a JSON object"),
        Case("{}", "event", "'event' must not be missing or blank"),
        Case(#"{"event":"","properties":{}}"#, "event", "'event' must not be missing or blank"),
        Case(#"{"event":" \t","properties":{}}"#, "event", "'event' must not be missing or blank"),
        Case(#"{"event":7,"properties":{}}"#, "event", "'event' must not be missing or blank"),
        Case(#"{"event":"","properties":7}"#, "event", "'event' must not be missing or blank"),
        Case(#"{"event":"View"}"#, "properties", "'properties' is invalid: must be an object"),
        Case(#"{"event":"View","properties":[]}"#, "properties", "'properties' is invalid: must be an object"),
        Case(view(""), "properties.time", "'properties.time' is invalid: must not be missing"),
        Case(view(#""time":null"#), "properties.time", "'properties.time' is invalid: must not be missing"),
        Case(
            view(#""time":"2023-11-14""#), "properties.time",
            "'properties.time' is invalid: must be specified as seconds since epoch"),
        Case(view(#""time":1700007200"#), "properties.time", "'properties.time' is invalid: must not be in the future"),
        Case(
            view(#""time":31535999"#), "properties.time",
            "'properties.time' is invalid: must not be before 1971-01-01"),
        Case(view(#""time":-5"#), "properties.time", "'properties.time' is invalid: must not be before 1971-01-01"),
        Case(
            view(#""time":1699999999"#), "properties.distinct_id",
            "'properties.distinct_id' is invalid: must not be missing"),
        Case(
            view(#""time":1699999999,"distinct_id":"Undefined""#), "properties.distinct_id",
            "'properties.distinct_id' is invalid: must not be one of the disallowed values"),
        Case(
            view(#""time":1699999999,"distinct_id":{}"#), "properties.distinct_id",
            "'properties.distinct_id' is invalid: must be a string"),
        Case(
            view(#""time":1699999999,"distinct_id":"\ud800""#), "properties.distinct_id",
            "properties.distinct_id is invalid: string should be valid utf8"),
        Case(
            view(#""time":1699999999,"distinct_id":"u""#), "$insert_id",
            "'$insert_id' is invalid: must not be missing"),
        Case(
            view(#""time":1699999999,"distinct_id":"u","$insert_id":"a:b""#), "$insert_id",
            "'$insert_id' is invalid: must only contain alphanumeric or hyphen '-' characters"),
        Case(
            view(#""time":1699999999,"distinct_id":"u","$insert_id":"\#(String(repeating: "a", count: 37))""#),
            "$insert_id", "'$insert_id' is invalid: must be at most 36 bytes"),
        Case(
            view(#""time":1699999999,"distinct_id":"u","$insert_id":"NULL""#), "$insert_id",
            "'$insert_id' is invalid: must not be one of the disallowed values"),
        Case(
            #"{"event":"\#(String(repeating: "e", count: 256))","properties":{\#(good)}}"#, "event",
            "'event' is invalid: must be at most 255 bytes"),
        Case(
            view(good + #","a":[[[[1]]]]"#), "properties.a",
            "properties.a is invalid: must not be nested deeper than 3 levels"),
        Case(view(good + #","a":tru"#), "", "record is not valid JSON"),
    ])
    func `a strict import names the first fault of a record`(_ row: Case) {
        let decoded = importing("[\(row.record)]")
        #expect(decoded.rejections == ["0 \(row.field): \(row.message)"])
        #expect(decoded.result.validCount == 0)
        #expect(decoded.batch.events.isEmpty)
    }

    @Test func `a strict import accepts a record that has everything`() {
        let decoded = importing("[\(Self.view(Self.good))]")
        #expect(decoded.lines == ["View sent=u insert=i-1 time=1699999999000 {}"])
        #expect(decoded.rejections.isEmpty)
    }

    @Test func `a strict import accepts an event of nobody`() {
        let decoded = importing("[\(Self.view(#""time":1699999999,"distinct_id":"","$insert_id":"i""#))]")
        #expect(decoded.lines == ["View insert=i time=1699999999000 {}"])
    }

    @Test(arguments: [
        Case(#"{"properties":{"token":"aaaa"}}"#, "event", "event, missing"),
        Case(#"{"event":"View","properties":{}}"#, "properties.token", "token, missing or empty"),
        Case(#"{"event":"View","properties":{"token":" "}}"#, "properties.token", "token, missing or empty"),
        Case(#"{"event":"View","properties":{"token":null}}"#, "properties.token", "token, missing or empty"),
        Case(
            #"{"event":"$merge","properties":{"token":"aaaa","$distinct_ids":["a","b"]}}"#, "event",
            "$merge is only accepted through /import"),
    ])
    func `track refuses what is structurally wrong`(_ row: Case) {
        let decoded = track(row.record)
        #expect(decoded.result.rejections.map(\.plainText) == [row.message])
        #expect(decoded.result.rejections.map(\.field) == [row.field])
    }

    @Test func `track repairs what a strict import refuses`() {
        let decoded = track(event(#""time":"yesterday","distinct_id":null,"$insert_id":"a:b","x":1"#))
        #expect(decoded.lines == [#"View insert=a:b {"x":1}"#])
    }

    @Test func `an empty record on import is no payload`() {
        let decoded = importing("[{}]", strict: false)
        #expect(decoded.result.rejections.map(\.plainText) == ["data, missing or empty"])
        #expect(track("[{}]").result.rejections.map(\.plainText) == ["event, missing"])
    }

    @Test func `a record of an unknown token is valid and dropped`() {
        let decoded = track(#"[{"event":"a","properties":{"token":"bogus"}},\#(event(""))]"#)
        #expect(decoded.result.validCount == 2)
        #expect(decoded.result.unknownTokenRecords == 1)
        #expect(decoded.result.unknownTokens == ["bogus": 1])
        #expect(decoded.lines == ["View {}"])
    }

    @Test func `an event to be ignored is valid and dropped`() {
        let decoded = track(event(#""$ignore":false"#))
        #expect(decoded.result.validCount == 1)
        #expect(decoded.batch.events.isEmpty)
    }

    @Test func `a record without properties has nothing of the record before it`() {
        let decoded = importing(
            #"[{"event":"a","properties":{"$insert_id":"i","token":"t","distinct_id":"u"}},{"event":"b"},7]"#)
        #expect(decoded.result.rejections.map(\.insertID) == [Array("i".utf8), [], []])
    }

    @Test func `the insert id of a refused record is told`() {
        let decoded = importing(#"[{"event":"","properties":{"$insert_id":"a:b"}}]"#)
        #expect(decoded.result.rejections.map(\.insertID) == [Array("a:b".utf8)])
    }

    @Test(arguments: [
        (#""""#, ""), (#""none""#, "none"), (#""N/A""#, "N/A"), (#""[]""#, "[]"), ("0", "0"), (#"" \t""#, " \t"),
        (#""\u2003""#, "\u{2003}"),
        ("\"" + String(repeating: " ", count: 2000) + "\"", String(repeating: " ", count: 2000)),
        ("true", ""), ("null", ""), ("{}", ""), (#"["a"]"#, ""),
    ])
    func `an event with a blank or reserved insert id never deduplicates`(_ source: String, _ kept: String) {
        let decoded = track(event(#""$insert_id":\#(source)"#))
        #expect(decoded.batch.events.map { decoded.text($0.insertID) } == [kept])
        #expect(decoded.batch.events.map(\.isDeduplicated) == [false])
    }

    @Test(arguments: [
        (#""a:b""#, "a:b"), ("12.50", "12.5"), (#""é x""#, "é x"), (#""guest""#, "guest"),
        ("\"" + String(repeating: "a", count: 37) + "\"", String(repeating: "a", count: 37)),
        ("\"" + String(repeating: "a", count: 1024) + "\"", String(repeating: "a", count: 1024)),
        ("\"" + String(repeating: "é", count: 9000) + "\"", String(repeating: "é", count: 9000)),
        ("\"" + String(repeating: "\\u00e9\\n", count: 900) + "\"", String(repeating: "é\n", count: 900)),
        (String(repeating: "7", count: 2000), String(repeating: "7", count: 2000)),
    ])
    func `an event with an insert id that is too long or has other characters deduplicates by it`(
        _ source: String, _ kept: String
    ) {
        let record = event(#""$insert_id":\#(source)"#)
        for decoded in [track(record), importing(record, strict: false)] {
            #expect(decoded.batch.events.map { decoded.text($0.insertID) } == [kept])
            #expect(decoded.batch.events.map(\.isDeduplicated) == [true])
            #expect(decoded.properties == "{}")
        }
    }

    @Test func `the insert id of a rejection is cut between characters`() {
        for count in [128, 600] {
            let id = String(repeating: "é", count: count)
            let decoded = importing(#"[{"event":"","properties":{"$insert_id":"\#(id)"}}]"#)
            #expect(decoded.result.rejections.map(\.insertID) == [Array(String(repeating: "é", count: 127).utf8)])
        }
    }

    @Test func `a strict import takes letters, digits and hyphens, at every place of an insert id`() {
        for byte in UInt8(0x20)..<0x7F where byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") {
            let letter = String(decoding: [byte], as: UTF8.self)
            let isPlain = letter.allSatisfy { $0.isLetter || $0.isNumber || $0 == "-" }
            for place in [0, 7, 16, 35] {
                let id = String(repeating: "a", count: place) + letter + String(repeating: "Z", count: 35 - place)
                let decoded = importing(event(#""$insert_id":"\#(id)","time":1699999999,"distinct_id":"u""#))
                #expect(decoded.rejections.isEmpty == isPlain, "\(id)")
            }
        }
        #expect(importing(event(#""$insert_id":"é","time":1699999999,"distinct_id":"u""#)).rejections.count == 1)
    }
}
