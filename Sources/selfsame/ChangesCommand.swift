import ArgumentParser
import Foundation
import IdentityServer

/// `selfsame changes`.
struct ChangesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "changes",
        abstract: "Write each change of a canonical id, in order: up to now, or as they come.",
        discussion: """
            One line each, with tabs between: the cursor, the id, its canonical id before and after, and the verb that \
            did it. A later call goes on exactly behind a line with --after and the line's cursor. With --follow it \
            does not end: it looks for more four times a second, beside a running server too.

            EXAMPLES
              selfsame changes --after 1204 --json
              selfsame changes --follow
            """)

    @Option(name: .long, help: ArgumentHelp("Only changes behind this cursor.", valueName: "cursor"))
    var after: String?

    @Option(name: .long, help: ArgumentHelp("The most changes; at most 100,000.", valueName: "count"))
    var limit: Int?

    @Flag(name: .long, help: "Go on with changes as they come.")
    var follow = false

    @OptionGroup var target: QueryTarget

    func validate() throws {
        if follow, limit != nil { throw ValidationError("--limit cannot be given with --follow, which has no end.") }
    }

    func run() async throws {
        let options = [StoreQueries.Option](given: ["after": after, "limit": limit.map { "\($0)" }])
        try await target.ask { queries in
            for try await lines in try await queries.changes(options, lookingEvery: follow ? .milliseconds(250) : nil) {
                try Console.write(bytes: target.json ? lines : try Self.text(of: lines))
            }
        }
    }

    private struct Change: Decodable {
        let cursor: String
        let id: String
        let from: String
        let to: String
        let cause: String

        private enum CodingKeys: String, CodingKey {
            case cursor
            case id = "distinct_id"
            case from
            case to
            case cause
        }
    }

    private static func text(of lines: [UInt8]) throws -> [UInt8] {
        var text = ""
        for line in lines.split(separator: UInt8(ascii: "\n")) {
            let change = try JSONDecoder().decode(Change.self, from: Data(line))
            text += [change.cursor, change.id.column, change.from.column, change.to.column, change.cause]
                .joined(separator: "\t")
            text += "\n"
        }
        return Array(text.utf8)
    }
}
