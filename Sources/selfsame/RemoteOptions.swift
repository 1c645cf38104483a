import ArgumentParser
import Foundation
import IdentityServer

/// The options of a command that may work on a running server rather than a data directory.
struct RemoteOptions: ParsableArguments {
    @Option(
        name: .long, help: ArgumentHelp("A running server to send to, rather than a data directory.", valueName: "url"))
    var url: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The project's secret, or an account's as account:secret. Others on this machine can see it: prefer the "
                + "variable SELFSAME_SECRET, or --secret-file.", valueName: "secret"))
    var secret: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A file with the secret, as first-project.txt has it or alone.",
            valueName: "file"))
    var secretFile: String?

    @Option(
        name: .long,
        help: ArgumentHelp("The project's token, for profiles that are sent to a server.", valueName: "token"))
    var token: String?

    @Option(
        name: .customLong("ca-cert"),
        help: ArgumentHelp(
            "A file of PEM certificates that vouch for the server's; those that the system trusts without it.",
            valueName: "file"))
    var authority: String?

    func validate() throws {
        if secret != nil, secretFile != nil { throw ValidationError("Give one of --secret and --secret-file.") }
    }

    /// The server; nil where there is none.
    func target(project: ProjectOption) throws -> ImportTarget? {
        guard let url else { return nil }
        var credential = secret ?? ProcessInfo.processInfo.environment["SELFSAME_SECRET"]
        if let secretFile {
            guard let bytes = FileManager.default.contents(atPath: secretFile) else {
                throw ConfigurationError("\(secretFile) cannot be read; check the name and its permissions")
            }
            let text = String(decoding: bytes, as: UTF8.self)
            // first-project.txt has more lines than that.
            let line = text.split(separator: "\n").first { $0.hasPrefix("secret: ") }?.dropFirst("secret: ".count)
            credential = line.map { String($0) } ?? text.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        return try ImportTarget(
            url: url, credential: credential, project: project.project.flatMap { Int64($0) }, token: token,
            authorityPath: authority)
    }
}
