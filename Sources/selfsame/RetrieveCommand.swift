import ArgumentParser
import Foundation
import IdentityServer
import IdentityStore

/// `selfsame retrieve`.
struct RetrieveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retrieve",
        abstract: "Write everything about ids, for privacy law.",
        discussion: """
            JSON lines: the cluster of each id, its log entries, profiles and events, as HTTP's retrievals have them. \
            They go to standard output, or to the file that --output names, which only its owner can read; the \
            server's own copy is then taken away. --json changes what is said of a task, with --status, --cancel, \
            --no-wait and --output; the lines are JSON in any case.

            EXAMPLES
              selfsame retrieve user-1 > user-1.jsonl
              selfsame retrieve user-1 --output user-1.jsonl --json
            """)

    @Argument(help: ArgumentHelp("The ids.", valueName: "id"))
    var ids: [String] = []

    @Option(name: .long, help: ArgumentHelp("The file to write; it must not be there yet.", valueName: "file"))
    var output: String?

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
        try await console.directory.store.close()
    }

    private func run(_ console: PrivacyConsole) async throws {
        if try await options.answer(console, .retrieval, isJSON: target.json) { return }
        // Before anything is retrieved that could not be written.
        let file = try output.map { try NewFile(path: $0) }
        let task = try await console.add(.retrieval, of: ids, law: options.law)
        if options.noWait {
            if target.json { return try Console.write(line: PrivacyText.created(task)) }
            return try PrivacyConsole.write(task, isJSON: false)
        }
        let end = try await console.finish(task)
        guard end.state == .available, let pieces = console.files.pieces(of: end.trackingID) else {
            throw ConfigurationError(
                "The retrieval came to nothing: it is larger than privacy.retrievalSizeLimitBytes, or was taken back.")
        }
        for try await piece in pieces {
            if let file { try file.write(piece) } else { try Console.write(bytes: piece) }
        }
        try file?.close()
        try await console.cancel(end)
        if output != nil { try PrivacyConsole.write(end, isJSON: target.json) }
    }
}

/// A file that is made anew, for its owner only.
private struct NewFile {
    private let handle: FileHandle

    init(path: String) throws {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw ConfigurationError("\(path) cannot be made: \(unsafe String(cString: strerror(errno)))")
        }
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    func write(_ bytes: [UInt8]) throws { try handle.write(contentsOf: Data(bytes)) }

    func close() throws {
        try handle.synchronize()
        try handle.close()
    }
}
