import ArgumentParser
import IdentityEngine
import IdentityServer
import IdentityStore
import MixpanelWire

/// `selfsame explain`.
struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Show why two ids are one someone, or why they are two.",
        discussion: """
            Where they are one: the shortest chain of links between them, as a tree, each link with its number, time \
            and sender. Where they are two: every refused operation that names one of them, what to do about it, and \
            what would join them now.

            EXAMPLES
              selfsame explain user-1 4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e
              selfsame explain user-1 user-2 --as-of 2026-01-31T12:00:00Z
            """)

    /// The most refusals that are written.
    private static let refusalLimit = 50

    /// The deepest that the tree is indented.
    private static let depthLimit = 40

    @Argument(help: ArgumentHelp("One id.", valueName: "id"))
    var first: String

    @Argument(help: ArgumentHelp("The other.", valueName: "id"))
    var second: String

    @OptionGroup var moment: MomentOption
    @OptionGroup var target: QueryTarget

    func run() async throws {
        if target.json {
            let options = [StoreQueries.Option](given: ["from": first, "to": second, "as_of": moment.asOf])
            let line = try await target.ask(asOf: moment.asOf) { try await $0.json(.explain, options) }
            return try Console.write(line: line)
        }
        let directory = try target.store.open(for: MomentOption.access(asOf: moment.asOf))
        let project = try await directory.project(target.project.project)
        let asOf = try await moment.sequence(in: project, of: directory.store)
        let (from, to) = (DistinctID(first), DistinctID(second))
        let explanation = try await directory.store.read {
            (snapshot: any StoreSnapshot) throws(StoreError) -> Explanation in
            try snapshot.explanation(
                from: from, to: to, in: project.id, by: project.rules, asOf: asOf, refusalsAfter: 0,
                limit: Self.refusalLimit)
        }
        try await directory.store.close()
        if let path = explanation.path {
            writeTree(path, explanation)
        } else {
            writeRefusals(explanation, reserved: try target.store.configuration().reservedIDs)
        }
    }

    private func writeTree(_ path: [Explanation.Step], _ explanation: Explanation) {
        Console.write("one: \(explanation.resolved[0].canonicalID.line)")
        Console.write(explanation.from.line)
        var current = explanation.from
        for (depth, step) in path.enumerated() {
            // What is deeper stays at one depth, so that a long chain can be read, and its text grows no faster.
            let indent = String(repeating: "   ", count: min(depth, Self.depthLimit))
            let other = step.from == current ? step.to : step.from
            let role = step.from == current ? "of" : "for"
            Console.write("\(indent)└─ \(ExplanationLine.text(of: step, role: role))")
            Console.write("\(indent)   \(other.line)")
            current = other
        }
        if let block = explanation.block {
            Console.write("The unmerge \(block.sequence) parted these two; other links join them all the same.")
        }
    }

    private func writeRefusals(_ explanation: Explanation, reserved: ReservedIDs) {
        let names = explanation.resolved.map { "\($0.canonicalID.line) (\($0.clusterSize))" }
        Console.write("two: \(names.joined(separator: ", "))")
        if let hint = explanation.hint(reserved: reserved) { Console.write(hint.escapingControls(except: [])) }
        for parted in explanation.parted {
            Console.write(
                "The unmerge \(parted.revoked) took back link \(parted.link.sequence): \(parted.link.verb.name) of "
                    + "\(parted.from.line) for \(parted.to.line)")
        }
        for entry in explanation.refusals { Console.write(ExplanationLine.text(of: entry)) }
        if explanation.next != nil { Console.write("… and more refusals: /identity/explain shows all") }
        for trial in explanation.possibleTrials(reserved: reserved) {
            let description = trial.failureDescription.map { ": \($0)" } ?? ""
            Console.write(
                "\(trial.event.verb.name) of \(trial.event.secondary.line) for \(trial.event.primary.line) now would "
                    + "be \(trial.decision.outcome.kind.rawValue)\(description)")
        }
    }
}

/// As of when a command looks at who is who.
struct MomentOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Who was who at this sequence, or at this time (2026-01-31T12:00:00Z).", valueName: "moment"))
    var asOf: String?

    /// What a command does with the store: a time that no entry has passed yet is settled before anything is told of
    /// it, which is a commit.
    static func access(asOf: String?) -> SQLiteOptions.Access {
        guard let asOf, let moment = try? PastMoment(asOf), case .time = moment else { return .reading }
        return .writing
    }

    /// The last sequence that counts; nil for now.
    func sequence(in project: ProjectRecord, of store: any Store) async throws -> Int64? {
        guard let asOf else { return nil }
        do {
            return try await PastMoment(asOf).sequence(
                in: project, of: store, nowMilliseconds: ServerClock().nowMilliseconds)
        } catch let fault as PastMoment.Fault {
            throw ConfigurationError(fault.description)
        }
    }
}
