import ArgumentParser
import IdentityEngine
import IdentityServer
import IdentityStore

/// `selfsame export`.
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write events, or profiles, to standard output, one JSON object a line.",
        discussion: """
            Without days, all of a project as `selfsame import` takes it to another: the log of identity operations \
            first, in its order, with lines of our own for unmerges, restores, changes of rules and statements that no \
            event tells any more; then the other events. Where events alone tell it all, there are no lines of our own.

            Events are the same rows as those of /api/2.0/export: each once, under its canonical id, with \
            $distinct_id_before_identity where it was sent under another. Days are UTC, and both are included; a range \
            that leaves out a part of the log has no lines of our own. With --as-of: today's events with who was who \
            then, in the order of time.

            With --profiles, the profile of each cluster as $distinct_id and $properties, which \
            `selfsame import --profiles` takes.

            EXAMPLES
              selfsame export > project.jsonl
              selfsame export --profiles > profiles.jsonl
              selfsame export --from 2026-01-01 --to 2026-01-31 > january.jsonl
            """)

    @Option(name: .long, help: ArgumentHelp("The first day.", valueName: "YYYY-MM-DD"))
    var from: String?

    @Option(name: .long, help: ArgumentHelp("The last day.", valueName: "YYYY-MM-DD"))
    var to: String?

    @Flag(name: .long, help: "Write time in milliseconds rather than seconds.")
    var timeInMs = false

    @Flag(name: .long, help: "Write profiles rather than events.")
    var profiles = false

    @OptionGroup var moment: MomentOption
    @OptionGroup var project: ProjectOption
    @OptionGroup var store: StoreOptions

    func validate() throws {
        if (from == nil) != (to == nil) {
            throw ValidationError("Give both --from and --to, or neither for everything.")
        }
        if profiles, from != nil || moment.asOf != nil || timeInMs {
            throw ValidationError("Profiles have no days: leave out --from, --to, --as-of and --time-in-ms.")
        }
    }

    func run() async throws {
        let range = try range()
        let directory = try store.open(for: MomentOption.access(asOf: moment.asOf))
        let project = try await directory.project(project.project)
        if profiles {
            let export = ProfileExport(
                store: directory.store, project: project, rule: try store.configuration().profiles.onMerge)
            for try await lines in export { try Console.write(bytes: lines) }
        } else if let asOf = try await moment.sequence(in: project, of: directory.store) {
            let export = Export(
                store: directory.store, project: project.id, system: project.rules.system, range: range, asOf: asOf)
            for try await lines in export { try Console.write(bytes: lines) }
        } else {
            try await write(project, of: directory.store, range)
        }
        try await directory.store.close()
    }

    /// Writes a project's log and its other events, and tells what does not come along.
    private func write(_ project: ProjectRecord, of store: any Store, _ range: Export.Range) async throws {
        let survey = try await LogSurvey(of: project, in: store, for: range)
        let export = ProjectExport(store: store, project: project, range: range, survey: survey)
        for try await lines in export { try Console.write(bytes: lines) }
        if survey.tombstones > 0 {
            Console.note("\(survey.tombstones) entries of the log were deleted for privacy law, and do not come along")
        }
        if survey.isPartial, survey.amendments > 0 {
            Console.note(
                "the days leave out a part of the log, so that \(survey.amendments) amendments are left out too; to "
                    + "move a project, export it without --from and --to")
        }
    }

    private func range() throws -> Export.Range {
        var range = Export.Range(fromMilliseconds: 0, beforeMilliseconds: .max)
        if let from, let to {
            do {
                range = try Export.Range(fromDay: from, toDay: to)
            } catch {
                throw ConfigurationError("\(error)")
            }
        }
        range.isTimeInMilliseconds = timeInMs
        return range
    }
}
