import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import IdentityEngine
import IdentityServer
import Logging
import NIOCore
import Testing

/// A server on a Memory store with the projects of the conformance vectors, driven without a socket.
private struct Sandbox {
    static let secret = "5ec0000000000000000000000000aaaa"
    static let token = "0000000000000000000000000000aaaa"

    let application: Application<HTTPAdapter>

    init(_ settings: [String: String] = [:]) async throws {
        let fixture = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Conformance/fixture.yaml")
        let configuration = try IdentityServer.Configuration.load(
            flags: settings.merging(["sandbox.enabled": "true"]) { given, _ in given }, environment: [:],
            filePath: fixture.path)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        application = try await IdentityServer.Server(configuration: configuration, logger: logger).application()
    }

    func run(_ body: @escaping @Sendable (any TestClientProtocol) async throws -> Void) async throws {
        try await application.test(.router) { client in try await body(client) }
    }
}

extension TestClientProtocol {
    fileprivate func track(_ json: String, _ query: String = "") async throws -> TestResponse {
        try await execute(
            uri: "/track\(query)", method: .post, headers: [.contentType: "application/json"],
            body: ByteBuffer(string: json))
    }

    fileprivate func read(_ uri: String, secret: String = Sandbox.secret) async throws -> TestResponse {
        let credential = Data("\(secret):".utf8).base64EncodedString()
        return try await execute(uri: uri, method: .get, headers: [.authorization: "Basic \(credential)"])
    }

    fileprivate func json(_ uri: String) async throws -> [String: Any] {
        let response = try await read(uri)
        #expect(response.status == .ok, "\(uri): \(String(buffer: response.body))")
        let bytes = Data(response.body.readableBytesView)
        return try #require(JSONSerialization.jsonObject(with: bytes) as? [String: Any])
    }
}

private func identify(_ identified: String, _ anonymous: String) -> String {
    """
    {"event":"$identify","properties":
      {"token":"\(Sandbox.token)","$identified_id":"\(identified)","$anon_id":"\(anonymous)"}}
    """
}

private let anonymous = "4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e"

