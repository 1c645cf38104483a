import IdentityEngine
import MixpanelWire
import Testing

struct LimitTests {
    private func pairs(_ count: Int) -> String { (0..<count).map { #""k\#($0)":1"# }.joined(separator: ",") }
    private func elements(_ count: Int) -> String { (0..<count).map(String.init).joined(separator: ",") }

    @Test func `254 properties are accepted and 255 are not`() {
        #expect(track(event(pairs(253))).rejections.isEmpty)
        #expect(
            track(event(pairs(254))).rejections == [
                "0 properties: 'properties' is invalid: must have fewer than 255 keys"
            ])
    }

    @Test func `254 keys of a nested object are accepted and 255 are not`() {
        #expect(track(event(#""a":{\#(pairs(254))}"#)).rejections.isEmpty)
        #expect(
            track(event(#""a":[{\#(pairs(255))}]"#)).rejections == [
                "0 properties.a: properties.a is invalid: must have fewer than 255 keys"
            ])
    }

    @Test func `254 elements of an array are accepted and 255 are not`() {
        #expect(track(event(#""a":[\#(elements(254))]"#)).rejections.isEmpty)
        #expect(
            track(event(#""a":[\#(elements(255))]"#)).rejections == [
                "0 properties.a: properties.a is invalid: must have fewer than 255 elements"
            ])
    }

    @Test(arguments: [
        (#"{"b":[{}]}"#, true), (#"[[[]]]"#, true), (#"[[[[]]]]"#, false), (#"{"b":{"c":{"d":{}}}}"#, false),
        (#"[1,[2,[3,[4]]],5]"#, false),
    ])
    func `a strict import takes three nested containers and not four, others do`(_ value: String, _ isAccepted: Bool) {
        let properties = #""time":1699999999,"distinct_id":"u","$insert_id":"i","a":"#
        let body = "[\(event(properties + value)),\(event(properties + "1"))]"
        let strict = importing(body)
        #expect(strict.result.validCount == (isAccepted ? 2 : 1))
        #expect(strict.batch.events.count == (isAccepted ? 2 : 1))
        #expect(importing(body, strict: false).rejections.isEmpty)
        #expect(track(event(#""a":\#(value)"#)).properties == #"{"a":\#(value)}"#)
    }

    @Test(arguments: [("[", "]"), (#"{"a":"#, "}"), (#"[{"a":"#, "}]")])
    func `64 nested containers are accepted elsewhere and 65 are not`(_ opening: String, _ closing: String) {
        let depth = opening.hasPrefix("[{") ? 32 : 64
        let deepest = String(repeating: opening, count: depth) + "1" + String(repeating: closing, count: depth)
        #expect(track(event(#""p":\#(deepest)"#)).properties == #"{"p":\#(deepest)}"#)
        #expect(
            track("[\(event(#""p":[\#(deepest)]"#)),\(event(""))]").rejections == [
                "0 properties.p: properties.p is invalid: must not be nested deeper than 64 levels"
            ])
        #expect(updating(update(#""$set":{"p":\#(deepest)}"#)).updateLines == [#"1001 u1 set{"p":\#(deepest)}"#])
    }

    @Test func `every container of the deepest may have its 254 keys`() {
        var deep = "{\(pairs(254))}"
        for _ in 0..<63 { deep = "{\(pairs(253)),\"z\":\(deep)}" }
        #expect(track(event(#""p":\#(deep)"#)).properties == #"{"p":\#(deep)}"#)
    }

    @Test func `an event of a mebibyte is too large`() {
        let frame = event(#""a":"""#).utf8.count
        let largest = event(#""a":"\#(String(repeating: "x", count: 1_048_575 - frame))""#)
        #expect(track(largest).rejections.isEmpty)
        let tooLarge = event(#""a":"\#(String(repeating: "x", count: 1_048_576 - frame))""#)
        #expect(
            track("[\(tooLarge),\(event(""))]").rejections == [
                "0 : record is invalid: must be smaller than 1048576 bytes"
            ])
    }

    @Test func `a limit that is set out of bounds is brought back into them`() {
        var limits = WireLimits()
        (limits.properties, limits.nestedKeys, limits.nestingDepth) = (0, -1, 1000)
        let deep = String(repeating: "[", count: 200) + String(repeating: "]", count: 200)
        #expect(track(event(#""a":{"b":1,"c":\#(deep)},"d":1"#), limits: limits).result.rejections.count == 1)
        (limits.properties, limits.nestedKeys, limits.nestingDepth) = (9, 9, 0)
        #expect(track(event(#""a":{"b":1}"#), limits: limits).rejections.isEmpty)
    }

    @Test func `2000 records are accepted and 2001 are not`() {
        let records = [String](repeating: event(""), count: 2000)
        #expect(track("[\(records.joined(separator: ","))]").batch.events.count == 2000)
        let decoded = track("[\((records + [event("")]).joined(separator: ","))]")
        #expect(decoded.result.failure == .tooManyRecords(limit: 2000))
        #expect(decoded.batch.events.isEmpty)
        #expect(decoded.batch.bytes == Array("before".utf8))
    }

    @Test(arguments: [
        (String(repeating: "x", count: 255), String(repeating: "x", count: 255)),
        (String(repeating: "x", count: 256), String(repeating: "x", count: 255)),
        (String(repeating: "é", count: 300), String(repeating: "é", count: 255)),
        (String(repeating: "\\u00e9", count: 300), String(repeating: "é", count: 255)),
        (String(repeating: "\\ud83d\\ude00", count: 300), String(repeating: "😀", count: 255)),
        (String(repeating: "\\n", count: 300), String(repeating: "\\n", count: 255)),
        (String(repeating: "x", count: 254) + "e\u{301}", String(repeating: "x", count: 254) + "e"),
    ])
    func `a property's text is cut to 255 unicode scalars`(_ sent: String, _ kept: String) {
        #expect(track(event(#""a":"\#(sent)""#)).properties.map { Array($0.utf8) } == Array(#"{"a":"\#(kept)"}"#.utf8))
    }

    @Test func `what follows the cut is still checked`() {
        let decoded = track(event(#""a":"\#(String(repeating: "x", count: 300))\q""#))
        #expect(decoded.rejections == ["0 : record is not valid JSON"])
    }

    @Test func `an id is never cut`() {
        let id = String(repeating: "u", count: 1024)
        #expect(track(event(#""distinct_id":"\#(id)""#)).lines == ["View sent=\(id) {}"])
        #expect(
            track(event(#""distinct_id":"\#(id)u""#)).rejections == [
                "0 properties.distinct_id: 'properties.distinct_id' is invalid: must be at most 1024 bytes"
            ])
    }
}
