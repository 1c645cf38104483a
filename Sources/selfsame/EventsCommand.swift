import ArgumentParser
import Foundation
import IdentityServer

/// `selfsame events`.
struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "List the events of an id's whole cluster, newest first.",
        discussion: """
            One line each, with tabs between the columns: time, name, the id that the event was sent under, and its \
            insert id. With --json an event has all its properties.

            EXAMPLES
              selfsame events user-1
              selfsame events user-1 --before 2026-01-31T12:00:00Z --limit 20 --json
            """)

    @Argument(help: ArgumentHelp("Any id of the cluster.", valueName: "id"))
    var id: String

    @Option(name: .long, help: ArgumentHelp("The most events; 100 without it, at most 1,000.", valueName: "count"))
    var limit: Int?

    @Option(
        name: .long,
        help: ArgumentHelp("Only events before this time, or before where a page ended.", valueName: "time"))
    var before: String?

    @OptionGroup var target: QueryTarget

    func run() async throws {
        let options = [StoreQueries.Option](given: [
            "distinct_id": id, "limit": limit.map { "\($0)" }, "before": before,
        ])
        try await target.answer(.activity, options) { (answer: Answer) in
            target.note(more: "--before", answer.next)
            return answer.events.map(\.line)
        }
    }

    private struct Answer: Decodable {
        struct Event: Decodable {
            let event: String
            let properties: Properties

            var line: String {
                let time = Date(timeIntervalSince1970: Double(properties.time)).formatted(.iso8601)
                let id = properties.sentID ?? properties.distinctID
                return [time, event.column, id.column, properties.insertID?.column ?? "-"].joined(separator: "\t")
            }
        }

        struct Properties: Decodable {
            let time: Int64
            let distinctID: String
            let sentID: String?
            let insertID: String?

            private enum CodingKeys: String, CodingKey {
                case time
                case distinctID = "distinct_id"
                case sentID = "$distinct_id_before_identity"
                case insertID = "$insert_id"
            }
        }

        let events: [Event]
        let next: String?
    }
}
