import ArgumentParser
import IdentityEngine
import IdentityServer
import IdentityStore

/// `selfsame resolve`.
struct Resolve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the canonical id of each id.",
        discussion: """
            One line each, in the order given: the id, its canonical id, and how many ids its cluster holds, with \
            tabs between. An id that took part in no identity operation is its own canonical id.

            EXAMPLES
              selfsame resolve user-1 4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e
              selfsame resolve user-1 --as-of 2026-01-31T12:00:00Z
            """)

    @Argument(help: ArgumentHelp("The ids.", valueName: "id"))
    var ids: [String]

    @OptionGroup var moment: MomentOption
    @OptionGroup var project: ProjectOption
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let directory = try store.open()
        let project = try await directory.project(project.project)
        let asOf = try await moment.sequence(in: project, of: directory.store)
        let wanted = ids.map { DistinctID($0) }
        let lines = try await directory.store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> [String] in
            let identity = snapshot.identity(of: project.id)
            var lines: [String] = []
            for id in wanted {
                let resolved = try identity.resolve(id, asOf: asOf ?? .max)
                lines.append("\(id.line)\t\(resolved.canonicalID.line)\t\(resolved.clusterSize)")
            }
            return lines
        }
        for line in lines { Console.write(line) }
        try await directory.store.close()
    }
}
