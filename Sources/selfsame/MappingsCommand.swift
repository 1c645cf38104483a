import ArgumentParser
import IdentityServer

/// `selfsame mappings`.
struct MappingsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mappings",
        abstract: "Write each known id with its canonical id: all of them, or what is new since a cursor.",
        discussion: """
            One line each, with tabs between: the id, its canonical id, and the sequence since which that is so. The \
            cursor to go on from next time is said on standard error.

            EXAMPLES
              selfsame mappings --csv > mappings.csv
              selfsame mappings --after 1204 --json
              selfsame mappings --as-of 2026-01-31T12:00:00Z
            """)

    @Option(name: .long, help: ArgumentHelp("Only what is new since this cursor.", valueName: "cursor"))
    var after: String?

    @Flag(name: .long, help: "Write CSV with a head, as HTTP does with format=csv.")
    var csv = false

    @OptionGroup var moment: MomentOption
    @OptionGroup var target: QueryTarget

    func validate() throws {
        if csv, target.json { throw ValidationError("Give either --csv or --json.") }
    }

    func run() async throws {
        let format: MappingFormat = csv ? .commaSeparated : target.json ? .lines : .tabSeparated
        let options = [StoreQueries.Option](given: ["after": after, "as_of": moment.asOf])
        let cursor = try await target.ask(asOf: moment.asOf) { queries in
            let mappings = try await queries.mappings(format, options)
            for try await lines in mappings.pieces { try Console.write(bytes: lines) }
            return mappings.cursor
        }
        if moment.asOf == nil { Console.note("cursor: \(cursor)") }
    }
}
