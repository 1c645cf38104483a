import Foundation
import IdentityEngine
import IdentityStore
import MixpanelWire
import Synchronization

/// `POST /identity/log`: lines of an export that begins with its log, taken as `selfsame import` takes them (P 7.1-8).
///
/// The body is the first line of the export, and any run of its other lines. What an earlier request brought is passed
/// over, so that a request may be sent again, and an export in pieces.
struct ReplayRoute: Sendable {
    /// The most rejections and warnings of an answer.
    private static let listLimit = 1000

    private let store: any Store
    private let directory: ProjectDirectory
    private let clock: ServerClock
    private let signal: LogSignal
    private let reservedIDs: ReservedIDs
    private let turn = ReplayTurn()

    init(
        store: any Store, directory: ProjectDirectory, clock: ServerClock, signal: LogSignal, limits: WireLimits
    ) {
        reservedIDs = limits.reservedIDs
        self.store = store
        self.directory = directory
        self.clock = clock
        self.signal = signal
    }

    func answer(_ query: QueryRequest) async throws -> WireResponse {
        if case .account(let name, let role) = query.access.kind, !role.mayWrite {
            throw AccessRefusal(
                status: 403,
                message: "insufficient role: this needs admin or owner, and \(name) is \(role.rawValue)")
        }
        guard turn.take(query.project) else {
            throw QueryFault(
                status: 429, message: "another log is being imported into this project; try again in a moment",
                retryAfterSeconds: 5)
        }
        defer { turn.giveBack(query.project) }
        // As it is stored by now: an earlier piece may have changed its rules.
        let project = try await store.projects().first { $0.id == query.project } ?? query.access.project
        let decoder = FileDecoder(
            project: project, clock: clock, acceptsMissingTime: true, reservedIDs: reservedIDs)
        let stream = RecordStream(
            query.request.body, name: "body", recordSizeLimitBytes: decoder.limits.eventBytes,
            nowMilliseconds: clock.nowMilliseconds)
        let notes = Notes()
        let report: ReplayReport
        do {
            guard let header = try stream.header() else {
                throw QueryFault.badRequest(
                    "the body must begin with the first line of an export of `selfsame export`; other records go to "
                        + "/import")
            }
            let replay = try await LogReplay(header, into: project, in: store, clock: clock)
            var moving = ExportImport(
                replay, store: store, decoder: decoder, listener: notes.listener, tally: Importer.Tally())
            try await moving.run(stream)
            report = ReplayReport(moving.tally, rejections: notes.rejections, warnings: notes.warnings)
        } catch let error as ConfigurationError {
            throw QueryFault.badRequest(error.message)
        }
        await directory.reload()
        let (id, store) = (query.project, store)
        let last = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> Int64 in
            try snapshot.lastSequence(of: id)
        }
        signal.advance(to: [id: last])
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Answer.json(Array(try encoder.encode(report)))
    }

    /// What is told of one request.
    private final class Notes {
        private(set) var rejections: [ReplayReport.Rejection] = []
        private(set) var warnings: [String] = []

        var listener: Importer.Listener {
            Importer.Listener(
                progress: { _ in },
                rejected: { [self] rejection in
                    guard rejections.count < ReplayRoute.listLimit else { return }
                    rejections.append(
                        ReplayReport.Rejection(
                            line: rejection.place.line, column: rejection.place.column, message: rejection.message))
                },
                warned: { [self] in if warnings.count < ReplayRoute.listLimit { warnings.append($0) } },
                isStopped: { Task.isCancelled })
        }
    }
}

/// Whose turn it is to import a log into a project: one request has it at a time.
private final class ReplayTurn: Sendable {
    private let projects = Mutex<Set<ProjectID>>([])

    func take(_ project: ProjectID) -> Bool { projects.withLock { $0.insert(project).inserted } }

    func giveBack(_ project: ProjectID) { projects.withLock { _ = $0.remove(project) } }
}
