import Foundation
import IdentityEngine
import IdentityStore
import MixpanelWire

/// Deletion and retrieval for privacy law, in the shape of Mixpanel's GDPR API (P 10-12).
struct PrivacyRoutes: Sendable {
    /// The most ids of one request.
    static let idLimit = 2_000
    private static let prefixes: [(path: String, kind: PrivacyTask.Kind)] = [
        ("/api/app/data-deletions/v3.0", .deletion), ("/api/app/data-retrievals/v3.0", .retrieval),
    ]

    private let store: any Store
    private let directory: ProjectDirectory
    private let clock: ServerClock
    private let worker: PrivacyWorker
    private let taskLimit: Int
    /// How links to files of this server begin.
    private let scheme: String

    init(
        store: any Store, directory: ProjectDirectory, clock: ServerClock, worker: PrivacyWorker, taskLimit: Int,
        isEncrypted: Bool
    ) {
        scheme = isEncrypted ? "https" : "http"
        self.store = store
        self.directory = directory
        self.clock = clock
        self.worker = worker
        self.taskLimit = taskLimit
    }

    /// What a path names: the kind of tasks, and one of them.
    struct Target: Hashable, Sendable {
        let kind: PrivacyTask.Kind
        var trackingID: String?
        var isDownload = false

        /// Nil for a path of another kind.
        ///
        /// - Parameter path: a path whose doubled and last slashes are gone.
        init?(path: String) {
            guard let (prefix, kind) = PrivacyRoutes.prefixes.first(where: { path.hasPrefix($0.path) }) else {
                return nil
            }
            self.kind = kind
            let rest = path.dropFirst(prefix.count)
            guard !rest.isEmpty else { return }
            let parts = rest.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
            guard rest.hasPrefix("/"), let id = parts.first, !id.isEmpty else { return nil }
            trackingID = id
            switch parts.count {
            case 1: return
            case 2 where parts[1] == "download" && kind == .retrieval: isDownload = true
            default: return nil
            }
        }

        /// The methods that it answers to.
        var methods: [WireMethod] {
            if trackingID == nil { return [.post] }
            return isDownload ? [.get, .head] : [.get, .head, .delete]
        }
    }

    /// Answers a request; faults are thrown, as queries throw them.
    func answer(_ request: WireRequest, _ target: Target) async throws -> Reply {
        let items = QueryItems(request.query, limit: 100)
        let isChange = request.method == .post || request.method == .delete
        let access = try await access(request, items, isChange: isChange || target.isDownload)
        guard let trackingID = target.trackingID else {
            return .whole(try await create(target.kind, request, access))
        }
        guard let task = try await store.privacyTask(trackingID), task.kind == target.kind,
            task.project == access.project.id
        else {
            if isChange || target.isDownload { return .whole(Answer.failure(404, "there is no such task")) }
            return .whole(Answer.json(PrivacyText.unknown()))
        }
        if target.isDownload { return try await download(task) }
        if request.method == .delete { return .whole(try await cancel(task)) }
        return .whole(Answer.json(PrivacyText.status(of: task, link: link(to: task, request, items))))
    }

    /// Checks the credential: the project's secret, or an account; one that may only read sees how tasks stand.
    private func access(_ request: WireRequest, _ items: QueryItems, isChange: Bool) async throws -> Access {
        var projectID = items.first("project_id").map { String(decoding: $0, as: UTF8.self) }
        if let token = items.first("token") {
            if directory.current.project(token: Array(token)) == nil { await directory.reloadIfStale() }
            guard let project = directory.current.project(token: Array(token)),
                projectID == nil || projectID == project.id.description
            else { throw AccessRefusal(status: 401, message: "Unauthorized, the token is of no project of yours") }
            projectID = project.id.description
        }
        let access = try await directory.access(
            Credentials(authorization: request.authorization), projectID: projectID, host: request.host,
            for: .reading)
        if isChange, case .account(let name, let role) = access.kind, !role.mayWrite {
            throw AccessRefusal(
                status: 403, message: "insufficient role: this needs admin or owner, and \(name) is \(role.rawValue)")
        }
        return access
    }

    private func create(
        _ kind: PrivacyTask.Kind, _ request: WireRequest, _ access: Access
    ) async throws -> WireResponse {
        var ids: [DistinctID]
        do {
            ids = try IdentityQuery.distinctIDs(fromJSON: request.body, limit: Self.idLimit)
        } catch {
            throw QueryFault.badRequest("\(error)")
        }
        var seen: Set<DistinctID> = []
        ids.removeAll { !seen.insert($0).inserted }
        guard !ids.isEmpty, !ids.contains(where: \.bytes.isEmpty) else {
            throw QueryFault.badRequest("distinct_ids must name at least one id, and no empty one")
        }
        let task = PrivacyTask(
            trackingID: SecretKey.makeSecret(), project: access.project.id, kind: kind,
            complianceType: try complianceType(request.body), requestedBy: access.principal,
            createdMilliseconds: clock.nowMilliseconds, distinctIDs: ids)
        guard try await store.add(task, openLimit: taskLimit) else {
            throw QueryFault(
                status: 429,
                message: "too many deletions and retrievals are open; wait for some, or delete files of "
                    + "retrievals that were fetched", retryAfterSeconds: 60)
        }
        worker.wake()
        return Answer.json(PrivacyText.created(task), status: 201)
    }

