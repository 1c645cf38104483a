import ArgumentParser
import IdentityServer

/// `selfsame resolve`.
struct Resolve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the canonical id of each id.",
        discussion: """
            One line each, in the order given: the id, its canonical id, and how many ids its cluster holds, with \
            tabs between. An id that took part in no identity operation is its own canonical id, and its line ends \
            with the word unknown.

            EXAMPLES
              selfsame resolve user-1 4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e
              selfsame resolve user-1 --as-of 2026-01-31T12:00:00Z
            """)

    @Argument(help: ArgumentHelp("The ids.", valueName: "id"))
    var ids: [String]

    @OptionGroup var moment: MomentOption
    @OptionGroup var target: QueryTarget

    func run() async throws {
        let options = ids.map { ("distinct_id", $0) } + [StoreQueries.Option](given: ["as_of": moment.asOf])
        try await target.answer(.resolve, options) { (answer: Answer) in answer.results.map(\.line) }
    }

    private struct Answer: Decodable {
        struct Result: Decodable {
            let id: String
            let canonicalID: String
            let size: Int64
            let known: Bool

            private enum CodingKeys: String, CodingKey {
                case id = "distinct_id"
                case canonicalID = "canonical_id"
                case size = "cluster_size"
                case known
            }

            var line: String {
                "\(id.column)\t\(canonicalID.column)\t\(size)" + (known ? "" : "\tunknown")
            }
        }

        let results: [Result]
    }
}
