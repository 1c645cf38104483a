import ArgumentParser
import IdentityEngine
import IdentityServer
import IdentityStore

/// `selfsame export`.
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write events to standard output, one JSON object a line.",
        discussion: """
            The same rows as /api/2.0/export: each event once, under its canonical id, with \
            $distinct_id_before_identity where it was sent under another. Days are UTC, and both are included. \
            With --as-of: today's events with who was who then.

            EXAMPLE
              selfsame export --from 2026-01-01 --to 2026-01-31 > january.jsonl
            """)

    @Option(name: .long, help: ArgumentHelp("The first day.", valueName: "YYYY-MM-DD"))
    var from: String

    @Option(name: .long, help: ArgumentHelp("The last day.", valueName: "YYYY-MM-DD"))
    var to: String

    @Flag(name: .long, help: "Write time in milliseconds rather than seconds.")
    var timeInMs = false

    @OptionGroup var moment: MomentOption
    @OptionGroup var project: ProjectOption
    @OptionGroup var store: StoreOptions

    func run() async throws {
        var range: Export.Range
        do {
            range = try Export.Range(fromDay: from, toDay: to)
        } catch {
            throw ConfigurationError("\(error)")
        }
        range.isTimeInMilliseconds = timeInMs
        let directory = try store.open(for: MomentOption.access(asOf: moment.asOf))
        let project = try await directory.project(project.project)
        let export = Export(
            store: directory.store, project: project.id, system: project.rules.system, range: range,
            asOf: try await moment.sequence(in: project, of: directory.store))
        for try await lines in export { try Console.write(bytes: lines) }
        try await directory.store.close()
    }
}
