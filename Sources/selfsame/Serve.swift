import ArgumentParser
import Foundation
import IdentityServer
import IdentityStore
import Logging

/// `selfsame serve`.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the server.",
        discussion: """
            Settings are taken from the options here, then from variables that begin with SELFSAME_, then from the \
            file that --config names, then from defaults. Every setting has a key, a variable and a description in \
            docs/configuration.md; --set gives any of them on the command line. A value that cannot be used stops \
            the start, and the message names the key and what is allowed.

            On the first start with an empty data directory a project is made. Its token is printed; its secret is \
            written to first-project.txt in the data directory, readable by its owner only, and printed only to a \
            terminal.

            SIGTERM or SIGINT shuts the server down: it accepts nothing more, commits and answers what has come, \
            closes the store, and ends with status 0. SIGHUP has the TLS certificate read again.

            EXAMPLES
              selfsame serve
              selfsame serve --host 0.0.0.0 --port 80 --data /var/lib/selfsame
              selfsame serve --set identity.maxClusterSize=0 --set ingest.outcomeHeader=true
              selfsame serve --sandbox --config fixture.yaml
            """)

    @Option(name: .long, help: ArgumentHelp("The YAML configuration file.", valueName: "file"))
    var config: String?

    @Option(name: .long, help: ArgumentHelp("The address to listen on (server.host).", valueName: "address"))
    var host: String?

    @Option(
        name: .long, help: ArgumentHelp("The port to listen on; 0 takes a free one (server.port).", valueName: "port"))
    var port: String?

    @Option(
        name: .customLong("tls-cert"),
        help: ArgumentHelp("Speak HTTPS with this chain of PEM certificates (tls.certificate).", valueName: "file"))
    var certificate: String?

    @Option(
        name: .customLong("tls-key"), help: ArgumentHelp("The certificate's PEM key (tls.key).", valueName: "file"))
    var key: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Hold projects of this region only; may be repeated (server.regions).", valueName: "region"))
    var region: [String] = []

    @Option(
        name: .long, help: ArgumentHelp("The data directory (store.directory).", valueName: "directory"))
    var data: String?

    @Flag(
        name: .long,
        help: ArgumentHelp(
            "Serve a sandbox for tests (sandbox.enabled).",
            discussion: "POST /sandbox/reset empties it and PUT /sandbox/clock sets its clock. Without --data it keeps "
                + "everything in memory; with --data the directory must be empty or a sandbox's own."))
    var sandbox = false

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp("Give any setting, as key=value. May be repeated.", valueName: "key=value"))
    var settings: [String] = []

    func run() async throws {
        let configuration: Configuration
        let server: Server
        var logger = Logger(label: "selfsame") { StreamLogHandler.standardError(label: $0) }
        do {
            configuration = try Configuration.load(
                flags: try flags(), environment: ProcessInfo.processInfo.environment, filePath: config)
            logger.logLevel = configuration.logLevel
            server = try await Server(configuration: configuration, logger: logger)
        } catch let error as ConfigurationError {
            throw ValidationError("\(error)")
        }
        let greeting = Greeting(server: server)
        do {
            try await server.run { port in greeting.write(port: port) }
        } catch let error as ConfigurationError {
            throw ValidationError("\(error)")
        }
        Console.note("selfsame: stopped; everything acknowledged is stored")
    }

    private func flags() throws -> [String: String] {
        var flags: [String: String] = [:]
        for setting in settings {
            guard let equals = setting.firstIndex(of: "=") else {
                throw ValidationError("--set takes key=value, but got \"\(setting)\"")
            }
            flags[String(setting[..<equals])] = String(setting[setting.index(after: equals)...])
        }
        if let host { flags["server.host"] = host }
        if let port { flags["server.port"] = port }
        if let data { flags["store.directory"] = data }
        if let certificate { flags["tls.certificate"] = certificate }
        if let key { flags["tls.key"] = key }
        if !region.isEmpty { flags["server.regions"] = region.joined(separator: ",") }
        if sandbox { flags["sandbox.enabled"] = "true" }
        return flags
    }
}

/// What the server says when it is ready: where it is, and the first call to try.
private struct Greeting: Sendable {
    let server: Server

    func write(port: Int) {
        let host = server.configuration.server.host
        let shown = host == "0.0.0.0" || host == "::" ? "127.0.0.1" : host
        let scheme = server.configuration.server.tls == nil ? "http" : "https"
        let origin = "\(scheme)://\(shown.contains(":") ? "[\(shown)]" : shown):\(port)"
        Console.write("Selfsame listens on \(origin)")
        guard let first = server.firstProject else { return }
        Console.write("Project \(first.project.id) (\(first.project.name)), token \(first.project.token)")
        if let path = first.secretPath { Console.write("Its secret is in \(path)") }
        if let secret = first.freshSecret, Console.isOutputTerminal { Console.write("Secret: \(secret)") }
        let anonymous = UUID().uuidString.lowercased()
        let secret = first.secretPath.map { "$(sed -n 's/^secret: //p' '\($0)')" } ?? "YOUR_PROJECT_SECRET"
        Console.write(
            """

            Try it: make one identity of an anonymous id and a user id,

              curl --request POST --url '\(origin)/track' --header 'accept: text/plain' \
            --header 'content-type: application/x-www-form-urlencoded' --data 'data={"event": "$identify", \
            "properties": {"$identified_id": "user-1", "$anon_id": "\(anonymous)", "token": "\(first.project.token)"}}'

            and see the result:

              curl --user "\(secret):" '\(origin)/identity/cluster?distinct_id=user-1'

            """)
    }
}
