import ArgumentParser
import IdentityEngine
import IdentityServer
import IdentityStore

/// `selfsame account`.
struct AccountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "account",
        abstract: "Make and list service accounts.",
        discussion: """
            A running server takes changes up within a second.

            EXAMPLE
              selfsame account create ci.111111.mp-service-account --role 1=admin
            """,
        subcommands: [Create.self, List.self])

    /// `selfsame account create`.
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a service account with a fresh secret.",
            discussion: """
                Requests name it by Basic authentication, with the project in the query: ?project_id=NUMBER. Owner \
                and admin may import and change identities; analyst and consumer may read.

                EXAMPLE
                  selfsame account create ci.111111.mp-service-account --role 1=admin --role 2=analyst
                """)

        @Argument(help: "The account's name.")
        var username: String

        @Option(
            name: .long,
            help: ArgumentHelp(
                "A project's number or name, and the role in it: owner, admin, analyst or consumer. May be repeated.",
                valueName: "project=role"))
        var role: [String] = []

        @OptionGroup var store: StoreOptions

        func run() async throws {
            let directory = try store.open(for: .writing)
            let made = try await directory.setup().makeAccount(
                username: username, roles: try await roles(in: directory))
            Console.write("username: \(made.account.username)\nsecret: \(made.secret)")
            await directory.closeAfterChange()
        }

        private func roles(in directory: OpenedDirectory) async throws -> [ProjectID: AccountRole] {
            var roles: [ProjectID: AccountRole] = [:]
            for text in role {
                // A name may hold the sign too, and a role does not.
                guard let equals = text.lastIndex(of: "="), equals > text.startIndex,
                    let role = AccountRole(rawValue: String(text[text.index(after: equals)...]))
                else {
                    throw ConfigurationError(
                        "--role takes project=role, where role is owner, admin, analyst or consumer; got \"\(text)\"")
                }
                roles[try await directory.project(String(text[..<equals])).id] = role
            }
            return roles
        }
    }

    /// `selfsame account list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List service accounts.",
            discussion: """
                One line each: name, then roles as number=role. Secrets are kept nowhere.

                EXAMPLE
                  selfsame account list --data /var/lib/selfsame
                """)

        @OptionGroup var store: StoreOptions

        func run() async throws {
            let directory = try store.open(for: .reading)
            for account in try await directory.store.accounts() {
                let roles = account.roles.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.rawValue)" }
                Console.write("\(account.username)\t\(roles.joined(separator: " "))")
            }
            try await directory.store.close()
        }
    }
}
