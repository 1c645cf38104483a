import ArgumentParser
import IdentityServer

/// `selfsame log`.
struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "List identity operations, and what became of them.",
        discussion: """
            One line each, with tabs between the columns: sequence, time, verb, ids, outcome, and why it was refused. \
            The oldest come first, or the newest with --latest.

            EXAMPLES
              selfsame log --latest --limit 20
              selfsame log --id user-1 --outcome refused
              selfsame log --after 1000 --json
            """)

    @Option(name: .long, help: ArgumentHelp("Only operations that name this id.", valueName: "id"))
    var id: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Only merged, unchanged or refused, or several with commas.", valueName: "outcome"))
    var outcome: String?

    @Option(
        name: .long, help: ArgumentHelp("Only this verb: identify, create_alias, merge, unmerge ….", valueName: "verb"))
    var verb: String?

    @Option(name: .long, help: ArgumentHelp("Only entries after this one.", valueName: "sequence"))
    var after: Int64?

    @Option(name: .long, help: ArgumentHelp("Only entries before this one.", valueName: "sequence"))
    var before: Int64?

    @Flag(name: .long, help: "The newest first.")
    var latest = false

    @Option(name: .long, help: ArgumentHelp("The most entries; at most 1,000.", valueName: "count"))
    var limit: Int?

    @OptionGroup var target: QueryTarget

    func run() async throws {
        let options = [StoreQueries.Option](given: [
            "distinct_id": id, "outcome": outcome, "verb": verb, "after": after.map { "\($0)" },
            "before": before.map { "\($0)" }, "latest": latest ? "true" : nil, "limit": limit.map { "\($0)" },
        ])
        try await target.answer(.log, options) { (answer: Answer) in
            target.note(more: latest ? "--before" : "--after", answer.next.map { "\($0)" })
            return answer.entries.map(\.line)
        }
    }

    private struct Answer: Decodable {
        struct Entry: Decodable {
            let sequence: Int64
            let time: String?
            let verb: String
            let ids: IDs?
            let outcome: String
            let reason: String?
            let description: String?

            private enum CodingKeys: String, CodingKey {
                case sequence
                case time
                case verb
                case ids
                case outcome
                case reason = "failure_reason"
                case description = "failure_description"
            }

            var line: String {
                var columns = ["\(sequence)", time ?? "-", verb, ids?.text ?? "-", outcome]
                columns += [reason, description].compactMap { $0?.column }
                return columns.joined(separator: "\t")
            }
        }

        /// The ids of an operation, whatever its verb calls them.
        struct IDs: Decodable {
            let text: String

            private enum Key: String, CodingKey, CaseIterable {
                case identified = "$identified_id"
                case anonymous = "$anon_id"
                case id = "distinct_id"
                case alias
                case merged = "$distinct_ids"
                case user = "$user_id"
                case device = "$device_id"
                case link
                case unmerge
                case ids = "distinct_ids"
            }

            init(from decoder: any Decoder) throws {
                let fields = try decoder.container(keyedBy: Key.self)
                var parts: [String] = []
                for key in Key.allCases where fields.contains(key) {
                    if let id = try? fields.decode(String.self, forKey: key) {
                        parts.append(id.column)
                    } else if let ids = try? fields.decode([String].self, forKey: key) {
                        parts += ids.map(\.column)
                    } else {
                        parts.append("\(key.rawValue) \(try fields.decode(Int64.self, forKey: key))")
                    }
                }
                text = parts.isEmpty ? "-" : parts.joined(separator: ", ")
            }
        }

        let entries: [Entry]
        let next: Int64?
    }
}
