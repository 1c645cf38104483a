import MixpanelWire
import Testing

struct CORSTests {
    private func lines(_ headers: [(name: String, value: String)]) -> [String] {
        headers.map { "\($0.name): \($0.value)" }
    }

    private static let always = [
        "Access-Control-Allow-Origin: https://app.example", "Access-Control-Allow-Credentials: true",
        "Access-Control-Expose-Headers: Retry-After", "Vary: Origin",
    ]

    @Test(arguments: [
        "/track", "/track/", "//track//", "/engage", "/groups/", "/flags", "/flags/definitions",
        "/flags/7/first-time-events",
        "/settings/", "/record", "/decide",
    ])
    func `a client endpoint answers every origin`(_ path: String) {
        let cors = CORS(WireRequest(path: path, origin: "https://app.example"))
        #expect(lines(cors.headers) == Self.always)
        #expect(CORS(WireRequest(path: path)).headers.isEmpty)
    }

    @Test(arguments: [
        "/import", "/import/", "/api/2.0/export", "/identity/resolve", "/", "", "/Track", "/track/x", "track",
    ])
    func `no other path has any CORS header`(_ path: String) {
        let cors = CORS(
            WireRequest(method: .options, path: path, origin: "https://app.example", requestedMethod: "POST"))
        #expect(cors.headers.isEmpty)
        #expect(cors.preflight().status == 204)
        #expect(cors.preflight().headers.isEmpty)
    }

    @Test func `a preflight grants our headers and those asked for`() {
        let answer = CORS(
            WireRequest(
                method: .options, path: "/track/", origin: "https://app.example", requestedMethod: "POST",
                requestedHeaders: "X-Custom, Content-Type,bad header!, x-custom")
        ).preflight()
        #expect(answer.status == 204)
        #expect(answer.body.isEmpty)
        #expect(
            lines(answer.headers) == Self.always + [
                "Access-Control-Allow-Methods: GET, POST, OPTIONS",
                "Access-Control-Allow-Headers: authorization, content-type, content-encoding, traceparent, "
                    + "x-requested-with, x-custom",
                "Access-Control-Max-Age: 86400",
            ])
    }

    @Test func `an origin that could end its header is not written back`() {
        #expect(CORS(WireRequest(path: "/track", origin: "https://a\r\nSet-Cookie: x")).headers.isEmpty)
    }
}
