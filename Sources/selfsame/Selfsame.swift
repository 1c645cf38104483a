import ArgumentParser
import Foundation
import IdentityServer

/// The command.
@main
struct Selfsame: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "selfsame",
        abstract: "An identity server for product analytics that speaks Mixpanel's API.",
        discussion: """
            Selfsame takes the events of any Mixpanel SDK, decides which distinct_ids are one someone, keeps the \
            events, and resolves every id to one canonical id, at once and for all earlier events too.

            Start with `selfsame serve`: on its first start it makes a project, prints the project's token, and \
            shows a first call to try. Everything is kept in one data directory (./data, or --data).

            Every command about a project takes its number or its name, as --project or in the variable \
            SELFSAME_PROJECT; where there is only one project, neither is needed.

            EXAMPLES
              selfsame serve --port 8080 --data ./data
              selfsame serve --sandbox --config fixture.yaml
              selfsame project create "Web shop" --system original
              selfsame import events.ndjson.gz --project "Web shop"
              selfsame resolve user-1 4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e
              selfsame cluster user-1
              selfsame explain user-1 user-2
              selfsame log --latest --outcome refused
              selfsame unmerge --link 17 --preview
              selfsame changes --follow --json
              selfsame export --from 2026-01-01 --to 2026-01-31
              selfsame verify
            """,
        version: "0.1.0",
        subcommands: [
            Serve.self, ProjectCommand.self, AccountCommand.self, Resolve.self, ClusterCommand.self,
            ExplainCommand.self, LogCommand.self, EventsCommand.self, ChangesCommand.self, MappingsCommand.self,
            UnmergeCommand.self, RestoreCommand.self, BlocksCommand.self, ExportCommand.self, ImportCommand.self,
            DeleteCommand.self, RetrieveCommand.self, VerifyCommand.self, KeyCommand.self,
        ])

    static func main() async {
        // What any command makes is for its owner only, from its first moment.
        umask(0o077)
        do {
            if let unknown = UnknownSubcommand(in: CommandLine.arguments.dropFirst()) { throw unknown }
            var command = try parseAsRoot()
            do {
                if var command = command as? any AsyncParsableCommand {
                    try await command.run()
                } else {
                    try command.run()
                }
            } catch {
                fail(with: error, showsUsage: false)
            }
        } catch {
            fail(with: error, showsUsage: true)
        }
    }

    /// Says what is wrong, and ends.
    ///
    /// Usage is shown where it helps: an argument is missing. A line of every option does not say which one is wrong.
    private static func fail(with error: any Error, showsUsage: Bool) -> Never {
        let code = exitCode(for: error)
        guard code == .validationFailure || code == .failure, !(error is ExitCode) else { exit(withError: error) }
        guard showsUsage, !(error is UnknownSubcommand) else {
            Console.note("Error: \(message(for: error))")
            exit(withError: code)
        }
        let isMissing = message(for: error).hasPrefix("Missing expected argument")
        var isUsage = false
        for line in fullMessage(for: error).split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("Usage: ") { isUsage = true }
            if line.hasPrefix("  See ") { isUsage = false }
            if !isUsage || isMissing { Console.note(String(line)) }
        }
        exit(withError: code)
    }
}

/// A word that stands where the name of a subcommand must.
private struct UnknownSubcommand: Error, CustomStringConvertible {
    let description: String

    /// Nil where every such word is a subcommand.
    init?(in arguments: some Sequence<String>) {
        var command: any ParsableCommand.Type = Selfsame.self
        var path = ["selfsame"]
        for word in arguments {
            let subcommands = command.configuration.subcommands
            guard !subcommands.isEmpty, !word.hasPrefix("-"), path.count > 1 || word != "help" else { return nil }
            guard let next = subcommands.first(where: { $0._commandName == word }) else {
                let question = Spelling.question(word, among: subcommands.map { $0._commandName })
                description =
                    "There is no command \(path.joined(separator: " ")) \(word)\(question). "
                    + "`\(path.joined(separator: " ")) --help` lists the commands."
                return
            }
            command = next
            path.append(word)
        }
        return nil
    }
}
