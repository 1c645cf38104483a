import ArgumentParser
import IdentityServer

/// `selfsame cluster`.
struct ClusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Show the members of an id's cluster, and the links that hold it together.",
        discussion: """
            First the canonical id and the size; then a line for each member: id, roles, when it was first seen and in \
            which entry of the log; then a line for each link, by whose number `selfsame unmerge` takes it back. \
            Columns have tabs between them.

            EXAMPLES
              selfsame cluster user-1
              selfsame cluster user-1 --as-of 2026-01-31T12:00:00Z --json
            """)

    @Argument(help: ArgumentHelp("Any id of the cluster.", valueName: "id"))
    var id: String

    @Option(name: .long, help: ArgumentHelp("The most members; at most 1,000.", valueName: "count"))
    var limit: Int?

    @Option(name: .long, help: ArgumentHelp("Where the page before ended.", valueName: "next"))
    var after: String?

    @OptionGroup var moment: MomentOption
    @OptionGroup var target: QueryTarget

    func run() async throws {
        let options = [StoreQueries.Option](given: [
            "distinct_id": id, "limit": limit.map { "\($0)" }, "after": after, "as_of": moment.asOf,
        ])
        try await target.answer(.cluster, options) { (answer: Answer) in
            target.note(more: "--after", answer.next)
            return answer.lines
        }
    }

    private struct Answer: Decodable {
        struct Member: Decodable {
            let id: String
            let roles: [String]
            let firstSeen: String?
            let firstSequence: Int64?

            private enum CodingKeys: String, CodingKey {
                case id = "distinct_id"
                case roles
                case firstSeen = "first_seen"
                case firstSequence = "first_sequence"
            }
        }

        struct Link: Decodable {
            let sequence: Int64
            let verb: String
            let from: String
            let to: String
            let time: String?
            let revoked: Int64?
        }

        let canonicalID: String
        let size: Int64
        let known: Bool
        let members: [Member]
        let links: [Link]
        let next: String?

        private enum CodingKeys: String, CodingKey {
            case canonicalID = "canonical_id"
            case size
            case known
            case members
            case links
            case next
        }

        var lines: [String] {
            let unknown = known ? "" : "\tunknown: it took part in no identity operation"
            return ["cluster\t\(canonicalID.column)\t\(size) \(size == 1 ? "id" : "ids")\(unknown)"]
                + members.map { member in
                    let sequence = member.firstSequence.map { "\($0)" } ?? "-"
                    return "member\t\(member.id.column)\t\(member.roles.listed)\t"
                        + "\(member.firstSeen ?? "-")\t\(sequence)"
                }
                + links.map { link in
                    let revoked = link.revoked.map { "\ttaken back by \($0)" } ?? ""
                    return "link\t\(link.sequence)\t\(link.verb)\t\(link.from.column) -> \(link.to.column)\t"
                        + "\(link.time ?? "-")\(revoked)"
                }
        }
    }
}

extension [String] {
    /// The words with commas between, or a hyphen for none.
    fileprivate var listed: String { isEmpty ? "-" : joined(separator: ",") }
}
