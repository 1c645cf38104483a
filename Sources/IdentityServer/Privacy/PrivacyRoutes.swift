import Foundation
import IdentityEngine
import IdentityStore
import MixpanelWire

/// Deletion and retrieval for privacy law, in the shape of Mixpanel's GDPR API (P 10-12).
struct PrivacyRoutes: Sendable {
    private static let prefixes: [(path: String, kind: PrivacyTask.Kind)] = [
        ("/api/app/data-deletions/v3.0", .deletion), ("/api/app/data-retrievals/v3.0", .retrieval),
    ]

    private let store: any Store
    private let directory: ProjectDirectory
    private let queue: PrivacyQueue
    private let worker: PrivacyWorker

    init(store: any Store, directory: ProjectDirectory, clock: ServerClock, worker: PrivacyWorker, taskLimit: Int) {
        self.store = store
        self.directory = directory
        queue = PrivacyQueue(store: store, clock: clock, taskLimit: taskLimit)
        self.worker = worker
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
        let ids: [DistinctID]
        do {
            ids = try IdentityQuery.distinctIDs(fromJSON: request.body, limit: PrivacyQueue.idLimit)
        } catch {
            throw QueryFault.badRequest("\(error)")
        }
        let law = try complianceType(request.body)
        let task: PrivacyTask
        do throws(PrivacyQueue.Refusal) {
            task = try await queue.add(kind, of: ids, in: access.project.id, law: law, requestedBy: access.principal)
        } catch {
            switch error {
            case .noIDs, .tooManyIDs: throw QueryFault.badRequest(error.description)
            case .full: throw QueryFault(status: 429, message: error.description, retryAfterSeconds: 60)
            case .store(let error): throw error
            }
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
        if try await queue.cancel(task, files: worker.files) { return WireResponse(status: 204) }
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
        let token = directory.current.project(task.project)?.token ?? ""
        let path = "/api/app/data-retrievals/v3.0/\(task.trackingID)/download"
        let allowed = CharacterSet.alphanumerics
        return "\(request.baseURL)\(path)?token=\(token.addingPercentEncoding(withAllowedCharacters: allowed) ?? "")"
    }
}
