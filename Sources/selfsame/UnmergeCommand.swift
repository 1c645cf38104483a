import ArgumentParser
import IdentityEngine
import IdentityServer
import IdentityStore

/// `selfsame unmerge`.
struct UnmergeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmerge",
        abstract: "Take back one link, or every link of an id.",
        discussion: """
            The clusters afterwards are what the remaining links make of them: what came later stays, events and \
            profiles are seen under their own ids at once, and ids that other links keep together stay together. \
            `selfsame explain A B` and /identity/cluster show links with their numbers.

            The two ids of a link that is parted are blocked: an SDK that repeats its $identify for them joins nothing \
            (errLinkRevoked). `--keep-apart none` leaves that out. `selfsame restore` undoes an unmerge.

            EXAMPLES
              selfsame unmerge --link 17 --preview
              selfsame unmerge --link 17
              selfsame unmerge --id user-1
            """)

    @Option(name: .long, help: ArgumentHelp("The link to take back, by its sequence.", valueName: "sequence"))
    var link: Int64?

    @Option(name: .long, help: ArgumentHelp("The id whose links to take back.", valueName: "id"))
    var id: String?

    @Option(name: .long, help: "Whether parted pairs are blocked: pair or none.")
    var keepApart: KeepApart = .pair

    @Flag(name: .long, help: "Show what would happen, and change nothing.")
    var preview = false

    @OptionGroup var target: QueryTarget

    enum KeepApart: String, ExpressibleByArgument, CaseIterable {
        case pair
        case none
    }

    func validate() throws {
        if (link == nil) == (id == nil) { throw ValidationError("Give either --link or --id.") }
    }

    func run() async throws {
        let keepsApart = keepApart == .pair
        let request =
            id.map { AmendmentRequest.unmergeID(DistinctID($0), keepsApart: keepsApart) }
            ?? .unmergeLink(link ?? 0, keepsApart: keepsApart)
        try await AmendmentConsole.run(request, target, endpoint: .unmerge, isPreview: preview)
    }
}

/// `selfsame restore`.
struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Undo an unmerge.",
        discussion: """
            The links that the unmerge took back count again, and its blocks are lifted. An unmerge can be undone once.

            EXAMPLE
              selfsame restore 18
            """)

    @Argument(help: ArgumentHelp("The unmerge, by its sequence.", valueName: "sequence"))
    var unmerge: Int64

    @Flag(name: .long, help: "Show what would happen, and change nothing.")
    var preview = false

    @OptionGroup var target: QueryTarget

    func run() async throws {
        try await AmendmentConsole.run(.restore(unmerge), target, endpoint: .restore, isPreview: preview)
    }
}

/// `selfsame blocks`.
struct BlocksCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "blocks",
        abstract: "List the pairs that unmerges parted, or lift the block of one.",
        discussion: """
            One line each: the two ids, and the sequence of the unmerge, with tabs between.

            EXAMPLES
              selfsame blocks
              selfsame blocks --lift user-1 4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e
            """)

    @Flag(name: .long, help: "Lift the block of the two ids.")
    var lift = false

    @Option(name: .long, help: ArgumentHelp("Where the page before ended, with --json.", valueName: "next"))
    var after: String?

    @Argument(help: ArgumentHelp("The two ids, with --lift.", valueName: "id"))
    var ids: [String] = []

    @OptionGroup var target: QueryTarget

    func validate() throws {
        if lift != (ids.count == 2) || !lift && !ids.isEmpty {
            throw ValidationError("Give two ids with --lift, and none without.")
        }
    }

    func run() async throws {
        if lift {
            let request = AmendmentRequest.unblock(DistinctID(ids[0]), DistinctID(ids[1]))
            return try await AmendmentConsole.run(request, target, endpoint: .blocks, isPreview: false)
        }
        if target.json {
            let options = [StoreQueries.Option](given: ["after": after])
            return try Console.write(line: try await target.ask { try await $0.json(.blocks, options) })
        }
        let directory = try target.store.open(for: .reading)
        let project = try await directory.project(target.project.project)
        var last: NodePair?
        while true {
            let after = last
            let (lines, end) = try await directory.store.read {
                (snapshot: any StoreSnapshot) throws(StoreError) -> ([String], NodePair?) in
                let identity = snapshot.identity(of: project.id)
                var lines: [String] = []
                let blocks = try snapshot.blocks(in: project.id, after: after, limit: 1000)
                for block in blocks {
                    let ids = [try identity.id(of: block.pair.low), try identity.id(of: block.pair.high)]
                    lines.append((ids.map(\.line) + ["\(block.sequence)"]).joined(separator: "\t"))
                }
                return (lines, blocks.last?.pair)
            }
            for line in lines { Console.write(line) }
            guard let end else { break }
            last = end
        }
        try await directory.store.close()
    }
}

