import IdentityEngine
import IdentityStore
import MixpanelWire

/// An endpoint that client SDKs ask beside sending data (P 4.10).
enum ClientRoute: Sendable {
    case flags
    case flagDefinitions
    case firstTimeEvents
    case settings
    case record
    case decide

    /// The endpoint of a path without doubled slashes and without one at its end; nil where there is none.
    init?(path: String) {
        switch path {
        case "/flags": self = .flags
        case "/flags/definitions": self = .flagDefinitions
        case "/settings": self = .settings
        case "/record": self = .record
        case "/decide": self = .decide
        default:
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 4, parts[1] == "flags", parts[3] == "first-time-events" else { return nil }
            self = .firstTimeEvents
        }
    }

    /// Whether clients send to it, by POST; they read the others.
    var isPosted: Bool {
        switch self {
        case .firstTimeEvents, .record: true
        case .flags, .flagDefinitions, .settings, .decide: false
        }
    }
}

/// Answers that keep SDKs content which ask for what this server does not have: flags, remote settings, surveys, a
/// place for recordings (P 4.10).
///
/// Nothing is stored. Only `/flags` asks for a credential, because its answer is what an application waits for: a wrong
/// token shows there.
struct ClientRoutes: Sendable {
    private let directory: ProjectDirectory

    init(directory: ProjectDirectory) { self.directory = directory }

    func answer(_ request: WireRequest, _ route: ClientRoute) async -> WireResponse {
        switch route {
        case .flags: return await flags(request)
        case .flagDefinitions: return Self.json(#"{"code":200,"flags":[]}"#)
        case .firstTimeEvents: return Self.json(#"{"status":"ok"}"#)
        case .settings: return Self.json("{}")
        case .record: return Self.json(#"{"code":200,"status":"OK"}"#)
        case .decide:
            return Self.json(
                #"{"automatic_events":false,"config":{"enable_collect_everything":false},"event_bindings":[],"#
                    + #""integrations":[],"notifications":[],"surveys":[],"variants":[]}"#)
        }
    }

    /// `{"code":200,"flags":{}}` to anyone with a credential who says for whom.
    private func flags(_ request: WireRequest) async -> WireResponse {
        let items = QueryItems(request.query)
        do throws(AccessRefusal) {
            try await checkCredential(request, items)
        } catch {
            return Answer.failure(error.status, error.message)
        }
        guard let context = items.first("context"), IdentityQuery.hasDistinctID(context) else {
            return Answer.failure(400, "context must be a JSON object with a distinct_id")
        }
        return Self.json(#"{"code":200,"flags":{}}"#)
    }

    /// An `Authorization` header counts alone; without one, `token` in the query is enough.
    private func checkCredential(_ request: WireRequest, _ items: QueryItems) async throws(AccessRefusal) {
        guard request.authorization == nil, let token = items.first("token"), !token.isEmpty else {
            _ = try await directory.access(
                Credentials(authorization: request.authorization), projectID: items.text("project_id"),
                host: request.host, for: .flags)
            return
        }
        var project = directory.current.project(token: token)
        if project == nil {
            // A project made a moment ago by the command is not in memory yet.
            await directory.reloadIfStale()
            project = directory.current.project(token: token)
        }
        guard let project else { throw .unauthorized("Unauthorized, no project has this token") }
        if let refusal = directory.residency.refusal(of: project, host: request.host) { throw .forbidden(refusal) }
    }

    private static func json(_ text: String) -> WireResponse { Answer.json(Array(text.utf8)) }
}
