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
        if preview || mustAsk { for line in try await clusters(console) { Console.note(line) } }
        if preview { return }
        if mustAsk {
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

    /// A line for each cluster that an id is in.
    private func clusters(_ console: PrivacyConsole) async throws -> [String] {
        let (ids, project) = (ids.map { DistinctID($0) }, console.project.id)
        return try await console.directory.store.read {
            (snapshot: any StoreSnapshot) throws(StoreError) -> [String] in
            let identity = snapshot.identity(of: project)
            var lines: [String] = []
            var seen: Set<DistinctID> = []
            for id in ids {
                let resolved = try identity.resolve(id)
                guard seen.insert(resolved.canonicalID).inserted else { continue }
                var members: [String] = []
                if let node = try identity.node(for: id) {
                    try identity.forEachMember(ofRoot: try identity.root(of: node)) { member in
                        members.append(member.id.line)
                        return members.count < Self.memberLimit
                    }
                }
                if members.isEmpty { members = [id.line] }
                let more = Int(resolved.clusterSize) - members.count
                lines.append(
                    "cluster of \(resolved.canonicalID.line): \(members.joined(separator: ", "))"
                        + (more > 0 ? " and \(more) more" : ""))
            }
            return lines
        }
    }
}
