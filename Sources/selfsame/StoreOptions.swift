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

    /// Closes the store after a change: that it cannot be closed does not undo what is done.
    func closeAfterChange() async {
        do {
            try await store.close()
        } catch {
            Console.note("Note: the change is made, but the store could not be closed: \(error)")
        }
    }

    /// The project with a number or a name; where none is named, the only project.
    ///
    /// - Throws: `ConfigurationError` that lists the projects.
    func project(_ named: String?) async throws -> ProjectRecord {
        let projects = try await store.projects()
        let list = projects.isEmpty ? "none" : projects.map { "\($0.id) (\($0.name))" }.joined(separator: ", ")
        guard let named else {
            guard projects.count == 1, let project = projects.first else {
                throw ConfigurationError(
                    "Name a project with --project or \(ProjectOption.variable). Projects: \(list)")
            }
            return project
        }
        if let project = projects.first(where: { $0.id.description == named }) { return project }
        // Byte for byte: texts that look the same may be two projects.
        let found = projects.filter { Array($0.name.utf8) == Array(named.utf8) }
        guard let project = found.first else {
            throw ConfigurationError(
                "There is no project \(named)\(Spelling.question(named, among: projects.map(\.name))). "
                    + "Projects: \(list)")
        }
        guard found.count == 1 else {
            throw ConfigurationError("Several projects are called \(named); give the number. Projects: \(list)")
        }
        return project
    }
}

/// Which project a command is about.
struct ProjectOption: ParsableArguments {
    /// The variable that names the project where no option does.
    static let variable = Setting.projectVariable

    @Option(
        name: .customLong("project"),
        help: ArgumentHelp(
            "The project's number or name (\(variable)); may be left out where there is only one.",
            valueName: "project"))
    private var given: String?

    /// The number or the name that was given; nil for none.
    var project: String? { Self.project(given) }

    /// What is given on the command line, or by the variable.
    static func project(_ given: String?) -> String? {
        if let given { return given }
        let variable = ProcessInfo.processInfo.environment[Self.variable]
        return variable?.isEmpty == false ? variable : nil
    }
}