@Suite(.timeLimit(.minutes(10))) struct `Server` {
    @Test func `an identify is decided, told, and seen by the next read`() async throws {
        try await Sandbox().run { client in
            let response = try await client.track(identify("u1", anonymous))
            #expect(String(buffer: response.body) == "1")
            #expect(response.headers[HTTPField.Name("X-Selfsame-Sequence")!] == "1")
            #expect(
                response.headers[HTTPField.Name("X-Selfsame-Outcome")!] == "merged=1, unchanged=0, refused=0")
            let resolved = try await client.json("/identity/resolve?distinct_id=\(anonymous)&distinct_id=nobody")
            let results = try #require(resolved["results"] as? [[String: Any]])
            #expect(results.map { $0["canonical_id"] as? String } == ["u1", "nobody"])
            #expect(results.map { $0["cluster_size"] as? Int } == [2, 1])
            #expect(results.map { $0["known"] as? Bool } == [true, false])
            #expect(resolved["sequence"] as? Int == 1)
        }
    }

    @Test func `a request of one project tells the sequence even where nothing of it is stored`() async throws {
        let sequence = HTTPField.Name("X-Selfsame-Sequence")!
        try await Sandbox().run { client in
            _ = try await client.track(identify("u1", anonymous))
            let ignored = #"{"event":"e","properties":{"token":"\#(Sandbox.token)","$ignore":true}}"#
            let simplified = String(Sandbox.token.dropLast(4)) + "bbbb"
            let verb = identify("u1", anonymous).replacing(Sandbox.token, with: simplified)
            for (body, expected) in [
                (ignored, "1"), (verb, "0"), ("[\(ignored),\(verb)]", nil),
                (ignored.replacing(Sandbox.token, with: "nobody"), nil), ("[]", nil),
            ] {
                let response = try await client.track(body)
                #expect(response.headers[sequence] == expected, "\(body)")
            }
            let credential = Data("\(Sandbox.secret):".utf8).base64EncodedString()
            let response = try await client.execute(
                uri: "/import?strict=1", method: .post,
                headers: [.contentType: "application/json", .authorization: "Basic \(credential)"],
                body: ByteBuffer(string: "[{}]"))
            #expect(response.status == .badRequest)
            #expect(response.headers[sequence] == "1")
            #expect(
                response.headers[HTTPField.Name("X-Selfsame-Outcome")!] == "merged=0, unchanged=0, refused=0")
        }
    }

    @Test(arguments: [300, 1000]) func `every id of a query is answered, in order`(_ count: Int) async throws {
        try await Sandbox().run { client in
            let wanted = (0..<count).map { "id\($0)" }
            let query = wanted.map { "distinct_id=\($0)" }.joined(separator: "&")
            let resolved = try await client.json("/identity/resolve?\(query)")
            let results = try #require(resolved["results"] as? [[String: Any]])
            #expect(results.map { $0["canonical_id"] as? String } == wanted)
        }
    }

    @Test func `too many ids in one query are refused, never dropped`() async throws {
        try await Sandbox().run { client in
            for count in [10_001, 10_500] {
                let query = Array(repeating: "distinct_id=a", count: count).joined(separator: "&")
                let response = try await client.read("/identity/resolve?\(query)")
                #expect(response.status == .badRequest)
                #expect(String(buffer: response.body).contains("10000"))
            }
        }
    }

    @Test func `a refused merge is a success on the wire, and the log says why`() async throws {
        try await Sandbox().run { client in
            _ = try await client.track(identify("u1", anonymous))
            let response = try await client.track(identify("u2", anonymous))
            #expect(String(buffer: response.body) == "1")
            #expect(
                response.headers[HTTPField.Name("X-Selfsame-Outcome")!] == "merged=0, unchanged=0, refused=1")
            let log = try await client.json("/identity/log?outcome=refused&distinct_id=u2")
            let entries = try #require(log["entries"] as? [[String: Any]])
            #expect(entries.map { $0["failure_reason"] as? String } == ["errAnonDistinctIdAssignedAlready"])
            #expect(entries.first?["hint"] as? String == MergeRefusal.anonymousAssignedAlready.hint)
            #expect(log["next"] is NSNull)
        }
    }

    @Test func `the log is read in pages`() async throws {
        try await Sandbox().run { client in
            for number in 1...5 { _ = try await client.track(identify("u\(number)", "u\(number)")) }
            var seen: [Int] = []
            var after = 0
            while true {
                let page = try await client.json("/identity/log?limit=2&after=\(after)")
                seen += (page["entries"] as? [[String: Any]] ?? []).compactMap { $0["sequence"] as? Int }
                guard let next = page["next"] as? Int else { break }
                after = next
            }
            #expect(seen == [1, 2, 3, 4, 5])
        }
    }

    @Test func `a large cluster is read in pages, each member once`() async throws {
        try await Sandbox().run { client in
            for number in 100..<125 {
                _ = try await client.track(identify("u1", "4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9\(number)"))
            }
            var members: [String] = []
            var links = 0
            var after = "0"
            while true {
                let page = try await client.json("/identity/cluster?distinct_id=u1&limit=7&after=\(after)")
                #expect(page["size"] as? Int == 26)
                members += (page["members"] as? [[String: Any]] ?? []).compactMap { $0["distinct_id"] as? String }
                links += (page["links"] as? [Any] ?? []).count
                guard let next = page["next"] as? String else { break }
                after = next
            }
            #expect(members.count == 26)
            #expect(Set(members).count == 26)
            #expect(links == 25)
        }
    }

    struct Refused: CustomTestStringConvertible {
        let uri: String
        var method: HTTPRequest.Method = .get
        var secret = Sandbox.secret
        let status: Int
        let says: String

        var testDescription: String { "\(method) \(uri) with \(secret.prefix(8))" }
    }

    static let refused = [
        Refused(uri: "/identity/resolve", status: 400, says: "distinct_id"),
        Refused(uri: "/identity/resolve?distinct_id=", status: 400, says: "1 to 1032"),
        Refused(uri: "/identity/resolve?distinct_id=a&as_of=1", status: 404, says: "as_of"),
        Refused(uri: "/identity/resolve?distinct_id=a&as_of=soon", status: 400, says: "as_of"),
        Refused(uri: "/identity/cluster", status: 400, says: "distinct_id"),
        Refused(uri: "/identity/cluster?distinct_id=a&limit=1001", status: 400, says: "1 to 1000"),
        Refused(uri: "/identity/cluster?distinct_id=a&limit=x", status: 400, says: "limit"),
        Refused(uri: "/identity/log?outcome=lost", status: 400, says: "refused"),
        Refused(uri: "/identity/log?verb=join", status: 400, says: "$identify"),
        Refused(uri: "/identity/mappings?format=xml", status: 400, says: "csv"),
        Refused(uri: "/api/2.0/export", status: 400, says: "from_date"),
        Refused(uri: "/api/2.0/export?from_date=2023-01-01&to_date=x", status: 400, says: "to_date"),
        Refused(uri: "/api/2.0/export?from_date=2023-01-01&to_date=2023-01-01&limit=0", status: 400, says: "limit"),
        Refused(uri: "/identity/resolve?distinct_id=a", secret: Sandbox.token, status: 401, says: "token is public"),
        Refused(uri: "/identity/resolve?distinct_id=a", secret: "nobody", status: 401, says: "invalid project secret"),
        Refused(uri: "/identity/resolve?distinct_id=a&project_id=1002", status: 401, says: "did not match"),
        Refused(uri: "/identity/resolve?distinct_id=a&min_sequence=9", status: 503, says: "min_sequence"),
        Refused(uri: "/identity/cluster", method: .delete, status: 405, says: "method"),
        Refused(uri: "/Track", status: 404, says: "not found"),
        Refused(uri: "/nowhere", status: 404, says: "not found"),
    ]

    @Test(arguments: refused)
    func `a request that cannot be answered is told what is wrong`(_ one: Refused) async throws {
        try await Sandbox(["query.sequenceTimeoutSeconds": "0"]).run { client in
            let credential = Data("\(one.secret):".utf8).base64EncodedString()
            let response = try await client.execute(
                uri: one.uri, method: one.method, headers: [.authorization: "Basic \(credential)"])
            #expect(response.status.code == one.status)
            let body = String(buffer: response.body)
            #expect(body.contains(one.says), "\(body)")
            let isOurs = one.uri.hasPrefix("/identity/") || one.status == 404
            let end = "\"status\":\"error\"}" + (isOurs ? "\n" : "")
            #expect(body.hasPrefix("{\"error\":") && body.hasSuffix(end), "\(body)")
            if one.status == 503 { #expect(response.headers[.retryAfter] == "1") }
        }
    }

    @Test(arguments: ["/track", "/track/", "//track", "/track//"])
    func `slashes at the end and twice in a row change nothing`(_ path: String) async throws {
        try await Sandbox().run { client in
            let response = try await client.execute(
                uri: path, method: .post, headers: [.contentType: "application/json"],
                body: ByteBuffer(string: identify("u1", anonymous)))
            #expect(response.status == .ok)
            #expect(String(buffer: response.body) == "1")
        }
    }

    @Test func `mappings come as lines and as CSV, with what must be quoted quoted`() async throws {
        try await Sandbox().run { client in
            _ = try await client.track(identify(#"a,\"b\""#, anonymous))
            let lines = String(buffer: try await client.read("/identity/mappings").body)
            #expect(
                lines.contains(
                    #"{"distinct_id":"\#(anonymous)","canonical_id":"a,\"b\"","since":1}"# + "\n"))
            let csv = String(buffer: try await client.read("/identity/mappings?format=csv").body)
            #expect(csv.hasPrefix("distinct_id,canonical_id,since\r\n"))
            #expect(csv.contains(#"\#(anonymous),"a,""b""",1"# + "\r\n"))
        }
    }

    @Test func `HEAD is GET without a body`() async throws {
        try await Sandbox().run { client in
            let response = try await client.execute(uri: "/health", method: .head)
            #expect(response.status == .ok)
            #expect(response.body.readableBytes == 0)
        }
    }

    @Test func `a body over the limit is refused before it is read to its end`() async throws {
        try await Sandbox(["ingest.bodySizeLimitBytes": "2048"]).run { client in
            let response = try await client.track(String(repeating: " ", count: 3000))
            #expect(response.status.code == 413)
            #expect(response.headers[.connection] == "close")
        }
    }

    @Test func `the sandbox is emptied, and its clock set`() async throws {
        try await Sandbox().run { client in
            let clock = try await client.execute(
                uri: "/sandbox/clock", method: .put, body: ByteBuffer(string: #"{"now":1700000000}"#))
            #expect(clock.status == .ok, "\(String(buffer: clock.body))")
            _ = try await client.track(identify("u1", anonymous))
            let log = try await client.json("/identity/log")
            let entries = try #require(log["entries"] as? [[String: Any]])
            #expect(entries.map { $0["time"] as? String } == ["2023-11-14T22:13:20.000Z"])
            let reset = try await client.execute(uri: "/sandbox/reset", method: .post)
            #expect(reset.status == .ok)
            #expect((try await client.json("/identity/log")["entries"] as? [Any])?.isEmpty == true)
        }
    }
}
