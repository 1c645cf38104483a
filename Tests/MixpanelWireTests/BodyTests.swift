import IdentityEngine
import MixpanelWire
import Testing

struct BodyTests {
    private static let good = event("", name: "Good")

    @Test(arguments: [
        #"{"event":"x","properties":{"token":"aaaa","a":tru}}"#,
        #"{"event":"x","properties":{"token":"aaaa","a":NaN}}"#,
        #"{"event":"x","properties":{"token":"aaaa","a":01}}"#, #"{"event":"x","properties":{"token":"aaaa","a":1.}}"#,
        #"{"event":"x","properties":{"token":"aaaa","a":.5}}"#, #"{"event":"x","properties":{"token":"aaaa","a":1e}}"#,
        #"{"event":"x","properties":{"token":"aaaa","a":+1}}"#, #"{"event":"x","properties":{"token":"aaaa","a":-}}"#,
        #"{"event":"x","properties":{"token":"aaaa","a":1 2}}"#,
        #"{"event":"x","properties":{"token":"aaaa","a":"b"c}}"#,
        #"{"event":"x","properties":{"token":"aaaa","a":1"b"}}"#,
        #"{"event":"x","properties":{"token":"aaaa","a":truex}}"#,
        #"{"event":"x","properties":{"token":"aaaa","a" 1}}"#, #"{"event":"x","properties":{"token":"aaaa","a"::1}}"#,
        #"{"event":"x","properties":{"token":"aaaa",}}"#, #"{"event":"x","properties":{"token":"aaaa","a":[1,]}}"#,
        #"{"event":"x","properties":{"token":"aaaa",,"a":1}}"#, #"{"event":"x","properties":{"token":"aaaa"},}"#,
        #"{"event":"x","properties":{"token":"aaaa",a:1}}"#, #"{"event":"x","properties":{"token":"aaaa",1:1}}"#,
        #"{"event":"x","properties":{"token":"aaaa","a":"\q"}}"#,
        #"{"event":"x","properties":{"token":"aaaa","a":"\u12g4"}}"#,
        #"{"event":"x","properties":{"token":"aaaa","a":"\u123"}}"#,
        #"{"event":"x","properties":{"token":"aaaa","a":[1 2]}}"#,
        "{\"event\":\"x\",\"properties\":{\"token\":\"aaaa\",\"a\":\"\u{1}\"}}",
        "{\"event\":\"x\",\"properties\":{\"token\":\"aaaa\",\"a\u{0}\":1}}",
        "{\"event\":\"x\",\"properties\":{\"token\":\"aaaa\",\"a\":\"line\nbreak\"}}",
        #"{"event":"x" "properties":{"token":"aaaa"}}"#, #"{"event":"x","properties":{"token":"aaaa"}} 7"#,
        #"{"event":"x","properties":{"token":"aaaa"}}{"event":"y"}"#,
        #"{"event":"x","properties":{"token":"aaaa","a":{]}}}"#,
        #"{"event":"x","properties":{"token":"aaaa","a":'b'}}"#,
        #"{"event":"x","properties":{"token":"aaaa","a":/**/1}}"#,
        "", "x", "7", "null", #""event""#, "[]", #"[[{"a":1}],{}]"#,
        String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000),
        #"{"event":"x","a":\#(String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000))}"#,
    ])
    func `one bad record never costs its neighbours`(_ bad: String) {
        let decoded = track("[\(Self.good),\(bad),\(Self.good)]")
        #expect(decoded.result.failure == nil)
        #expect(decoded.result.rejections.map(\.index) == [1])
        #expect(decoded.result.recordCount == 3)
        #expect(decoded.lines == ["Good {}", "Good {}"])
    }

    @Test(arguments: [
        #"{"event":"x","properties":{"token":"aaaa","a":"open}}"#, #"{"event":"x""#, "}", "]", "garbage", #"""#, "[1]",
        "7",
        #"{"event":"x","properties":{"token":"aaaa"}}{"event":"y"}"#, #"{"event":"x\"#, "{\"a\":\"tab\tin\"}",
    ])
    func `one bad line never costs its neighbours`(_ bad: String) {
        let decoded = track("\(Self.good)\n\(bad)\r\n\n \(Self.good)\n", isLines: true)
        #expect(decoded.result.failure == nil)
        #expect(decoded.result.rejections.map(\.index) == [1])
        #expect(decoded.lines == ["Good {}", "Good {}"])
    }

    @Test func `objects may follow one another without a word about lines`() {
        #expect(track("\(Self.good)\n\(Self.good)\n").batch.events.count == 2)
        #expect(track("\(Self.good) \(Self.good)").batch.events.count == 2)
        #expect(
            track("{\"event\":\n\"a\",\"properties\":\n{\"token\":\"aaaa\"}\n}\n\(Self.good)").batch.events.count == 2)
        let broken = track("\(Self.good)\n{\"event\":\"open\n\(Self.good)")
        #expect(broken.result.rejections.map(\.index) == [1])
        #expect(broken.batch.events.count == 2)
    }

    @Test(arguments: ["", " \n", "[]", " [ ] ", "null", "7", "true", #""x""#, "\u{FEFF}"])
    func `a payload without records is empty`(_ json: String) {
        let decoded = track(json)
        #expect(decoded.result.failure == .empty)
        #expect(decoded.result.recordCount == 0)
    }

    @Test(arguments: ["\"", "1"])
    func `a payload of one long scalar is empty, and stays within its buffer`(_ end: String) {
        let decoded = track(end + String(repeating: "1", count: 5_000_000) + end)
        #expect(decoded.result.failure == .empty)
        #expect(decoded.batch.bytes == Array("before".utf8))
    }

    @Test(arguments: [
        "nonsense", "[", "[1", "{", "[{}", #"[{"event":"a"}"#, "[{}]]", "[{}] x", "{\"event\":\"x", "[]]", "[]1", "7 8",
        "tru",
        String(repeating: "[", count: 100_000), String(repeating: "{\"a\":", count: 100_000),
    ])
    func `a body whose records cannot be told apart is unreadable`(_ json: String) {
        let decoded = track(json)
        #expect(decoded.result.failure == .unreadable("payload is not valid JSON"))
        #expect(decoded.batch.events.isEmpty)
        #expect(decoded.batch.bytes == Array("before".utf8))
    }

    @Test func `a byte that is no UTF-8 costs its own record alone, wherever it stands in it`() {
        let text = Array("[\(Self.good),\(Self.good)]".utf8)
        for position in 2..<Self.good.utf8.count where !"\"{}".utf8.contains(text[position]) {
            var bytes = text
            bytes[position] = 0xFF
            let decoded = decode(bytes, .track, Project.byToken)
            #expect(decoded.lines == ["Good {}"], "\(position)")
            #expect(decoded.result.rejections.map(\.index) == [0], "\(position)")
        }
    }

    @Test func `nesting of any depth is one bad record`() {
        let deep = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
        let decoded = track(
            "[\(Self.good),{\"event\":\"a\",\"properties\":{\"token\":\"aaaa\",\"x\":\(deep)}},\(Self.good)]")
        #expect(
            decoded.result.rejections.map(\.message) == [
                "properties.x is invalid: must not be nested deeper than 64 levels"
            ])
        #expect(decoded.batch.events.count == 2)
        #expect(track(deep).result.rejections.map(\.message) == ["record must be a JSON object"])
    }

    @Test func `a byte order mark is skipped`() {
        #expect(track("\u{FEFF}[\(Self.good)]").batch.events.count == 1)
    }

    @Test(arguments: [
        #"{"event":\"x"}"#, #"{"event":\"x\"}"#, #"{\"event":1}"#, #"{"event":tru\"e}"#, #"\"#, #"{"e":1,\}"#,
    ])
    func `a backslash outside a string is a fault of its record`(_ bad: String) {
        let decoded = track("[\(Self.good),\(bad),\(Self.good),\(bad),\(Self.good)]")
        #expect(decoded.result.rejections.map(\.index) == [1, 3])
        #expect(decoded.lines == ["Good {}", "Good {}", "Good {}"])
    }

    @Test func `an event knows the place of its record`() {
        let ignored = event(#""$ignore":true"#)
        let records = ["7", Self.good, "{}", ignored, Self.good, event("").replacing("aaaa", with: "zzzz"), Self.good]
        for body in ["[" + records.joined(separator: ",") + "]", records.joined(separator: "\n")] {
            let decoded = track(body, isLines: !body.hasPrefix("["))
            #expect(decoded.batch.events.map(\.recordIndex) == [1, 4, 6])
        }
    }

    @Test func `a batch keeps what it held`() {
        var batch = EventBatch(
            origin: EventBatch.Origin(endpoint: .track, principal: "test"), receivedMilliseconds: now)
        let decoder = EventDecoder()
        for _ in 0..<3 {
            _ = decoder.decode(
                Payload(json: Array(event(#""distinct_id":"u","a":1"#).utf8)), into: &batch, projects: Project.byToken,
                strict: false, nowMilliseconds: now)
        }
        let decoded = Decoded(result: DecodeResult(), batch: batch)
        #expect(decoded.lines == [String](repeating: #"View sent=u {"a":1}"#, count: 3))
    }

    @Test func `a large body after a small one, and a small one after it, are read alike`() {
        let decoder = EventDecoder()
        for count in [1, 9000, 1, 9000, 2] {
            var limits = WireLimits()
            limits.recordsPerRequest = 10_000
            var batch = EventBatch(
                origin: EventBatch.Origin(endpoint: .track, principal: "test"), receivedMilliseconds: now)
            let filler = #""distinct_id":"u","a":"\#(String(repeating: "x", count: 200))""#
            let body = "[" + [String](repeating: event(filler), count: count).joined(separator: ",") + "]"
            let result = decoder.decode(
                Payload(json: Array(body.utf8)), into: &batch, projects: Project.byToken, strict: false,
                nowMilliseconds: now, limits: limits)
            #expect(result.validCount == count)
            #expect(batch.events.count == count)
        }
    }
}
