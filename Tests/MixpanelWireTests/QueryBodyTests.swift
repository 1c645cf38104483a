import IdentityEngine
import MixpanelWire
import Testing

@Suite struct `Query body` {
    struct Case: CustomTestStringConvertible {
        let body: String
        var contentType: String?
        /// The values of `a`, `b` and `c`.
        let values: [String?]

        var testDescription: String { "\(contentType ?? "untyped"): \(body)" }
    }

    private static let form = "application/x-www-form-urlencoded"
    private static let json = "application/json; charset=utf-8"

    static let cases = [
        Case(body: "", values: [nil, nil, nil]),
        Case(body: "a=1&b=x%20y+z&a=2", contentType: form, values: ["1", "x y z", nil]),
        Case(body: "a=%5B1%5D", values: ["[1]", nil, nil]),
        Case(body: "a=1&b", contentType: "text/plain", values: ["1", "", nil]),
        Case(body: #"{"a":"x","b":12345678901234567890,"c":true}"#, values: ["x", "12345678901234567890", "true"]),
        Case(
            body: #" { "a" : [ 1 , "two" ] , "b" : { "c" : [ ] } , "c" : null } "#, contentType: json,
            values: [#"[1,"two"]"#, #"{"c":[]}"#, nil]),
        Case(
            body: #"{"a":"q\"\\\/\n\u00e9\ud83d\ude00\ud83d","b":"é","\u0063":""}"#, contentType: form,
            values: ["q\"\\/\né😀\u{FFFD}", "é", ""]),
        Case(body: #"{"a":1,"a":2,"b":-1.50e3}"#, values: ["2", "-1.50e3", nil]),
        Case(body: "\u{FEFF}{}", contentType: json, values: [nil, nil, nil]),
    ]

    @Test(arguments: cases)
    func `options are a form's pairs, or an object's members`(_ one: Case) throws {
        let request = WireRequest(method: .post, contentType: one.contentType, body: Array(one.body.utf8))
        let body = try QueryBody(request)
        let values = ["a", "b", "c"].map { body.first($0).map { String(decoding: $0, as: UTF8.self) } }
        #expect(values == one.values)
    }

    @Test(arguments: [
        "[]", "{", "{]", "null", #"{"a":1}{"b":2}"#, #"{"a":1,}"#, #"{"a" 1}"#, #"{"a":tru}"#, #"{a:1}"#,
        #"{"a":"\x"}"#,
        "{\"a\":\"\u{1}\"}", #"{"a":01}"#,
    ])
    func `what says that it is JSON must be one object`(_ text: String) {
        let request = WireRequest(method: .post, contentType: "application/json", body: Array(text.utf8))
        #expect(throws: PayloadError.unreadable("the body must be a form or one JSON object")) {
            try QueryBody(request)
        }
    }

    @Test func `an object has at most 256 options`() throws {
        func body(_ count: Int) throws {
            let text = "{" + (0..<count).map { "\"o\($0)\":1" }.joined(separator: ",") + "}"
            _ = try QueryBody(WireRequest(method: .post, body: Array(text.utf8)))
        }
        try body(256)
        #expect(throws: PayloadError.self) { try body(257) }
    }

    @Test func `an array of ids is read as it is, numbers as their text`() throws {
        let text = #" [ "a" , 12345678901234567890, "\u00e9", "" ] "#
        let ids = try IdentityQuery.distinctIDs(fromJSONArray: Array(text.utf8), limit: 4)
        #expect(ids.map(\.description) == ["a", "12345678901234567890", "é", ""])
        let none = try IdentityQuery.distinctIDs(fromJSONArray: Array("[]".utf8), limit: 0)
        #expect(none.isEmpty)
    }

    struct Wrong: CustomTestStringConvertible {
        let text: String
        let failure: IdentityQuery.Failure

        var testDescription: String { text }
    }

    static let wrong = [
        Wrong(text: "", failure: .missing), Wrong(text: "a", failure: .missing), Wrong(text: "1", failure: .missing),
        Wrong(text: #"{"distinct_ids":["a"]}"#, failure: .missing), Wrong(text: #"["a""#, failure: .missing),
        Wrong(text: #"["a"]["b"]"#, failure: .missing), Wrong(text: #"["a",]"#, failure: .missing),
        Wrong(text: #"["a",null]"#, failure: .notAnID(index: 1)),
        Wrong(text: #"["a","b","c","d"]"#, failure: .tooMany(limit: 3)),
    ]

    @Test(arguments: wrong)
    func `what is no array of ids is refused`(_ one: Wrong) {
        #expect(throws: one.failure) {
            try IdentityQuery.distinctIDs(fromJSONArray: Array(one.text.utf8), limit: 3)
        }
    }
}