/// What commands that change links have in common.
enum AmendmentConsole {
    /// The most ids of a list that are written.
    private static let listLimit = 20

    static func run(
        _ request: AmendmentRequest, _ target: QueryTarget, endpoint: EventBatch.Endpoint, isPreview: Bool
    ) async throws {
        let directory = try target.store.open(for: isPreview ? .reading : .writing)
        let project = try await directory.project(target.project.project)
        let result = try await directory.store.amend(
            request, in: project, origin: EventBatch.Origin(endpoint: endpoint, principal: "command"),
            nowMilliseconds: ServerClock().nowMilliseconds, isPreview: isPreview)
        switch result {
        case .failure(let refusal):
            try await directory.store.close()
            throw ConfigurationError(refusal.description)
        case .success(let report):
            let limit = target.json ? AmendmentText.listLimit : listLimit
            var counts: [DistinctID: Int]?
            do {
                counts = try await directory.store.eventCounts(of: report, in: project.id, limit: limit)
            } catch {
                if isPreview { throw error }
                Console.note("Note: this is done, but the events that move could not be counted: \(error)")
            }
            if target.json {
                try Console.write(line: AmendmentText.json(report, eventCounts: counts, isPreview: isPreview))
            } else {
                write(report, counts ?? [:], isPreview: isPreview)
            }
            await directory.closeAfterChange()
        }
    }

    private static func write(_ report: AmendmentReport, _ counts: [DistinctID: Int], isPreview: Bool) {
        let verb = report.entry.amendment.verb.name
        Console.write(
            isPreview
                ? "\(verb), a preview: nothing is changed" : "\(verb) done, as sequence \(report.entry.sequence)")
        for link in report.links.prefix(listLimit) {
            Console.write("link    \(link.link.sequence) \(link.link.verb.name): \(link.from.line) -> \(link.to.line)")
        }
        for cluster in report.before.prefix(listLimit) { Console.write("before  \(text(of: cluster))") }
        for cluster in report.after.prefix(listLimit) { Console.write("after   \(text(of: cluster))") }
        for moved in report.moved.prefix(listLimit) {
            let events = counts[moved.id].map { ", \($0) events" } ?? ""
            Console.write("moved   \(moved.id.line): \(moved.from.line) -> \(moved.to.line)\(events)")
        }
        for link in report.stayingTogether.prefix(listLimit) {
            Console.write("stay together through other links: \(link.from.line), \(link.to.line)")
        }
        let word = report.entry.amendment.verb == .unmerge ? "blocked" : "unblocked"
        for pair in report.blocks.prefix(listLimit) {
            Console.write("\(word) \(pair.map(\.line).joined(separator: ", "))")
        }
        let longest = max(report.links.count, report.before.count, report.after.count, report.moved.count)
        if longest > listLimit { Console.write("… and more: /identity/unmerge shows up to 1,000 of each") }
    }

    private static func text(of cluster: AmendmentReport.Cluster) -> String {
        let others = cluster.members.filter { $0 != cluster.canonicalID }
        let shown = ([cluster.canonicalID] + others).prefix(listLimit).map(\.line)
        let rest = cluster.members.count - shown.count
        return shown.joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
    }
}
