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

    @Test(.timeLimit(.minutes(1)))
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
        ("verbose=0&verbose=1", .plain), ("Verbose=1", .plain), ("", .plain),
    ])
    func `one answer mode wins over another`(_ query: String, _ mode: RequestOptions.AnswerMode) {
        #expect(RequestOptions(query: QueryItems(Array(query.utf8)), form: nil).answerMode == mode)
    }

    @Test(
        arguments: [
            ("project_id=1001", 1001, "1001", false), ("project_id=x", nil, "x", true),
            ("project_id=-1", nil, "-1", true),
            ("project_id=99999999999999999999", nil, "99999999999999999999", true), ("project_id=", nil, nil, false),
            ("", nil, nil, false),
        ] as [(String, Int64?, String?, Bool)])
    func `a project id is digits`(_ query: String, _ id: Int64?, _ text: String?, _ isInvalid: Bool) {
        let options = RequestOptions(query: QueryItems(Array(query.utf8)), form: nil)
        #expect(options.projectID == id)
        #expect(options.projectIDText == text)
        #expect(options.isProjectIDInvalid == isInvalid)
    }
}
