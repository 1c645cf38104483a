import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import IdentityServer
import Logging
import MixpanelWire
import NIOCore
import Testing

/// `/openapi.json` describes what the server answers: no more, and no less.
@Suite struct `OpenAPI document` {
    private static func document() throws -> [String: Any] {
        let bytes = Data(OpenAPI.document)
        return try #require(try JSONSerialization.jsonObject(with: bytes) as? [String: Any])
    }

    private static func paths() throws -> [String: [String: Any]] {
        try #require(try document()["paths"] as? [String: [String: Any]])
    }

    @Test func `it is served without a credential`() async throws {
        try await Self.application().test(.router) { client in
            let response = try await client.execute(uri: "/openapi.json", method: .get)
            #expect(response.status == .ok)
            #expect(response.headers[.contentType] == "application/json")
            #expect(Array(response.body.readableBytesView) == OpenAPI.document)
        }
    }

    @Test func `every path and method that it describes is answered`() async throws {
        let operations = try Self.paths().flatMap { path, methods in methods.keys.map { (path, $0) } }
        #expect(operations.count > 15)
        try await Self.application().test(.router) { client in
            for (path, name) in operations {
                let method = try #require(HTTPRequest.Method(name.uppercased()))
                let target = path.replacing(#/\{\w+\}/#, with: "0")
                let response = try await client.execute(uri: target, method: method)
                let body = String(buffer: response.body)
                #expect(!body.contains(#""error":"not found""#), "\(name) \(path)")
                #expect(response.status != .methodNotAllowed, "\(name) \(path)")
            }
        }
    }

    @Test func `every path that the dispatcher knows is described`() throws {
        let described = Set(try Self.paths().keys.map { $0.replacing(#/\{\w+\}/#, with: "*") })
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/IdentityServer")
        var known: Set<String> = []
        for file in try FileManager.default.contentsOfDirectory(atPath: folder.path) where file.hasSuffix(".swift") {
            let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
            for line in text.split(separator: "\n") where line.contains(#/^ +case "\//#) {
                known.formUnion(line.matches(of: #/"(\/[^"]*)"/#).map { String($0.1) })
            }
        }
        #expect(known.count > 10)
        for path in known.sorted() {
            #expect(described.contains(path), "\(path) is routed and not described")
        }
    }

    @Test func `it has the options of our own paths that are taken, and no other`() throws {
        let parameters = try #require(
            (try Self.document()["components"] as? [String: Any])?["parameters"] as? [String: [String: Any]])
        let methods: [String: WireMethod] = ["get": .get, "post": .post, "put": .put, "delete": .delete]
        let described = try Self.paths()
        let ours = described.keys.filter { $0.contains(#/^\/(identity|health|sandbox|openapi)/#) }
        #expect(ours.sorted() == OwnPaths.all)
        for path in OwnPaths.all {
            for (name, operation) in try #require(described[path], "\(path)") {
                let method = try #require(methods[name])
                let known = try #require(OwnPaths.options(of: path, method), "\(name) \(path)")
                let listed = (operation as? [String: Any])?["parameters"] as? [[String: Any]] ?? []
                let names = listed.compactMap { one -> String? in
                    let reference = (one["$ref"] as? String)?.split(separator: "/").last.map(String.init)
                    let parameter = reference.flatMap { parameters[$0] } ?? one
                    return parameter["in"] as? String == "query" ? parameter["name"] as? String : nil
                }
                if path == "/identity/preview" {
                    // It takes what /import takes, and ignores most of that.
                    #expect(Set(names).isSubset(of: known))
                } else {
                    #expect(names.sorted() == known.sorted(), "\(name) \(path)")
                }
            }
        }
    }

    @Test func `what it refers to is there`() throws {
        let document = try Self.document()
        let text = String(decoding: OpenAPI.document, as: UTF8.self)
        let references = text.matches(of: #/"\$ref": "#\/([^"]+)"/#)
        #expect(references.count > 50)
        for reference in references {
            var value: Any? = document
            for part in reference.1.split(separator: "/") { value = (value as? [String: Any])?[String(part)] }
            #expect(value != nil, "\(reference.1)")
        }
    }

    @Test func `every operation has a name of its own, a summary, answers and a word on credentials`() throws {
        var names: Set<String> = []
        for (path, operations) in try Self.paths() {
            for (method, operation) in operations {
                let operation = try #require(operation as? [String: Any])
                let name = try #require(operation["operationId"] as? String)
                #expect(names.insert(name).inserted, "\(name)")
                #expect(operation["summary"] is String, "\(method) \(path)")
                #expect((operation["responses"] as? [String: Any])?.isEmpty == false, "\(method) \(path)")
                #expect(operation["security"] is [Any], "\(method) \(path)")
            }
        }
    }

    /// A sandbox, which has every route.
    private static func application() async throws -> some ApplicationProtocol {
        let fixture = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Conformance/fixture.yaml")
        let configuration = try IdentityServer.Configuration.load(
            flags: ["sandbox.enabled": "true"], environment: [:], filePath: fixture.path)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return try await IdentityServer.Server(configuration: configuration, logger: logger).application()
    }
}
