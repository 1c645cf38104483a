import ArgumentParser
import IdentityServer
import IdentityStore

/// `selfsame import`.
struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Import files of events, through the same code as /import.",
        discussion: """
            A file holds one JSON object a line (NDJSON), one JSON array, or objects one after another; it may be \
            compressed with gzip. Identity operations in it are decided in the order of the file.

            An import that was stopped can simply be run again: nothing is added twice. For that, a record without \
            $insert_id gets one made of the hash of its content and its ordinal among identical records of the file. \
            A record without time is rejected, unless --time-now says to take it: it then gets the time at which the \
            file was last changed, which is the same on every run that finds the file unchanged.

            Rejected records are named on standard error; the status is then 1. The data directory must not be in \
            use by a running server: send the file to its /import endpoint instead.

            With --dry-run nothing is stored: what would become of the records is told instead, and a running server \
            does not matter. All files are decided in order over one state of the store, whose sequence is told. \
            Memory is taken for the ids that identity operations name, and the server keeps what it writes meanwhile \
            beside its file until the dry run is over.

            EXAMPLES
              selfsame import events.ndjson
              selfsame import january.json.gz february.json.gz --project 1001
              selfsame import --dry-run events.ndjson
            """)

    /// The most rejected records that are named one by one.
    static let namedRejectionLimit = 20

    @Argument(help: ArgumentHelp("The files.", valueName: "file"))
    var files: [String]

    @Flag(name: .long, help: "Take records without time.")
    var timeNow = false

    @Flag(name: .long, help: "Tell what would happen, and store nothing.")
    var dryRun = false

    @OptionGroup var project: ProjectOption
    @OptionGroup var store: StoreOptions

    func run() async throws {
        if dryRun { return try await runDry() }
        // Before the store is opened: a server that runs on it must not find another process there.
        let (_, lock) = try store.own()
        let directory = try store.open(for: .owning)
        let project = try await directory.project(project.project)
        let importer = Importer(
            store: directory.store, project: project, clock: ServerClock(), acceptsMissingTime: timeNow)
        var total: Int64 = 0
        for path in files { total += try RecordFile(path: path).sizeBytes }
        var tally = Importer.Tally()
        let progress = ImportProgress(totalBytes: total)
        var named = 0
        var failure: (any Error)?
        do {
            for path in files {
                try await importer.run(
                    path: path, tally: &tally, progress: { progress.show($0) },
                    rejected: { rejection in
                        named += 1
                        guard named <= Self.namedRejectionLimit else { return }
                        progress.note("\(rejection.path), record \(rejection.ordinal): \(rejection.message)")
                    })
            }
        } catch {
            failure = error
        }
        progress.finish()
        if named > Self.namedRejectionLimit {
            Console.note("and \(named - Self.namedRejectionLimit) more rejected records")
        }
        Console.write(
            "\(tally.read) records read, \(tally.stored) stored, \(tally.rejected) rejected; "
                + "merged=\(tally.merged), unchanged=\(tally.unchanged), refused=\(tally.refused)")
        try await directory.store.close()
        lock.release()
        if let failure { throw failure }
        if tally.rejected > 0 { throw ExitCode(1) }
    }
}
