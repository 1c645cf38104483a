import ArgumentParser
import Foundation
import IdentityEngine
import IdentityServer
import IdentityStore

/// `selfsame delete`.
struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete everything about ids, for privacy law.",
        discussion: """
            The whole cluster of each id goes: ids, events, profiles, log entries, and what SQLite leaves of them in \
            the file. It cannot be undone. On a terminal it asks first, unless --yes is given; --preview says what \
            would go, and deletes nothing.

            Where a server runs on the data directory, it does the work, and this command waits for the end of it.

            EXAMPLES
              selfsame delete user-1 --preview
              selfsame delete user-1 user-2 --yes
              selfsame delete --status 8a1f…
            """)

    /// The most members that are named.
    private static let memberLimit = 20

    @Argument(help: ArgumentHelp("The ids.", valueName: "id"))
    var ids: [String] = []

    @Flag(name: .long, help: "Say what would be deleted, and delete nothing.")
    var preview = false

    @Flag(name: .long, help: "Do not ask.")
    var yes = false

    @OptionGroup var options: PrivacyOptions
    @OptionGroup var target: QueryTarget

    func validate() throws { try options.check(ids) }

    func run() async throws {
        let console = try await PrivacyConsole(target)
        do {
            try await run(console)
        } catch {
            try? await console.directory.store.close()
            throw error
        }
        await console.directory.closeAfterChange()
    }

    private func run(_ console: PrivacyConsole) async throws {
        if try await options.answer(console, .deletion, isJSON: target.json) { return }
        let mustAsk = !yes && !preview && Console.isInputTerminal
        if preview { return try write(try await clusters(console)) }
        if mustAsk {
            for cluster in try await clusters(console) { Console.note(cluster.line) }
            Console.note("Delete this for ever? Type yes: ", terminator: "")
            guard readLine() == "yes" else { throw ConfigurationError("Nothing was deleted.") }
        }
        let task = try await console.add(.deletion, of: ids, law: options.law)
        guard !options.noWait, !console.isDelayed else {
            if target.json { return try Console.write(line: PrivacyText.created(task)) }
            return try PrivacyConsole.write(task, isJSON: false)
        }
        let end = try await console.finish(task)
        try PrivacyConsole.write(end, isJSON: target.json)
        if end.state != .succeeded { throw ExitCode(1) }
    }

    /// A cluster that a deletion would take.
    private struct Cluster: Encodable {
        let canonicalID: String
        let size: Int64
        /// The first of its ids.
        let members: [String]

        private enum CodingKeys: String, CodingKey {
            case canonicalID = "canonical_id"
            case size
            case members
        }

        var line: String {
            let more = Int(size) - members.count
            return "cluster of \(canonicalID): \(members.joined(separator: ", "))"
                + (more > 0 ? " and \(more) more" : "")
        }
    }

    private struct Preview: Encodable {
        let clusters: [Cluster]
    }

    private func write(_ clusters: [Cluster]) throws {
        guard target.json else {
            for cluster in clusters { Console.write(cluster.line) }
            return
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try Console.write(line: Array(try encoder.encode(Preview(clusters: clusters))))
    }

    /// Each cluster that an id is in.
    private func clusters(_ console: PrivacyConsole) async throws -> [Cluster] {
        let (ids, project, isJSON) = (ids.map { DistinctID($0) }, console.project.id, target.json)
        return try await console.directory.store.read {
            (snapshot: any StoreSnapshot) throws(StoreError) -> [Cluster] in
            let text = { (id: DistinctID) in isJSON ? id.description : id.line }
            let identity = snapshot.identity(of: project)
            var clusters: [Cluster] = []
            var seen: Set<DistinctID> = []
            for id in ids {
                let resolved = try identity.resolve(id)
                guard seen.insert(resolved.canonicalID).inserted else { continue }
                var members: [String] = []
                if let node = try identity.node(for: id) {
                    try identity.forEachMember(ofRoot: try identity.root(of: node)) { member in
                        members.append(text(member.id))
                        return members.count < Self.memberLimit
                    }
                }
                if members.isEmpty { members = [text(id)] }
                clusters.append(
                    Cluster(
                        canonicalID: text(resolved.canonicalID), size: Int64(resolved.clusterSize), members: members))
            }
            return clusters
        }
    }
}
