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
                "A project's number and the role in it: owner, admin, analyst or consumer. May be repeated.",
                valueName: "number=role"))
        var role: [String] = []

        @OptionGroup var store: StoreOptions

        func run() async throws {
            let directory = try store.open()
            let made = try await directory.setup().makeAccount(username: username, roles: try roles())
            Console.write("username: \(made.account.username)\nsecret: \(made.secret)")
            try await directory.store.close()
        }

        private func roles() throws -> [ProjectID: AccountRole] {
            var roles: [ProjectID: AccountRole] = [:]
            for text in role {
                let parts = text.split(separator: "=", maxSplits: 1)
                guard parts.count == 2, let number = Int64(parts[0]), let role = AccountRole(rawValue: String(parts[1]))
                else {
                    throw ValidationError(
                        "--role takes number=role, where role is owner, admin, analyst or consumer; got \"\(text)\"")
                }
                roles[ProjectID(number)] = role
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
            let directory = try store.open()
            for account in try await directory.store.accounts() {
                let roles = account.roles.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.rawValue)" }
                Console.write("\(account.username)\t\(roles.joined(separator: " "))")
            }
            try await directory.store.close()
        }
    }
}
