import ArgumentParser
import Foundation
import IdentityEngine
import IdentityServer
import IdentityStore

/// `selfsame key`.
struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Replace the key under which secrets are kept.",
        discussion: """
            A store has no secret in the clear, only digests under the key in secret.key. Keep that file in every \
            backup: without it no secret works.

            EXAMPLE
              selfsame key replace --data /var/lib/selfsame
            """,
        subcommands: [Replace.self])

    /// `selfsame key replace`.
    struct Replace: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a new key, and a new secret for every project and account.",
            discussion: """
                For a store whose secret.key was lost, damaged or seen by others. Events, identities and profiles stay \
                as they are, and so do the tokens of projects. What ends is listed first, and asked about.

                The new secrets are written to new-secrets.txt in the data directory, which only its owner can read. \
                Projects and accounts that the file of --config gives secrets keep those. The server must be stopped.

                EXAMPLES
                  selfsame key replace --data /var/lib/selfsame
                  selfsame key replace --config /etc/selfsame.yaml --yes
                """)

        @Flag(name: .long, help: "Do not ask.")
        var yes = false

        @OptionGroup var store: StoreOptions

        func run() async throws {
            let configuration = try store.configuration()
            let (directory, lock) = try store.own()
            let opened = try SQLiteStore(path: directory.storePath, options: SQLiteOptions())
            let replacement = try await KeyReplacement(
                in: directory, of: opened, by: configuration, nowMilliseconds: ServerClock().nowMilliseconds)
            await tellWhatEnds(replacement)
            guard try isConfirmed() else {
                try await opened.close()
                throw ConfigurationError("nothing was changed")
            }
            let path = try await replacement.run()
            try await opened.close()
            lock.release()
            Console.write("The key is replaced. The new secrets are in \(path)")
        }

        private func tellWhatEnds(_ replacement: KeyReplacement) async {
            if await replacement.keyFits() {
                Console.note("The key of this store is there and fits: it need not be replaced unless others saw it.")
            }
            Console.note("A replacement ends:")
            for project in replacement.endingProjects {
                Console.note("  the secret of project \(project.id) (\(project.name.escapingControls(except: [])))")
            }
            for account in replacement.endingAccounts {
                Console.note("  the secret of the account \(account.username.escapingControls(except: []))")
            }
            Console.note("  every session_id of a query for profiles")
            Console.note("Tokens, events, identities and profiles stay as they are.")
        }

        private func isConfirmed() throws -> Bool {
            if yes { return true }
            guard isatty(STDIN_FILENO) == 1 else {
                throw ConfigurationError("nothing was changed: give --yes where nobody can be asked")
            }
            Console.note("Replace the key? Type yes: ", terminator: "")
            return readLine()?.trimmingCharacters(in: .whitespaces) == "yes"
        }
    }
}
