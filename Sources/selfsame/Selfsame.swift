import ArgumentParser

/// The command.
@main
struct Selfsame: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "selfsame",
        abstract: "An identity server for product analytics that speaks Mixpanel's API.",
        discussion: """
            Selfsame takes the events of any Mixpanel SDK, decides which distinct_ids are one someone, keeps the \
            events, and resolves every id to one canonical id, at once and for all earlier events too.

            Start with `selfsame serve`: on its first start it makes a project, prints the project's token, and \
            shows a first call to try. Everything is kept in one data directory (./data, or --data).

            EXAMPLES
              selfsame serve --port 8080 --data ./data
              selfsame serve --sandbox --config fixture.yaml
              selfsame project create "Web shop" --system original
              selfsame import events.ndjson.gz --project 1
              selfsame resolve user-1 4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e
              selfsame explain user-1 user-2
              selfsame unmerge --link 17 --preview
              selfsame export --from 2026-01-01 --to 2026-01-31
              selfsame verify
            """,
        version: "0.1.0",
        subcommands: [
            Serve.self, ProjectCommand.self, AccountCommand.self, Resolve.self, ExplainCommand.self,
            UnmergeCommand.self, RestoreCommand.self, BlocksCommand.self, ExportCommand.self, ImportCommand.self,
            VerifyCommand.self,
        ])
}
