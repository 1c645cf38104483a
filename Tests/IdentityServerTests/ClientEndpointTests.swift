import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import IdentityServer
import Logging
import NIOCore
import Testing

/// What client SDKs ask beside `/track`, on a sandbox driven without a socket (P 4.10, 10-1, 10-3).
@Suite(.timeLimit(.minutes(10))) struct `Client endpoints` {
    private static let token = "0000000000000000000000000000aaaa"
    private static let secret = "5ec0000000000000000000000000aaaa"

    private func run(
        _ settings: [String: String] = [:],
        _ body: @escaping @Sendable (any TestClientProtocol) async throws -> Void
    ) async throws {
        let fixture = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Conformance/fixture.yaml")
        let configuration = try IdentityServer.Configuration.load(
            flags: settings.merging(["sandbox.enabled": "true"]) { given, _ in given }, environment: [:],
            filePath: fixture.path)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let application = try await IdentityServer.Server(configuration: configuration, logger: logger)
            .application()
        try await application.test(.router) { client in try await body(client) }
    }

    struct Case: CustomTestStringConvertible {
        var method: HTTPRequest.Method = .get
        let uri: String
        var credential: String?
        let status: Int
        let body: String
        var testDescription: String { "\(method) \(uri) as \(credential ?? "nobody")" }
    }

    private static let context = "context=%7B%22distinct_id%22%3A%22u1%22%7D"
    private static let account = "ci.111111.mp-service-account:sa-secret-1"
    private static let reader = "ro.222222.mp-service-account:sa-secret-2"
    private static let stranger = "other.333333.mp-service-account:sa-secret-3"
    private static let decide =
        #"{"automatic_events":false,"config":{"enable_collect_everything":false},"event_bindings":[],"#
        + #""integrations":[],"notifications":[],"surveys":[],"variants":[]}"#

    static let cases = [
        Case(uri: "/flags?\(context)", credential: "\(token):", status: 200, body: #"{"code":200,"flags":{}}"#),
        Case(uri: "/flags/?\(context)", credential: "\(secret):", status: 200, body: #"{"code":200,"flags":{}}"#),
        Case(
            uri: "/flags?\(context)&project_id=1001", credential: account, status: 200,
            body: #"{"code":200,"flags":{}}"#),
        Case(
            uri: "/flags?\(context)&project_id=1001", credential: reader, status: 200, body: #"{"code":200,"flags":{}}"#
        ),
        Case(uri: "/flags?\(context)&token=\(token)", status: 200, body: #"{"code":200,"flags":{}}"#),
        Case(
            uri: "/flags?context=%7B%22distinct_id%22%3A7%7D&token=\(token)", status: 200,
            body: #"{"code":200,"flags":{}}"#),
        Case(uri: "/flags?\(context)", status: 401, body: "missing credentials"),
        Case(uri: "/flags?\(context)&token=", status: 401, body: "missing credentials"),
        Case(uri: "/flags?\(context)&token=nobody", status: 401, body: "no project has this token"),
        Case(uri: "/flags?\(context)&token=\(token)", credential: "nobody:", status: 401, body: "invalid project"),
        Case(uri: "/flags?\(context)", credential: account, status: 401, body: "project_id is required"),
        Case(
            uri: "/flags?\(context)&project_id=1001", credential: "ci.111111.mp-service-account:wrong", status: 401,
            body: "Invalid service account credentials"),
        Case(uri: "/flags?\(context)&project_id=1001", credential: stranger, status: 403, body: "not a project member"),
        Case(uri: "/flags?\(context)&project_id=1002", credential: "\(token):", status: 401, body: "did not match"),
        Case(uri: "/flags?token=\(token)", status: 400, body: "context must be"),
        Case(uri: "/flags?token=\(token)&context=", status: 400, body: "context must be"),
        Case(uri: "/flags?token=\(token)&context=u1", status: 400, body: "context must be"),
        Case(uri: "/flags?token=\(token)&context=%7B%7D", status: 400, body: "context must be"),
        Case(uri: "/flags?token=\(token)&context=%5B%22distinct_id%22%5D", status: 400, body: "context must be"),
        Case(
            uri: "/flags?token=\(token)&context=%7B%22distinct_id%22%3A%22%20%22%7D", status: 400,
            body: "context must be"),
        Case(
            uri: "/flags?token=\(token)&context=%7B%22distinct_id%22%3Anull%7D", status: 400, body: "context must be"),
        Case(method: .post, uri: "/flags?\(context)", credential: "\(token):", status: 405, body: "method"),
        Case(uri: "/flags/definitions", credential: "\(token):", status: 200, body: #"{"code":200,"flags":[]}"#),
        Case(uri: "/flags/definitions/?token=\(token)", status: 200, body: #"{"code":200,"flags":[]}"#),
        Case(method: .post, uri: "/flags/f-1/first-time-events", status: 200, body: #"{"status":"ok"}"#),
        Case(method: .post, uri: "/flags/f-1/first-time-events/", status: 200, body: #"{"status":"ok"}"#),
        Case(uri: "/flags/f-1/first-time-events", status: 405, body: "method"),
        Case(method: .post, uri: "/flags/first-time-events", status: 404, body: "not found"),
        Case(uri: "/flags/f-1", status: 404, body: "not found"),
        Case(uri: "/settings/?lib=web", status: 200, body: "{}"),
        Case(uri: "/settings", credential: "nobody:", status: 200, body: "{}"),
        Case(method: .post, uri: "/record/?seq=0", status: 200, body: #"{"code":200,"status":"OK"}"#),
        Case(uri: "/record", status: 405, body: "method"),
        Case(uri: "/decide/?version=3&lib=web", status: 200, body: decide),
    ]

    @Test(arguments: cases) func `are answered as clients need it`(_ one: Case) async throws {
        try await run { client in
            var headers: HTTPFields = [.origin: "https://app.example"]
            if let credential = one.credential {
                headers[.authorization] = "Basic \(Data(credential.utf8).base64EncodedString())"
            }
            let response = try await client.execute(uri: one.uri, method: one.method, headers: headers)
            let body = String(buffer: response.body)
            #expect(response.status.code == one.status, "\(body)")
            #expect(response.headers[.contentType] == "application/json")
            if one.status == 200 {
                #expect(body == one.body)
            } else {
                #expect(body.contains(one.body), "\(body)")
                let end = "\"status\":\"error\"}" + (one.status == 404 ? "\n" : "")
                #expect(body.hasPrefix("{\"error\":") && body.hasSuffix(end), "\(body)")
            }
            #expect(response.headers[.accessControlAllowOrigin] == "https://app.example")
        }
    }

    @Test(arguments: ["/flags?\(context)&token=\(token)", "/flags/definitions", "/settings", "/decide"])
    func `answer HEAD as GET, without the body`(_ uri: String) async throws {
        try await run { client in
            let whole = try await client.execute(uri: uri, method: .get)
            let head = try await client.execute(uri: uri, method: .head)
            #expect(head.status == .ok)
            #expect(head.headers[.contentLength] == String(whole.body.readableBytes))
            #expect(head.body.readableBytes == 0)
        }
    }

    @Test(arguments: ["/record", "/flags/f-1/first-time-events"])
    func `take a body up to the limit, and none of the memory for bodies`(_ uri: String) async throws {
        let limit = 2 << 20
        try await run(["ingest.bodySizeLimitBytes": "\(limit)", "ingest.inFlightLimitBytes": "1048576"]) { client in
            func status(_ uri: String, _ size: Int) async throws -> Int {
                let response = try await client.execute(
                    uri: uri, method: .post, headers: [.contentType: "application/octet-stream"],
                    body: ByteBuffer(repeating: 0xFF, count: size))
                #expect(response.headers[.contentType] == "application/json")
                return response.status.code
            }
            let found = [
                try await status(uri, limit), try await status(uri, limit + 1), try await status("/engage", limit),
            ]
            #expect(found == [200, 413, 429])
        }
    }

    private static let user = #"{"$token":"\#(token)","$distinct_id":"u1","$set":{"a":1}}"#
    private static let group = #"{"$token":"\#(token)","$group_key":"k","$group_id":"g","$set":{"a":1}}"#

    @Test(arguments: [("/engage", user), ("/engage/", user), ("//groups/", group), ("/groups", group)])
    func `an update is acknowledged, with the sequence that its commit can see`(
        _ path: String, _ record: String
    ) async throws {
        try await run { client in
            let response = try await client.execute(
                uri: path, method: .post, headers: [.contentType: "application/json"],
                body: ByteBuffer(string: record))
            #expect(response.status == .ok)
            #expect(String(buffer: response.body) == "1")
            #expect(response.headers[HTTPField.Name("X-Selfsame-Sequence")!] == "0")
            #expect(response.headers[HTTPField.Name("X-Selfsame-Outcome")!] == nil)
        }
    }

    @Test func `an update is told what is wrong with it, in every form of answer`() async throws {
        try await run(["ingest.bodySizeLimitBytes": "2048", "ingest.recordLimit": "2"]) { client in
            func send(_ query: String, _ body: String) async throws -> (status: Int, body: String) {
                let response = try await client.execute(
                    uri: "/engage\(query)", method: .post, headers: [.contentType: "application/json"],
                    body: ByteBuffer(string: body))
                return (response.status.code, String(buffer: response.body))
            }
            let bad = #"{"$distinct_id":"u1","$set":{"a":1}}"#
            #expect(try await send("", bad) == (200, "0"))
            #expect(try await send("?verbose=1", bad) == (200, #"{"error":"$token, missing or empty","status":0}"#))
            let strict = try await send("?strict=1", "[\(Self.user),\(bad)]")
            #expect(strict.status == 200)
            #expect(
                strict.body
                    == #"{"code":400,"error":"some data points in the request failed validation","failed_records":"#
                    + #"[{"index":1,"insert_id":"","$insert_id":"","field":"$token","#
                    + #""message":"$token, missing or empty"}],"#
                    + #""num_records_imported":1,"status":"Bad Request"}"#)
            #expect(try await send("", "[\(Self.user),\(Self.user),\(Self.user)]") == (200, "0"))
            #expect(try await send("", String(repeating: " ", count: 3000)).status == 413)
            #expect(try await send("", "nonsense") == (200, "0"))
            let unknown = Self.user.replacing(Self.token, with: "nobody")
            #expect(try await send("", unknown) == (200, "1"))
            let put = try await client.execute(uri: "/engage", method: .put)
            #expect(put.status == .methodNotAllowed)
        }
    }
}
