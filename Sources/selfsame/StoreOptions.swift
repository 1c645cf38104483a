import ArgumentParser
import Foundation
import IdentityEngine
import IdentityServer
import IdentityStore

/// The options of every command that works on a data directory.
struct StoreOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("The data directory of the server (store.directory).", valueName: "directory"))
    var data: String?

    @Option(
        name: .long,
        help: ArgumentHelp("The server's configuration file, for its store.directory.", valueName: "file"))
    var config: String?

    /// The server's settings, from the options, the variables and the configuration file.
    func configuration() throws -> Configuration {
        let flags = data.map { ["store.directory": $0] } ?? [:]
        return try Configuration.load(
            flags: flags, environment: ProcessInfo.processInfo.environment, filePath: config)
    }

    /// The data directory.
    func directory() throws -> DataDirectory {
        try DataDirectory(existing: configuration().store.directory ?? "./data")
    }

    /// Opens the store that is there.
    func open() throws -> OpenedDirectory {
        let directory = try directory()
        let size = try FileManager.default.attributesOfItem(atPath: directory.storePath)[.size] as? Int
        guard size != 0 else {
            throw ConfigurationError(
                "\(directory.storePath) is empty; restore a backup, or let the server make it anew")
        }
        let store = try SQLiteStore(path: directory.storePath, options: SQLiteOptions())
        return OpenedDirectory(directory: directory, store: store)
    }
}

/// A data directory and its store.
struct OpenedDirectory {
    let directory: DataDirectory
    let store: any Store

    func setup() throws -> ProjectSetup {
        ProjectSetup(
            store: store, secretKey: try directory.secretKey(), nowMilliseconds: ServerClock().nowMilliseconds)
    }

    /// The project with a number; without one, the only project.
    ///
    /// - Throws: `ValidationError` that lists the projects.
    func project(_ number: Int64?) async throws -> ProjectRecord {
        let projects = try await store.projects()
        let list = projects.map { "\($0.id) (\($0.name))" }.joined(separator: ", ")
        if let number {
            guard let project = projects.first(where: { $0.id.rawValue == number }) else {
                throw ValidationError("There is no project \(number). Projects: \(list.isEmpty ? "none" : list)")
            }
            return project
        }
        guard projects.count == 1, let project = projects.first else {
            throw ValidationError("Name a project with --project. Projects: \(list.isEmpty ? "none" : list)")
        }
        return project
    }
}

/// Which project a command is about.
struct ProjectOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("The project's number; may be left out where there is only one.", valueName: "number"))
    var project: Int64?
}
