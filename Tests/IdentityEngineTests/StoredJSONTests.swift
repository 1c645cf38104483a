import IdentityEngine
import Testing

@Suite struct `Stored JSON` {
    @Test(arguments: [
        "{}", #"{"a":1}"#, #"{"a":-1.5e+3,"b":[],"c":{},"d":[1,"x",null,true,false]}"#,
        #"{"":{"a":[[{"b":"\u00e9\\"}]]}}"#,
        #"{"é":"\ud83c"}"#,
    ]) func `an object is one`(_ text: String) {
        #expect(StoredJSON.isObject(Array(text.utf8)))
    }

    @Test(arguments: [
        "", "{", "}", "[]", "1", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{"a":1}}"#, #"{"a":1}x"#, #"{"a":[1}"#,
        #"{"a":tru}"#,
        #"{"a":"}"#, #"{"a":"\q"}"#, #"{"a":"\u12g4"}"#, #"{"a":1"b":2}"#, #"{a:1}"#, #"{"a":1]}"#,
    ]) func `anything else is none`(_ text: String) {
        #expect(!StoredJSON.isObject(Array(text.utf8)))
    }

    @Test func `bytes that are no text are none, and depth has no end`() {
        #expect(!StoredJSON.isObject(Array(#"{"a":""#.utf8) + [0xFF] + Array(#""}"#.utf8)))
        #expect(!StoredJSON.isObject(Array("{\"a\":\"\n\"}".utf8)))
        let depth = 100_000
        let nested = Array(#"{"a":"#.utf8) + Array(repeating: 0x5B, count: depth) + Array(repeating: 0x5D, count: depth)
        #expect(StoredJSON.isObject(nested + [0x7D]))
        #expect(!StoredJSON.isObject(nested))
    }

    @Test func `a name is text though a lone surrogate stands in it`() {
        for text in ["", "plain", "é\u{FFFF}🌳\u{10FFFF}"] { #expect(StoredJSON.isText(Array(text.utf8))) }
        #expect(StoredJSON.isText([0x61, 0xED, 0xA0, 0xBC, 0x62]))
        let broken: [[UInt8]] = [
            [0xFF], [0xC1, 0x80], [0xE0, 0x9F, 0x80], [0xE1, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xC2, 0x41], [0x80],
            [0xF0, 0x8F, 0x80, 0x80], [0xE1, 0x80, 0xC0],
        ]
        for bytes in broken { #expect(!StoredJSON.isText(bytes)) }
    }
}
