import Foundation
import IdentityEngine
import IdentityServer
import Testing

@Suite struct `Configuration` {
    private func load(
        _ flags: [String: String] = [:], environment: [String: String] = [:], yaml: String? = nil
    ) throws -> IdentityServer.Configuration {
        guard let yaml else { return try .load(flags: flags, environment: environment, filePath: nil) }
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).yaml")
        try yaml.write(to: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: path) }
        return try .load(flags: flags, environment: environment, filePath: path.path)
    }

    @Test func `without anything, the defaults are in force`() throws {
        let configuration = try load()
        #expect(configuration.server.port == 8080)
        #expect(configuration.server.host == "127.0.0.1")
        #expect(configuration.store.directory == "./data")
        #expect(configuration.store.isDurable)
        #expect(configuration.identity == MergeRules())
        #expect(configuration.ingest.bodySizeLimitBytes == 10_485_760)
        #expect(!configuration.sandbox.isEnabled)
    }

    @Test func `flags win over variables, and variables over the file`() throws {
        let yaml = "server:\n  port: 1\n  idleTimeoutSeconds: 7\n"
        let environment = ["SELFSAME_SERVER_PORT": "2", "PATH": "/bin"]
        #expect(try load(["server.port": "3"], environment: environment, yaml: yaml).server.port == 3)
        #expect(try load(environment: environment, yaml: yaml).server.port == 2)
        #expect(try load(yaml: yaml).server.port == 1)
        #expect(try load(environment: environment, yaml: yaml).server.idleTimeoutSeconds == 7)
        #expect(
            try load(environment: ["SELFSAME_SERVER_IDLE_TIMEOUT_SECONDS": "9"]).server.idleTimeoutSeconds == 9)
    }

    @Test func `variables that others make for a service of this name are left alone`() throws {
        let environment = [
            "SELFSAME_SERVICE_HOST": "10.0.0.1", "SELFSAME_PORT": "tcp://10.0.0.1:80", "SELFSAME_SEED": "7",
            "SELFSAME_SERVER_SERVICE_PORT": "80",
        ]
        #expect(try load(environment: environment).server.port == 8080)
    }

    @Test func `a sandbox keeps everything in memory unless a directory is named`() throws {
        #expect(try load(["sandbox.enabled": "true"]).store.directory == nil)
        #expect(try load(["sandbox.enabled": "true", "store.directory": "/tmp/x"]).store.directory == "/tmp/x")
    }

    @Test func `projects and accounts are read as source text`() throws {
        let configuration = try load(
            yaml: """
                projects:
                  - {id: 7, token: 00012345, secret: 1e10,
                     identity: {system: simplified, maxClusterSize: 0, anonForm: any}}
                accounts:
                  - {username: a.1, secret: 0x10, roles: {7: admin}}
                """)
        #expect(
            configuration.projects == [
                ConfiguredProject(
                    id: ProjectID(7), name: "project 7", token: "00012345", secret: "1e10",
                    rules: MergeRules(system: .simplified, maxClusterSize: 0, anonymousForm: .any))
            ])
        #expect(
            configuration.accounts == [
                ConfiguredAccount(username: "a.1", secret: "0x10", roles: [ProjectID(7): "admin"])
            ])
    }

    struct Refused: CustomTestStringConvertible {
        var flags: [String: String] = [:]
        var environment: [String: String] = [:]
        var yaml: String?
        let parts: [String]

        var testDescription: String { parts.joined(separator: ", ") }
    }

    static let refused = [
        Refused(flags: ["server.port": "70000"], parts: ["server.port", "70000", "0 to 65535"]),
        Refused(flags: ["server.port": "http"], parts: ["server.port", "http", "0 to 65535"]),
        Refused(flags: ["server.prot": "1"], parts: ["server.prot", "server.port"]),
        Refused(environment: ["SELFSAME_SERVER_PROT": "1"], parts: ["SELFSAME_SERVER_PROT", "SELFSAME_SERVER_PORT"]),
        Refused(environment: ["SELFSAME_LOG_LEVEL": "loud"], parts: ["log.level", "loud", "warning"]),
        Refused(flags: ["identity.anonForm": "uuid"], parts: ["identity.anonForm", "uuid4"]),
        Refused(flags: ["identity.maxClusterSize": "1"], parts: ["identity.maxClusterSize", "0, or a number from 2"]),
        Refused(flags: ["ingest.outcomeHeader": "yes"], parts: ["ingest.outcomeHeader", "true or false"]),
        Refused(flags: ["store.synchronous": "off"], parts: ["store.synchronous", "full or normal"]),
        Refused(flags: ["sandbox.enabled": "true", "server.host": "0.0.0.0"], parts: ["server.host", "allowRemote"]),
        Refused(yaml: "server: {prot: 1}", parts: ["server.prot"]),
        Refused(yaml: "- a", parts: ["map"]),
        Refused(yaml: "a: [", parts: ["YAML"]),
        Refused(yaml: "projects: {}", parts: ["projects", "list"]),
        Refused(yaml: "projects: [{id: x, token: t, secret: s}]", parts: ["projects[0].id", "x"]),
        Refused(yaml: "projects: [{id: 1, token: t}]", parts: ["projects[0].secret"]),
        Refused(yaml: "projects: [{id: 1, token: t, secret: s, tokn: x}]", parts: ["projects[0].tokn"]),
        Refused(
            yaml: "projects: [{id: 1, token: t, secret: s, identity: {system: new}}]",
            parts: ["projects[0].identity.system", "new", "original, simplified or legacy"]),
        Refused(
            yaml: "projects: [{id: 1, token: t, secret: s}, {id: 2, token: t, secret: u}]", parts: ["token"]),
        Refused(yaml: "accounts: [{username: 'a:b', secret: s}]", parts: ["accounts[0].username", "colon"]),
        Refused(yaml: "accounts: [{username: a, secret: s, roles: {1: boss}}]", parts: ["boss", "owner"]),
    ]

    @Test(arguments: refused)
    func `a bad value stops the start, and the message names the key and what is allowed`(_ one: Refused) throws {
        let error = #expect(throws: ConfigurationError.self) {
            try load(one.flags, environment: one.environment, yaml: one.yaml)
        }
        let message = error?.message ?? ""
        for part in one.parts { #expect(message.contains(part), "\(message) lacks \(part)") }
    }

    @Test func `the variable of a key is in upper case with underscores`() {
        let names = Dictionary(uniqueKeysWithValues: Setting.all.map { ($0.key, $0.variable) })
        #expect(names["server.port"] == "SELFSAME_SERVER_PORT")
        #expect(names["identity.maxClusterSize"] == "SELFSAME_IDENTITY_MAX_CLUSTER_SIZE")
    }
}
