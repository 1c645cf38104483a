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
            terminal. A sandbox always prints the tokens and secrets of its projects.

            --port-file and --ready-file are for scripts: the first holds the port, the second appears when requests \
            are answered, and holds JSON with url, port, pid, and in a sandbox the keys of its projects. Both are gone \
            when the server has ended.

            SIGTERM or SIGINT shuts the server down: it accepts nothing more, commits and answers what has come, \
            closes the store, and ends with status 0. SIGHUP has the TLS certificate read again. Sockets that are \
            passed as systemd does (LISTEN_FDS) are listened on in place of --host and --port, and stay open.

            EXAMPLES
              selfsame serve
              selfsame serve --host 0.0.0.0 --port 80 --data /var/lib/selfsame
              selfsame serve --set identity.maxClusterSize=0 --set ingest.outcomeHeader=true
              selfsame serve --sandbox --config fixture.yaml
              selfsame serve --sandbox --port 0 --ready-file ready.json
            """)

    @Option(name: .long, help: ArgumentHelp("The YAML configuration file.", valueName: "file"))
    var config: String?

    @Option(name: .long, help: ArgumentHelp("The address to listen on (server.host).", valueName: "address"))
    var host: String?

    @Option(
        name: .long, help: ArgumentHelp("The port to listen on; 0 takes a free one (server.port).", valueName: "port"))
    var port: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Write the port to this file when the server listens (server.portFile).", valueName: "file"))
    var portFile: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Make this file when requests are answered; it says where, as JSON (server.readyFile).", valueName: "file"))
    var readyFile: String?

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
            discussion: "POST /sandbox/reset empties it or one of its projects, and PUT /sandbox/clock sets its clock. "
                + "Without --data it keeps everything in memory; with --data the directory must be empty or a "
                + "sandbox's own."))
    var sandbox = false

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp("Give any setting, as key=value. May be repeated.", valueName: "key=value"))
    var settings: [String] = []

    func run() async throws {
        // Until the server takes it: the signal means that a certificate was renewed, and never that this should end.
        signal(SIGHUP, SIG_IGN)
        OpenFiles.raiseLimit()
        var logger = Logger(label: "selfsame") { StreamLogHandler.standardError(label: $0) }
        let environment = ProcessInfo.processInfo.environment
        let configuration = try Configuration.load(flags: try flags(), environment: environment, filePath: config)
        logger.logLevel = configuration.logLevel
        StartFiles.removeLeftovers(configuration.server)
        let sockets = try InheritedSockets(environment: environment, processID: getpid())
        let server = try await Server(configuration: configuration, sockets: sockets, logger: logger)
        let greeting = Greeting(server: server)
        let files = try StartFiles(configuration.server)
        defer { files.remove() }
        try await server.run(onEnd: files.remove) { [logger] port in
            files.write(greeting.announcement(port: port), logger: logger)
            greeting.write(port: port)
        }
        Console.note("selfsame: stopped; everything acknowledged is stored")
    }

    private func flags() throws -> [String: String] {
        var flags: [String: String] = [:]
        for setting in settings {
            guard let equals = setting.firstIndex(of: "=") else {
                throw ConfigurationError("--set takes key=value, but got \"\(setting)\"")
            }
            flags[String(setting[..<equals])] = String(setting[setting.index(after: equals)...])
        }
        if let host { flags["server.host"] = host }
        if let port { flags["server.port"] = port }
        if let portFile { flags["server.portFile"] = portFile }
        if let readyFile { flags["server.readyFile"] = readyFile }
        if let data { flags["store.directory"] = data }
        if let certificate { flags["tls.certificate"] = certificate }
        if let key { flags["tls.key"] = key }
        if !region.isEmpty { flags["server.regions"] = region.joined(separator: ",") }
        if sandbox { flags["sandbox.enabled"] = "true" }
        return flags
    }
}
