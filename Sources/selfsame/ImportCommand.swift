import ArgumentParser
import IdentityEngine
import IdentityServer
import IdentityStore

/// `selfsame import`.
struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Import files of events, through the same code as /import.",
        discussion: """
            A file holds one JSON object a line (NDJSON), one JSON array, or objects one after another; it may be \
            compressed with gzip. - is standard input. What /import takes in its forgiving form is taken: strict \
            checks are for clients that can mend what they send.

            What `selfsame export` wrote is replayed: the log first, operation by operation, with unmerges, restores \
            and changes of rules, so that an empty project ends with the same clusters and canonical ids. Of other \
            files, Mixpanel's raw export or ours over HTTP, identity operations are taken first, in the order in which \
            they came there, then the other events; standard input is taken as it comes.

            An import that was stopped, by Ctrl-C too, can simply be run again: nothing is added twice. For that, a \
            record without $insert_id gets one made of the hash of its content and its ordinal among identical records \
            of the file. A record without time is rejected, unless --time-now says to take it: it then gets the time \
            at which the file was last changed, which is the same on every run that finds the file unchanged.

            Rejected records are named on standard error, by line and column; the status is then 1. A directory that \
            holds no store gets one, with a first project, as from the server. The directory must not be in use by a \
            running server: give that one's address with --url, and its secret in SELFSAME_SECRET, in a file with \
            --secret-file, or an account's as account:secret.

            With --profiles the files hold profiles: lines of `selfsame export --profiles`, of Mixpanel's engage \
            export, or updates as /engage and /groups take them.

            With --dry-run nothing is stored: what would become of the records is told instead, and a running server \
            does not matter. All files are decided in order over one state of the store, whose sequence is told. \
            Memory is taken for the ids that identity operations name, and the server keeps what it writes meanwhile \
            beside its file until the dry run is over.

            EXAMPLES
              selfsame import events.ndjson
              selfsame import january.json.gz february.json.gz --project 1001
              zcat events.ndjson.gz | selfsame import - --url https://id.example.com
              selfsame import --profiles profiles.jsonl
              selfsame import --dry-run events.ndjson
            """)

    /// The most rejected records that are named one by one.
    static let namedRejectionLimit = 20

    @Argument(help: ArgumentHelp("The files; - for standard input.", valueName: "file"))
    var files: [String]

    @Flag(name: .long, help: "Take records without time.")
    var timeNow = false

    @Flag(name: .long, help: "The files hold profiles, not events.")
    var profiles = false

    @Flag(name: .long, help: "Tell what would happen, and store nothing.")
    var dryRun = false

    @OptionGroup var remote: RemoteOptions
    @OptionGroup var project: ProjectOption
    @OptionGroup var store: StoreOptions

    func validate() throws {
        if dryRun, profiles { throw ValidationError("--dry-run tells of events only; leave out --profiles.") }
        if dryRun, remote.url != nil {
            throw ValidationError("--dry-run looks at a data directory; leave out --url, or ask /identity/preview.")
        }
        if files.count(where: { $0 == RecordFile.standardInput }) > 1 {
            throw ValidationError("Standard input can be read once only.")
        }
    }

    func run() async throws {
        if dryRun { return try await runDry() }
        var total: Int64 = 0
        for path in files where path != RecordFile.standardInput { total += try RecordFile(path: path).sizeBytes }
        let console = ImportConsole(totalBytes: total)
        var tally = Importer.Tally()
        var failure: (any Error)?
        do {
            if let target = try remote.target(project: project) {
                try await send(to: target, &tally, console.listener)
            } else {
                try await store(&tally, console.listener)
            }
        } catch {
            failure = error
        }
        try console.finish(tally, failure)
    }

    /// Imports into a data directory, which gets a store where it has none.
    private func store(_ tally: inout Importer.Tally, _ listener: Importer.Listener) async throws {
        let opened = try await store.openToWrite(project: project, rules: try Importer.rules(of: files))
        let directory = opened.directory
        do {
            let project = opened.project
            if profiles {
                let importer = ProfileImporter(store: directory.store, project: project, clock: ServerClock())
                try await importer.run(files, tally: &tally, listener: listener)
            } else {
                let importer = Importer(
                    store: directory.store, project: project, clock: ServerClock(), acceptsMissingTime: timeNow,
                    reservedIDs: try store.configuration().reservedIDs)
                try await importer.run(files, tally: &tally, listener: listener)
            }
        } catch {
            try? await directory.store.close()
            opened.lock.release()
            throw error
        }
        try await directory.store.close()
        opened.lock.release()
    }

    /// Sends to a running server.
    private func send(
        to target: ImportTarget, _ tally: inout Importer.Tally, _ listener: Importer.Listener
    ) async throws {
        let importer = RemoteImporter(target, clock: ServerClock(), acceptsMissingTime: timeNow)
        try await importer.run(files, areProfiles: profiles, tally: &tally, listener: listener)
    }
}
