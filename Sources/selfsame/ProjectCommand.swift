import ArgumentParser
import IdentityEngine
import IdentityServer
import IdentityStore

/// `selfsame project`.
struct ProjectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "project",
        abstract: "Make and list projects, and replace their secrets.",
        discussion: """
            A running server takes changes up within a second.

            EXAMPLE
              selfsame project create "Web shop"
            """,
        subcommands: [Create.self, List.self, Rotate.self])

    /// `selfsame project create`.
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a project with a fresh token and secret.",
            discussion: """
                The secret is printed once and kept nowhere: only its digest is stored. A project's identity system \
                cannot change once it holds data.

                EXAMPLES
                  selfsame project create "Web shop"
                  selfsame project create staging --id 1001 --system simplified
                """)

        @Argument(help: "The project's name.")
        var name: String

        @Option(
            name: .long,
            help: ArgumentHelp("The project's number; the next free one without it.", valueName: "number"))
        var id: Int64?

        @Option(
            name: .long,
            help: ArgumentHelp("Where its data is at home; anywhere without it.", valueName: "region"))
        var region: String?

        @Option(name: .long, help: "How ids are joined: original, simplified or legacy.")
        var system: IdentitySystem = .original

        @Option(
            name: .long,
            help: ArgumentHelp("The most ids in one cluster; 0 is no limit.", valueName: "size"))
        var maxClusterSize = MergeRules.defaultMaxClusterSize

        @Option(name: .long, help: "Which anonymous ids $identify accepts: mixpanel, uuid4 or any.")
        var anonForm: AnonymousForm = .mixpanel

        @OptionGroup var store: StoreOptions

        func validate() throws {
            guard MergeRules.isAllowed(maxClusterSize: maxClusterSize) else {
                throw ValidationError("--max-cluster-size must be 0, or a number from 2 to 1000000000.")
            }
            if let region, !Residency.isRegion(region) {
                throw ValidationError("--region must be at most 32 lower-case letters, digits and hyphens, like eu.")
            }
            if let id, id < 1 { throw ValidationError("--id must be at least 1.") }
        }

        func run() async throws {
            let directory = try store.open(for: .writing)
            let rules = MergeRules(system: system, maxClusterSize: maxClusterSize, anonymousForm: anonForm)
            let made = try await directory.setup().makeProject(
                id: id.map { ProjectID($0) }, name: name, rules: rules, region: region)
            Console.write("project: \(made.project.id)\ntoken: \(made.project.token)\nsecret: \(made.secret)")
            await directory.closeAfterChange()
        }
    }

    /// `selfsame project list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List projects.",
            discussion: """
                One line each: number, name, identity system, token, and the region where there is one. Secrets are \
                kept nowhere.

                EXAMPLE
                  selfsame project list --data /var/lib/selfsame
                """)

        @OptionGroup var store: StoreOptions

        func run() async throws {
            let directory = try store.open(for: .reading)
            for project in try await directory.store.projects() {
                Console.write(
                    "\(project.id)\t\(project.name)\t\(project.rules.system.rawValue)\t\(project.token)"
                        + (project.region.map { "\t\($0)" } ?? ""))
            }
            try await directory.store.close()
        }
    }

    /// `selfsame project rotate`.
    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a project a new secret.",
            discussion: """
                The old secret stops working, on a running server within a second. The new one is printed once.

                EXAMPLE
                  selfsame project rotate "Web shop"
                """)

        @Argument(help: "The project's number or name; without it, what SELFSAME_PROJECT names.")
        var project: String?

        @OptionGroup var store: StoreOptions

        func run() async throws {
            guard let named = ProjectOption.project(project) else {
                throw ConfigurationError("Name the project whose secret is to be replaced, by its number or its name.")
            }
            let directory = try store.open(for: .writing)
            let project = try await directory.project(named)
            let rotated = try await directory.setup().rotateSecret(of: project.id)
            // First: the old secret works no more, and the new one is kept nowhere.
            Console.write("project: \(rotated.project.id)\nsecret: \(rotated.secret)")
            do {
                try directory.directory.updateFirstProject(rotated.project, secret: rotated.secret)
            } catch {
                Console.note("Note: the secret is changed, but first-project.txt still has the old one: \(error)")
            }
            await directory.closeAfterChange()
        }
    }
}

extension IdentitySystem: ExpressibleByArgument {}
extension AnonymousForm: ExpressibleByArgument {}
