import IdentityServer
import Testing

@Suite struct `Spelling of names` {
    private struct Case: CustomTestStringConvertible, Sendable {
        let written: String
        let meant: String?

        var testDescription: String { written }
    }

    private static let names = [
        "server.port", "server.host", "server.hostNames", "store.directory", "log.level", "limit",
    ]

    private static let cases = [
        Case(written: "server.prot", meant: "server.port"),
        Case(written: "server.ports", meant: "server.port"),
        Case(written: "SERVER_PORT", meant: "server.port"),
        Case(written: "server.host_names", meant: "server.hostNames"),
        Case(written: "sevrer.host", meant: "server.host"),
        Case(written: "store.dir", meant: nil),
        Case(written: "limt", meant: "limit"),
        Case(written: "x", meant: nil),
        Case(written: "", meant: nil),
        Case(written: "entirely.different", meant: nil),
    ]

    @Test(arguments: cases) private func `the nearest name is found, and none where none is near`(_ one: Case) {
        #expect(Spelling.nearest(to: one.written, among: Self.names) == one.meant)
    }

    @Test func `a distance counts letters put in, left out, replaced and exchanged`() {
        #expect(Spelling.distance("port", "port") == 0)
        #expect(Spelling.distance("port", "prot") == 1)
        #expect(Spelling.distance("port", "ports") == 1)
        #expect(Spelling.distance("port", "pot") == 1)
        #expect(Spelling.distance("port", "sort") == 1)
        #expect(Spelling.distance("port", "") == 4)
        #expect(Spelling.distance("", "port") == 4)
    }

    @Test func `a name of any length is compared in bounded time`() {
        #expect(Spelling.nearest(to: String(repeating: "a", count: 1_000_000), among: Self.names) == nil)
    }
}
