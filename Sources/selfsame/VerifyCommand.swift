import ArgumentParser
import IdentityEngine
import IdentityServer
import IdentityStore

/// `selfsame verify`.
struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check that a store is what its log says.",
        discussion: """
            Applies the outcomes that the log records, in memory, and compares what follows with what the store has: \
            every cluster and its canonical id, every count, link and block, what profiles say of clusters, and which \
            entry each event made. Nothing is decided anew, and nothing is changed.

            The first difference is shown with its sequence: the log entry that last concerned what differs. With \
            --decide every entry is also decided anew, under the rules that were in force at its time, and verdicts \
            that differ are listed.

            The status is 0 where the store is what its log says, 1 where something differs, and 2 where the store \
            could not be read. A running server may be using the directory: one snapshot of it is read.

            EXAMPLES
              selfsame verify
              selfsame verify --integrity
              selfsame verify --project 1001 --decide --data /var/lib/selfsame
            """)

    @Flag(name: .long, help: "Decide every entry anew, too.")
    var decide = false

    @Flag(name: .long, help: "Leave out the events, each of which is asked for its log entry.")
    var withoutEvents = false

    @Flag(name: .long, help: "Check every page and index of the file, too, as SQLite does.")
    var integrity = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The project's number or name (\(ProjectOption.variable)); all projects without it.",
            valueName: "project"))
    var project: String?

    @OptionGroup var store: StoreOptions

    func run() async throws {
        var isIdentical = true
        do {
            let directory = try store.open(for: .reading)
            var projects = try await directory.store.projects()
            if projects.isEmpty {
                throw ConfigurationError(
                    "the store has no project, which a server gives it at its first start; stop the server, keep a "
                        + "copy of the data directory, and restore a backup")
            }
            for fault in try await directory.store.faults(checksFiles: integrity) {
                Console.write("THE STORE IS NOT SOUND: \(fault)")
                isIdentical = false
            }
            if let project = ProjectOption.project(project) { projects = [try await directory.project(project)] }
            for project in projects {
                let isSame = try await verify(project, in: directory.store)
                isIdentical = isIdentical && isSame
            }
            try await directory.store.close()
        } catch {
            Console.note("Error: \(error)")
            throw ExitCode(2)
        }
        if !isIdentical { throw ExitCode(1) }
    }

    /// - Returns: whether the project is what its log says.
    private func verify(_ project: ProjectRecord, in store: any Store) async throws -> Bool {
        let progress = VerifyProgress()
        let start = ContinuousClock.now
        let report: VerificationReport
        do {
            report = try await store.verify(
                project, decides: decide, checksEvents: !withoutEvents, progress: { progress.show($0) })
        } catch {
            progress.finish()
            throw error
        }
        progress.finish()
        for line in Self.lines(report, of: project) { Console.write(line) }
        let tenths = Int(start.duration(to: .now) / .milliseconds(100))
        Console.note("project \(project.id) took \(tenths / 10).\(tenths % 10) s")
        return report.isIdentical
    }

    private static func lines(_ report: VerificationReport, of project: ProjectRecord) -> [String] {
        let events = report.events.map { ", \($0) events" } ?? ""
        let tombstones = report.tombstones > 0 ? " (\(report.tombstones) deleted)" : ""
        let verdict = report.tally.count == 0 ? "the store is what its log says" : "THE STORE IS NOT WHAT ITS LOG SAYS"
        var lines = [
            "project \(project.id) (\(project.name)): \(verdict)",
            "  \(report.lastSequence) entries\(tombstones), \(report.ids) ids in \(report.clusters) clusters, "
                + (report.frayed > 0 ? "(\(report.frayed) ids compared by what deletions left), " : "")
                + "\(report.links) links, \(report.blocks) blocks, \(report.profiles) profiles\(events)",
        ]
        if let first = report.tally.first {
            lines += [
                "  differences: \(report.tally.count), the first at sequence \(first.sequence): "
                    + first.subject.escapingControls(except: []),
                "    by the log:   \(first.expected.escapingControls(except: []))",
                "    in the store: \(first.found.escapingControls(except: []))",
                "  Stop the server, keep a copy of the data directory, and restore a backup.",
            ]
        }
        if let verdicts = report.verdicts { lines += Self.lines(verdicts) }
        return lines
    }

    private static func lines(_ verdicts: DecidedAnew) -> [String] {
        let undecided = verdicts.undecided > 0 ? ", \(verdicts.undecided) not, for what a deletion took" : ""
        var lines = ["  \(verdicts.decided) entries decided anew\(undecided): \(verdicts.count) verdicts differ"]
        for verdict in verdicts.first {
            let event = verdict.event
            lines.append(
                "    \(verdict.sequence)  \(event.verb.name) \(event.primary.line), \(event.secondary.line): "
                    + "\(verdict.recorded) in the log, \(verdict.anew) anew")
        }
        if verdicts.count > verdicts.first.count {
            lines.append("    and \(verdicts.count - verdicts.first.count) more")
        }
        return lines
    }
}
