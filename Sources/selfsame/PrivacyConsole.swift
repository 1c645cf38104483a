import ArgumentParser
import Foundation
import IdentityEngine
import IdentityServer
import IdentityStore
import Logging

/// What deletions and retrievals have in common: they go through the queue that HTTP's go through.
///
/// Where a server runs on the data directory, it works them off; where none does, this process does, with the lock of
/// the directory for as long as that takes.
struct PrivacyConsole {
    /// How often to look how a task stands.
    private static let interval = Duration.milliseconds(100)

    let directory: OpenedDirectory
    let project: ProjectRecord
    let files: RetrievalFiles
    private let target: QueryTarget
    private let settings: Configuration.Privacy
    private let queue: PrivacyQueue

    init(_ target: QueryTarget) async throws {
        self.target = target
        directory = try target.store.open(for: .writing)
        settings = try target.store.configuration().privacy
        project = try await directory.project(target.project.project)
        files = RetrievalFiles(in: directory.directory)
        queue = PrivacyQueue(store: directory.store, clock: ServerClock(), taskLimit: settings.taskLimit)
    }

    /// Takes a task.
    func add(_ kind: PrivacyTask.Kind, of ids: [String], law: PrivacyTask.ComplianceType) async throws -> PrivacyTask {
        do throws(PrivacyQueue.Refusal) {
            return try await queue.add(
                kind, of: ids.map { DistinctID($0) }, in: project.id, law: law, requestedBy: "command")
        } catch {
            throw ConfigurationError(error.description)
        }
    }

    /// The task of this project with a tracking id.
    func task(_ trackingID: String, _ kind: PrivacyTask.Kind) async throws -> PrivacyTask {
        guard let task = try await directory.store.privacyTask(trackingID), task.kind == kind,
            task.project == project.id
        else { throw ConfigurationError("There is no such task in project \(project.id) (\(project.name)).") }
        return task
    }

    /// Takes a task back that has not begun, or the file of a retrieval away.
    func cancel(_ task: PrivacyTask) async throws {
        guard try await queue.cancel(task, files: files) else {
            throw ConfigurationError("The task has begun or is done, and cannot be taken back.")
        }
    }

    /// Whether a task waits before it begins, so that it can be taken back.
    var isDelayed: Bool { settings.deletionDelaySeconds > 0 }

    /// Waits for the end of a task, and works on it where no server does.
    ///
    /// An error does not take the task back, so that what becomes of it is said too.
    ///
    /// - Returns: the task as it ended.
    func finish(_ task: PrivacyTask) async throws -> PrivacyTask {
        do {
            return try await waitForEnd(of: task)
        } catch {
            let (name, command) = task.kind == .deletion ? ("Deletion", "delete") : ("Retrieval", "retrieve")
            Console.note(
                "\(name) \(task.trackingID) stays queued, and the server does it when it runs. Until it has begun, "
                    + "`selfsame \(command) --cancel \(task.trackingID)` takes it back.")
            throw error
        }
    }

    private func waitForEnd(of task: PrivacyTask) async throws -> PrivacyTask {
        var isTold = false
        var isTried = false
        while true {
            let current = try await self.task(task.trackingID, task.kind)
            if !PrivacyTask.State.open.contains(current.state) { return current }
            if isTried || isTold { try await Task.sleep(for: Self.interval) }
            if try await workWhereNobodyElseDoes(on: task) {
                isTried = true
            } else if !isTold {
                Console.note("The running server does it; ending this command does not end that.")
                isTold = true
            }
        }
    }

    /// Works off what is due, with the lock of the directory and a store that is opened under it.
    ///
    /// - Parameter task: the one whose errors count; those of others are written, and are the server's to try again.
    /// - Returns: false where another process has the lock.
    /// - Throws: where the directory cannot be worked on, or that task fails.
    private func workWhereNobodyElseDoes(on task: PrivacyTask) async throws -> Bool {
        let lock: DataDirectoryLock
        do throws(StoreError) {
            lock = try DataDirectoryLock(directory: directory.directory.path)
        } catch {
            guard error.code == .busy else { throw error }
            return false
        }
        defer { lock.release() }
        let own = try target.store.open(for: .owning)
        let logger = Logger(label: "selfsame") { StreamLogHandler.standardError(label: $0) }
        // No credential is checked here, so that the work needs no key of the store, which may be lost.
        let projects = try await ProjectDirectory.load(
            from: own.store, secretKey: SecretKey(),
            residency: Residency(regions: [], hosts: []), logger: logger)
        let worker = PrivacyWorker(
            store: own.store, directory: projects, clock: ServerClock(), files: files, settings: settings,
            rejections: nil, logger: logger)
        _ = try await worker.workOffOnce(for: task.trackingID)
        try await own.store.close()
        return true
    }

    /// Writes how a task stands.
    static func write(_ task: PrivacyTask, isJSON: Bool) throws {
        if isJSON { return try Console.write(line: PrivacyText.status(of: task, link: "")) }
        Console.write("\(task.kind == .deletion ? "deletion" : "retrieval") \(task.trackingID): \(task.state.text)")
    }
}

/// The options of both commands.
struct PrivacyOptions: ParsableArguments {
    @Option(name: .long, help: "The law that is referred to: gdpr or ccpa.")
    var law: PrivacyTask.ComplianceType = .gdpr

    @Flag(name: .long, help: "Do not wait for the end: say the task's number, and leave the task to the server.")
    var noWait = false

    @Option(name: .long, help: ArgumentHelp("Say how a task stands, and do nothing else.", valueName: "task"))
    var status: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Take a task back that has not begun, and do nothing else.", valueName: "task"))
    var cancel: String?

    /// - Throws: where ids are given beside a task, or neither is.
    func check(_ ids: [String]) throws {
        if [!ids.isEmpty, status != nil, cancel != nil].count(where: \.self) != 1 {
            throw ValidationError("Give either ids, or --status or --cancel with a task.")
        }
    }

    /// Does what is asked of a task that is there already.
    ///
    /// - Returns: whether that was all.
    func answer(_ console: PrivacyConsole, _ kind: PrivacyTask.Kind, isJSON: Bool) async throws -> Bool {
        guard let trackingID = status ?? cancel else { return false }
        var task = try await console.task(trackingID, kind)
        if cancel != nil {
            try await console.cancel(task)
            task = try await console.task(trackingID, kind)
        }
        try PrivacyConsole.write(task, isJSON: isJSON)
        return true
    }
}

extension PrivacyTask.ComplianceType: ExpressibleByArgument {}
