import Foundation
import IdentityEngine
import IdentityStore
import MixpanelWire

/// `/sandbox/reset` and `/sandbox/clock`: for tests, never for data that anyone needs.
struct SandboxRoutes: Sendable {
    static let resetPath = "/sandbox/reset"
    static let clockPath = "/sandbox/clock"

    private let store: any Store
    private let clock: ServerClock
    private let guardian: SandboxGuard
    /// Forgets what is known of the requests of a project, or of all.
    private let forget: @Sendable (ProjectID?) -> Void

    init(
        store: any Store, clock: ServerClock, hostNames: [String], forget: @escaping @Sendable (ProjectID?) -> Void
    ) {
        self.forget = forget
        self.store = store
        self.clock = clock
        self.guardian = SandboxGuard(hostNames: hostNames)
    }

    func answer(_ request: WireRequest, path: String) async throws -> WireResponse {
        if let refusal = guardian.refusal(of: request) { return Answer.failure(403, refusal) }
        let items = QueryItems(request.query)
        try OwnPaths.check(items, of: path, request.method)
        switch (path, request.method) {
        case (Self.resetPath, .post): return try await reset(request, items)
        case (Self.clockPath, .get), (Self.clockPath, .head): return Answer.json(clockText)
        case (Self.clockPath, .put): return try setClock(request.body)
        default:
            return Answer.methodNotAllowed(
                path == Self.resetPath ? ["POST", "OPTIONS"] : ["GET", "HEAD", "PUT", "OPTIONS"])
        }
    }

    /// Empties everything and lets the clock run, or empties one project: `{"project_id":1001}`, or `project_id` in the
    /// query.
    private func reset(_ request: WireRequest, _ items: QueryItems) async throws -> WireResponse {
        var fields = try RequestFields(request.body)
        let inBody = try fields.number("project_id")
        try fields.finish()
        let inQuery = items.all("project_id").map { String(decoding: $0, as: UTF8.self) }
        guard inQuery.count + (inBody == nil ? 0 : 1) <= 1 else {
            throw QueryFault.badRequest("project_id must be given once")
        }
        guard let named = inBody.map({ "\($0)" }) ?? inQuery.first else {
            try await store.reset()
            forget(nil)
            clock.set(milliseconds: nil)
            return Self.done
        }
        guard let project = try await store.projects().first(where: { $0.id.description == named }) else {
            throw QueryFault(status: 404, message: "there is no project \(named.prefix(40))")
        }
        try await store.reset(project.id)
        forget(project.id)
        return Self.done
    }

    /// `{"now":1700000000}` stops the clock at that second; `{"now":null}` lets it run.
    private func setClock(_ body: [UInt8]) throws -> WireResponse {
        var fields = try RequestFields(body)
        let now = try fields.numberOrNull("now", of: "seconds since 1970", in: 0...100_000_000_000)
        try fields.finish()
        clock.set(milliseconds: now.map { Int64($0 * 1000) })
        return Self.done
    }

    /// `{"now":1700000000,"running":false}`: what the clock says, in seconds since 1970, and whether it goes on.
    private var clockText: [UInt8] {
        let now = clock.nowMilliseconds
        let (seconds, rest) = now.quotientAndRemainder(dividingBy: 1000)
        let fraction = rest == 0 ? "" : "." + String(1000 + rest).dropFirst()
        return Array("{\"now\":\(seconds)\(fraction),\"running\":\(clock.isRunning)}".utf8)
    }

    private static var done: WireResponse { Answer.json(Array(#"{"status":"ok"}"#.utf8)) }
}
