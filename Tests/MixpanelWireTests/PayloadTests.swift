import IdentityEngine
import MixpanelWire
import Testing

struct PayloadTests {
    private func payload(
        _ body: [UInt8],
        type: String? = "application/json",
        encoding: String? = "gzip",
        limit: Int = 10 * 1024 * 1024
    ) -> Result<Payload, PayloadError> {
        var limits = WireLimits()
        limits.bodyBytes = limit
        let request = WireRequest(method: .post, contentType: type, contentEncoding: encoding, body: body)
        return Payload.decode(request, limits: limits).payload
    }

    private func error(_ result: Result<Payload, PayloadError>) -> PayloadError? {
        if case .failure(let error) = result { return error }
        return nil
    }

    @Test func `gzip members that follow one another are one body`() throws {
        let body = GzipBytes.stored(Array("[1,".utf8)) + GzipBytes.stored([]) + GzipBytes.stored(Array("2]".utf8))
        for encoding in ["gzip", "GZIP", "x-gzip", " gzip "] {
            #expect(try payload(body, encoding: encoding).get().json == Array("[1,2]".utf8))
        }
    }

    @Test func `anything but whole gzip members is refused`() {
        let whole = GzipBytes.stored(Array("[1]".utf8))
        for body in [
            whole + [0], Array(whole.dropLast()), Array(whole.prefix(12)), Array("not gzip".utf8), [0x1F, 0x8B],
        ] {
            #expect(error(payload(body)) == .unreadable("body is not valid gzip"))
        }
        var corrupt = whole
        corrupt[whole.count - 6] ^= 1
        #expect(error(payload(corrupt)) == .unreadable("body is not valid gzip"))
    }