    /// The law that a body names; GDPR where it names none.
    private func complianceType(_ body: [UInt8]) throws -> PrivacyTask.ComplianceType {
        guard let options = try? JSONDecoder().decode(Options.self, from: Data(LooseUTF8.joined(body))),
            let type = PrivacyTask.ComplianceType(rawValue: (options.complianceType ?? "gdpr").lowercased())
        else { throw QueryFault.badRequest("compliance_type must be GDPR or CCPA") }
        guard (options.disclosureType ?? "data").lowercased() == "data" else {
            throw QueryFault.badRequest("disclosure_type must be Data: everything is delivered, and nothing less")
        }
        return type
    }

    private struct Options: Decodable {
        let complianceType: String?
        let disclosureType: String?

        private enum CodingKeys: String, CodingKey {
            case complianceType = "compliance_type"
            case disclosureType = "disclosure_type"
        }
    }

    /// Takes a task back that has not begun, or the file of a retrieval away.
    private func cancel(_ task: PrivacyTask) async throws -> WireResponse {
        var revoked = task
        revoked.distinctIDs = []
        revoked.finishedMilliseconds = clock.nowMilliseconds
        switch task.state {
        case .pending: revoked.state = .revoked
        case .available: revoked.state = .expired
        default: return Self.tooLate
        }
        guard try await store.replace(revoked, in: task.state) else { return Self.tooLate }
        if task.state == .available { try worker.files.remove(task.trackingID) }
        return WireResponse(status: 204)
    }

    private static var tooLate: WireResponse {
        var answer = Answer.failure(405, "the task has begun or is done, and cannot be taken back")
        answer.headers.append(("Allow", "GET, HEAD"))
        return answer
    }

    private func download(_ task: PrivacyTask) async throws -> Reply {
        guard task.state == .available, let pieces = worker.files.pieces(of: task.trackingID) else {
            return .whole(Answer.failure(404, "the task has no file, or it was taken away because of its age"))
        }
        return .stream(
            StreamedReply(
                contentType: "application/x-ndjson; charset=utf-8",
                headers: [
                    ("Content-Disposition", "attachment; filename=\"\(task.trackingID).jsonl\""),
                    ("Cache-Control", "no-store"),
                ], pieces: pieces))
    }

    /// Where a retrieval's file is fetched, with the same credential; empty where there is none.
    private func link(to task: PrivacyTask, _ request: WireRequest, _ items: QueryItems) -> String {
        guard task.state == .available else { return "" }
        let host = request.host.flatMap { $0.isEmpty ? nil : "\(scheme)://\($0)" } ?? ""
        let token = directory.current.project(task.project)?.token ?? ""
        let path = "/api/app/data-retrievals/v3.0/\(task.trackingID)/download"
        let allowed = CharacterSet.alphanumerics
        return "\(host)\(path)?token=\(token.addingPercentEncoding(withAllowedCharacters: allowed) ?? "")"
    }
}

/// The answers about tasks.
private enum PrivacyText {
    static func created(_ task: PrivacyTask) -> [UInt8] {
        answer { json in
            json.array("results") { json in
                json.object { json in
                    json.field("status", task.state.text)
                    json.field("disclosure_type", "DATA")
                    describe(task, to: &json)
                    json.field("task_id", task.trackingID)
                    json.null("destination_url")
                }
            }
        }
    }

    static func status(of task: PrivacyTask, link: String) -> [UInt8] {
        answer { json in
            json.object("results") { json in
                json.field("status", task.state.text)
                json.field("result", link)
                if task.kind == .retrieval { json.field("results", link) }
                describe(task, to: &json)
                json.array("distinct_ids") { json in
                    for id in task.distinctIDs { json.element(id.bytes) }
                }
            }
        }
    }

    static func unknown() -> [UInt8] {
        answer { json in
            json.object("results") { json in
                json.field("status", "NOT_FOUND")
                json.field("result", "")
                json.array("distinct_ids") { _ in }
            }
        }
    }

    private static func answer(_ results: (inout JSONBuilder) -> Void) -> [UInt8] {
        var json = JSONBuilder()
        json.object { json in
            json.field("status", "ok")
            results(&json)
        }
        return json.bytes
    }

    private static func describe(_ task: PrivacyTask, to json: inout JSONBuilder) {
        json.field("tracking_id", task.trackingID)
        json.field("date_requested", Timestamp.text(milliseconds: task.createdMilliseconds))
        json.field("project_id", task.project.rawValue)
        json.field("compliance_type", task.complianceType.rawValue)
        json.field("requesting_user", task.requestedBy)
        json.field("distinct_id_count", Int64(task.idCount))
    }
}

extension PrivacyTask.State {
    /// Mixpanel's word for it; a file that was taken away does not undo the success.
    fileprivate var text: String {
        switch self {
        case .pending: "PENDING"
        case .started, .erasing: "STARTED"
        case .succeeded, .available, .expired: "SUCCESS"
        case .failed: "FAILURE"
        case .revoked: "REVOKED"
        }
    }
}
