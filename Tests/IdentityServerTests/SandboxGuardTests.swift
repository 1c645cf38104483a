import IdentityServer
import MixpanelWire
import Testing

@Suite struct `Sandbox guard` {
    struct Case: CustomTestStringConvertible {
        let host: String?
        var origin: String?
        let isAllowed: Bool

        var testDescription: String { "Host \(host ?? "none"), Origin \(origin ?? "none")" }
    }

    static let cases = [
        Case(host: "127.0.0.1:8080", isAllowed: true),
        Case(host: "127.8.9.1", isAllowed: true),
        Case(host: "localhost:1", isAllowed: true),
        Case(host: "LOCALHOST", isAllowed: true),
        Case(host: "[::1]:8080", isAllowed: true),
        Case(host: "sandbox.internal:8080", isAllowed: true),
        Case(host: "localhost:1", origin: "http://localhost:1", isAllowed: false),
        Case(host: "localhost:1", origin: "null", isAllowed: false),
        Case(host: "example.com", isAllowed: false),
        Case(host: "127.0.0.1.example.com", isAllowed: false),
        Case(host: "127.0.0.300", isAllowed: false),
        Case(host: "localhost.example.com", isAllowed: false),
        Case(host: "10.0.0.1", isAllowed: false),
        Case(host: nil, isAllowed: false),
        Case(host: "", isAllowed: false),
    ]

    @Test(arguments: cases)
    func `only this machine and configured names may change the sandbox, and no page`(_ one: Case) {
        var request = WireRequest(method: .post, path: "/sandbox/reset")
        request.host = one.host
        request.origin = one.origin
        let refusal = SandboxGuard(hostNames: ["Sandbox.internal"]).refusal(of: request)
        #expect((refusal == nil) == one.isAllowed, "\(refusal ?? "allowed")")
    }
}
