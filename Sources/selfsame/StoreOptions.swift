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

    /// The server's configuration, from the options, the variables and the configuration file.
    func configuration() throws -> Configuration {
        try Configuration.load(
            flags: data.map { ["store.directory": $0] } ?? [:],
            environment: ProcessInfo.processInfo.environment, filePath: config)
    }

    /// The data directory that the configuration names.
    func directory() throws -> DataDirectory {
        try DataDirectory(existing: try configuration().store.directory ?? "./data")
    }

    /// Opens the store that is there, or makes one with a first project, as a server's first start does; no other
    /// process may write in it meanwhile.
    ///
    /// - Parameters:
    ///   - project: which project is meant; of a new store, the number or the name that it gets.
    ///   - rules: the rules that a new project gets; nil for those of the configuration.
    /// - Returns: the store, the lock to release when it is closed, and the project.
    /// - Throws: `ConfigurationError`, and `StoreError` where another process has the lock.
    func openToWrite(
        project: ProjectOption, rules: MergeRules?
    ) async throws -> (directory: OpenedDirectory, lock: DataDirectoryLock, project: ProjectRecord) {
        let configuration = try self.configuration()
        let directory = try DataDirectory(path: configuration.store.directory ?? "./data")
        try directory.refuseSandboxMark()
        // Before the store is opened: a server that runs on it must not find another process there.
        let lock = try lock(directory)
        let store = try SQLiteStore(path: directory.storePath, options: SQLiteOptions())
        if try await store.projects().isEmpty {
            let setup = ProjectSetup(
                store: store, secretKey: try await directory.ownedSecretKey(of: store),
                nowMilliseconds: ServerClock().nowMilliseconds)
            try await setup.apply(configuration)
            if try await store.projects().isEmpty {
                let number = project.project.flatMap { Int64($0) }
                let made = try await setup.makeProject(
                    id: number.map { ProjectID($0) }, name: number == nil ? project.project ?? "first" : "first",
                    rules: rules ?? configuration.identity
                ) { try directory.writeFirstProject($0, secret: $1) }
                Console.note(
                    "A store was made in \(directory.path): project \(made.project.id), token \(made.project.token); "
                        + "its secret is in \(directory.firstProjectPath)")
            }
        }
        let opened = OpenedDirectory(directory: directory, store: store)
        return (opened, lock, try await opened.project(project.project))
    }

    /// Takes the lock of the data directory, and the directory away from other users of the machine.
    ///
    /// - Returns: the directory, and its lock, which is to be kept until the store is closed.
    /// - Throws: `ConfigurationError` or `StoreError`: `busy` where a server has the lock.
    func own() throws -> (directory: DataDirectory, lock: DataDirectoryLock) {
        let directory = try directory()
        return (directory, try lock(directory))
    }

    private func lock(_ directory: DataDirectory) throws -> DataDirectoryLock {
        let lock = try DataDirectoryLock(directory: directory.path)
        for path in try directory.close() { Console.note("Others could read \(path); they no longer can.") }
        return lock
    }

    /// Opens the store that is there, beside a server that may be running on it.
    ///
    /// Its tables must be of this version, and its write-ahead log is left to the server: both are changed only by who
    /// has the lock of the directory.
    ///
    /// - Parameter access: whether the command commits something.
    /// - Returns: the directory and its store.
    /// - Throws: `ConfigurationError` where there is no store, `StoreError` where it cannot be opened.
    func open(for access: SQLiteOptions.Access) throws -> OpenedDirectory {
        let directory = try directory()
        var options = SQLiteOptions()
        options.access = access
        return OpenedDirectory(
            directory: directory, store: try SQLiteStore(path: directory.storePath, options: options))
    }
}

/// A data directory and its store.
struct OpenedDirectory {
    let directory: DataDirectory
    let store: SQLiteStore

    func setup() async throws -> ProjectSetup {
        ProjectSetup(
            store: store, secretKey: try await directory.secretKey(of: store),
            nowMilliseconds: ServerClock().nowMilliseconds)
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