    @Test func `a body may inflate to its limit and not beyond`() throws {
        let body = GzipBytes.stored([UInt8](repeating: 0x20, count: 100_000))
        #expect(try payload(body, limit: 100_000).get().json.count == 100_000)
        #expect(error(payload(body, limit: 99_999)) == .tooLarge(limitBytes: 99_999))
        #expect(
            error(payload([UInt8](repeating: 0x20, count: 100), encoding: nil, limit: 99)) == .tooLarge(limitBytes: 99))
    }

    @Test(.timeLimit(.minutes(10)))
    func `a gzip bomb is left at its limit`() {
        // Five megabytes that would inflate to a gigabyte; without the limit this test would need that much memory.
        let before = peakKilobytes()
        let bomb = GzipBytes.zeros(count: 1 << 30)
        #expect(error(payload(bomb)) == .tooLarge(limitBytes: 10 * 1024 * 1024))
        #expect(peakKilobytes() - before < 300_000)
    }

    @Test func `an encoding that is not gzip is refused`() {
        #expect(
            error(payload(Array("{}".utf8), encoding: "br"))
                == .unreadable("Content-Encoding is not supported: use gzip or none"))
    }

    @Test func `options are there when the payload is not`() {
        let request = WireRequest(
            method: .post, query: Array("verbose=1&strict=0".utf8), contentType: "application/x-www-form-urlencoded",
            body: Array("strict=1&data=%25%25&callback=f.g[0]".utf8))
        let (options, payload) = Payload.decode(request)
        #expect(options.verbose && !options.strict)
        #expect(options.callback == "f.g[0]")
        #expect(error(payload) == .unreadable("payload is neither JSON nor base64"))
    }

    @Test(arguments: [
        ("f", true), ("mixpanel._jsc[123]", true), ("(function(){})", true), ("$._a1.b[0].c", true), ("", false),
        ("1f", false), ("a.", false), ("a[", false), ("a[]", false), ("a[x]", false), ("a[0", false),
        ("alert(1)//", false),
        ("a b", false), ("a;b", false), ("a..b", false), ("(function(){})()", false), ("é", false),
    ])
    func `a callback must be a name`(_ text: String, _ isAccepted: Bool) {
        let query = text.utf8.map { "%" + String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        let options = RequestOptions(query: QueryItems(Array("callback=\(query)".utf8)), form: nil)
        #expect((options.callback == text) == isAccepted)
        #expect(options.answerMode == (isAccepted ? .callback(text, verbose: false) : .plain))
    }

    @Test(arguments: [
        ("strict=1&img=1&callback=f&verbose=1", RequestOptions.AnswerMode.strict),
        ("img=1&callback=f&verbose=1", .image),
        ("callback=f&verbose=1", .callback("f", verbose: true)), ("verbose=true", .verbose), ("verbose=yes", .plain),
        ("verbose=2", .verbose), ("verbose=10", .verbose), ("verbose=0.5", .verbose), ("verbose=00", .plain),
        ("verbose=-1", .plain), ("verbose=nan", .plain), ("verbose=", .plain), ("verbose=0x1", .plain),
        ("img=2", .plain), ("strict=2", .plain), ("strict=2&verbose=2", .verbose),
        ("verbose=0&verbose=1", .plain), ("Verbose=1", .plain), ("", .plain),
    ])
    func `one answer mode wins over another`(_ query: String, _ mode: RequestOptions.AnswerMode) {
        #expect(RequestOptions(query: QueryItems(Array(query.utf8)), form: nil).answerMode == mode)
    }

    @Test(
        arguments: [
            ("project_id=1001", "1001"), ("project_id=x&project_id=2", "x"), ("project_id=", nil), ("", nil),
            ("project_id=" + String(repeating: "9", count: 65), String(repeating: "9", count: 64)),
        ] as [(String, String?)])
    func `a project id is kept as sent`(_ query: String, _ text: String?) {
        #expect(RequestOptions(query: QueryItems(Array(query.utf8)), form: nil).projectIDText == text)
    }

    @Test(
        arguments: [
            "null", "true", "false", "5", "-1.5e3", "1e%2B5", "1234", "%22abc%22", "%20null%20", "%22%22", "bnVsbA==",
            "NQ==", "ImFiYyI=", "W10=", "",
        ], ["form", "query", "text"])
    func `a payload that is a scalar is empty`(_ value: String, _ place: String) {
        let text = Array("verbose=1&data=\(value)".utf8)
        let request =
            place == "query"
            ? WireRequest(query: text)
            : WireRequest(
                method: .post, contentType: place == "form" ? "application/x-www-form-urlencoded" : "text/plain",
                body: text)
        #expect(decode(request).result.failure == .empty)
    }

    @Test(arguments: ["nul", "%22abc", "12-3", "nullx", "5%25"])
    func `a payload that is no scalar either is unreadable`(_ value: String) {
        guard case .unreadable? = decode(WireRequest(query: Array("data=\(value)".utf8))).result.failure else {
            Issue.record("read")
            return
        }
    }

    @Test(arguments: [
        "", " ", "\r\n\t ", "\u{FEFF}", "\u{FEFF}\n",
    ])
    func `what stands before a body does not matter`(_ before: String) {
        let json = event(#""distinct_id":"u&data=2&strict=1&img=1""#)
        for type in [nil, "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"] {
            let bare = decode(WireRequest(method: .post, contentType: type, body: Array((before + json).utf8)))
            #expect(bare.lines == ["View sent=u&data=2&strict=1&img=1 {}"])
            #expect(bare.options.answerMode == .plain)
            let form = Array("\(before)data=\(event(#""distinct_id":"u""#))&verbose=1".utf8)
            let labelled = decode(WireRequest(method: .post, contentType: type, body: form))
            #expect(labelled.lines == ["View sent=u {}"])
            #expect(labelled.options.answerMode == .verbose)
        }
    }

    @Test(arguments: [
        // The cut costs the second line; the whole has both.
        ([event("", name: "A"), event("", name: "B & C")], "&verbose=1", ["A {}", "B & C {}"]),
        ([event("", name: "A & B"), event("", name: "C&D")], "", ["A & B {}", "C&D {}"]),
        // The options spoil the last line of the whole: a tie, and the first reading counts.
        ([event("", name: "A"), "{]"], "&callback=f[0]", ["A {}"]),
        ([event("", name: "A"), "x"], "&verbose=1", ["A {}"]),
    ])
    func `the better reading of a form that an ampersand may have cut counts`(
        _ lines: [String], _ rest: String, _ expected: [String]
    ) {
        let body = "data=" + lines.joined(separator: "\n") + rest
        let decoded = decode(
            WireRequest(method: .post, contentType: "application/x-www-form-urlencoded", body: Array(body.utf8)))
        #expect(decoded.lines == expected)
        #expect(decoded.result.validCount == expected.count)
        #expect(decoded.batch.bytes.starts(with: "before".utf8))
        #expect(DecodeInvariants.violation(decoded.result, decoded.batch) == nil)
    }

    @Test func `the body is no second reading of the query`() {
        let query = Array("data=%7B".utf8)
        let body = Array("data=\(event("", name: "A&B"))".utf8)
        let decoded = decode(
            WireRequest(
                method: .post, query: query, contentType: "application/x-www-form-urlencoded", body: body))
        #expect(decoded.result.failure == .unreadable("payload is not valid JSON"))
    }

    /// Unwraps a request of /track and reads its records.
    private func decode(
        _ request: WireRequest
    ) -> (
        options: RequestOptions, result: DecodeResult, batch: EventBatch, lines: [String]
    ) {
        var batch = EventBatch(
            origin: EventBatch.Origin(endpoint: .track, principal: "test"), receivedMilliseconds: now)
        _ = batch.append("before".utf8)
        let (options, payload) = Payload.decode(request)
        let result: DecodeResult
        switch payload {
        case .success(let payload):
            result = EventDecoder().decode(
                payload, into: &batch, projects: Project.byToken, strict: false, nowMilliseconds: now)
        case .failure(let error): result = DecodeResult(payloadError: error)
        }
        return (options, result, batch, Decoded(result: result, batch: batch).lines)
    }
}
