import IdentityEngine
import IdentityStore
import Logging
import MixpanelWire

/// `/identity/unmerge`, `/identity/restore` and `/identity/blocks`: what an operator takes back.
struct AmendmentRoutes: Sendable {
    /// The most blocks in one answer.
    private static let pageLimit: Int64 = 1000

    private let store: any Store
    private let clock: ServerClock
    private let signal: LogSignal
    private let logger: Logger

    init(store: any Store, clock: ServerClock, signal: LogSignal, logger: Logger) {
        self.store = store
        self.clock = clock
        self.signal = signal
        self.logger = logger
    }

    /// `{"link":17}` or `{"distinct_id":"a"}`, with `"keep_apart":"pair"` or `"none"`, and `"preview":true`.
    func unmerge(_ query: QueryRequest) async throws -> WireResponse {
        var fields = try RequestFields(query.request.body)
        let link = try fields.sequence("link")
        let id = try fields.distinctID("distinct_id")
        let keepsApart = try Self.keepsApart(&fields)
        let isPreview = try Self.isPreview(&fields, query)
        try fields.finish()
        let request: AmendmentRequest
        switch (link, id) {
        case (let link?, nil): request = .unmergeLink(link, keepsApart: keepsApart)
        case (nil, let id?): request = .unmergeID(id, keepsApart: keepsApart)
        default:
            throw QueryFault.badRequest(
                "either link or distinct_id must be given: {\"link\":17} takes back one link, {\"distinct_id\":\"a\"} "
                    + "every link of an id; /identity/cluster shows the links")
        }
        return try await answer(request, query, endpoint: .unmerge, isPreview: isPreview)
    }

    /// `{"unmerge":18}`, with `"preview":true`.
    func restore(_ query: QueryRequest) async throws -> WireResponse {
        var fields = try RequestFields(query.request.body)
        let unmerge = try fields.sequence("unmerge")
        let isPreview = try Self.isPreview(&fields, query)
        try fields.finish()
        guard let unmerge else {
            throw QueryFault.badRequest(
                "unmerge must be given: the sequence of the unmerge to undo, as /identity/log?verb=unmerge shows it")
        }
        return try await answer(.restore(unmerge), query, endpoint: .restore, isPreview: isPreview)
    }

    /// Lists the blocked pairs, or lifts the block of one: `{"distinct_ids":["a","b"]}`, or `distinct_id` twice.
    func blocks(_ query: QueryRequest) async throws -> WireResponse {
        guard query.request.method == .delete else { return try await list(query) }
        var fields = try RequestFields(query.request.body)
        let named = try fields.distinctIDs("distinct_ids")
        let isPreview = try Self.isPreview(&fields, query)
        try fields.finish()
        let ids = try named ?? query.items.all("distinct_id").map { bytes in try QueryRequest.checked(Array(bytes)) }
        guard ids.count == 2 else {
            throw QueryFault.badRequest("the two ids of the pair must be given, as /identity/blocks lists them")
        }
        return try await answer(.unblock(ids[0], ids[1]), query, endpoint: .blocks, isPreview: isPreview)
    }

    /// Whether nothing is to be changed: `"preview":true`, or `preview=true` in the query.
    private static func isPreview(_ fields: inout RequestFields, _ query: QueryRequest) throws -> Bool {
        let isInBody = try fields.flag("preview")
        guard query.items.all("preview").count <= 1 else { throw QueryFault.badRequest("preview must be given once") }
        return try query.flag("preview") || isInBody
    }

    private static func keepsApart(_ fields: inout RequestFields) throws -> Bool {
        let snake = try fields.text("keep_apart")
        let camel = try fields.text("keepApart")
        if snake != nil, camel != nil { throw QueryFault.badRequest("keep_apart must be given once") }
        switch snake ?? camel ?? "pair" {
        case "pair": return true
        case "none": return false
        case let other:
            throw QueryFault.badRequest("keep_apart is \"\(other.prefix(40))\", but must be pair or none")
        }
    }

    private func answer(
        _ request: AmendmentRequest, _ query: QueryRequest, endpoint: EventBatch.Endpoint, isPreview: Bool
    ) async throws -> WireResponse {
        let access = query.access
        if !isPreview, case .account(let name, let role) = access.kind, !role.mayWrite {
            throw AccessRefusal(
                status: 403,
                message: "insufficient role: this needs admin or owner, and \(name) is \(role.rawValue); "
                    + "a preview is open to every role")
        }
        let origin = EventBatch.Origin(endpoint: endpoint, principal: access.principal)
        let result = try await store.amend(
            request, in: access.project, origin: origin, nowMilliseconds: clock.nowMilliseconds, isPreview: isPreview)
        switch result {
        case .success(let report):
            if !isPreview { signal.advance(to: [access.project.id: report.entry.sequence]) }
            let counts = try await eventCounts(of: report, in: access.project.id, isPreview: isPreview)
            return Answer.json(AmendmentText.json(report, eventCounts: counts, isPreview: isPreview))
        case .failure(let refusal): throw QueryFault(status: refusal.status, message: refusal.description)
        }
    }

    /// The events that move with each id; nil where they could not be counted.
    ///
    /// What is committed stays done, so that nothing that fails afterwards may say that it is not.
    private func eventCounts(
        of report: AmendmentReport, in project: ProjectID, isPreview: Bool
    ) async throws(StoreError) -> [DistinctID: Int]? {
        do throws(StoreError) {
            return try await store.eventCounts(of: report, in: project, limit: AmendmentText.listLimit)
        } catch {
            if isPreview { throw error }
            logger.error(
                "an amendment is done, but the events that move could not be counted",
                metadata: ["project": "\(project)", "sequence": "\(report.entry.sequence)", "error": "\(error)"])
            return nil
        }
    }

    private func list(_ query: QueryRequest) async throws -> WireResponse {
        let limit = Int(try query.number("limit", default: Self.pageLimit, in: 1...Self.pageLimit))
        let after = try query.text("after").map { text throws(QueryFault) in try Self.pair(text) }
        let project = query.project
        return Answer.json(
            try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> [UInt8] in
                let identity = snapshot.identity(of: project)
                let blocks = try snapshot.blocks(in: project, after: after, limit: limit + 1)
                var json = JSONBuilder()
                try json.object { (json) throws(StoreError) in
                    try json.array("blocks") { (json) throws(StoreError) in
                        for block in blocks.prefix(limit) {
                            let time = try snapshot.logRecord(block.sequence, in: project)?.timeMilliseconds
                            let ids = [try identity.id(of: block.pair.low), try identity.id(of: block.pair.high)]
                            json.object { json in
                                json.array("distinct_ids") { json in
                                    for id in ids { json.element(id.bytes) }
                                }
                                json.field("unmerge", block.sequence)
                                json.optional("time", time.map { Timestamp.text(milliseconds: $0) })
                            }
                        }
                    }
                    if blocks.count > limit {
                        let last = blocks[limit - 1].pair
                        json.field("next", "\(last.low):\(last.high)")
                    } else {
                        json.null("next")
                    }
                }
                return json.bytes
            })
    }

    private static func pair(_ text: String) throws(QueryFault) -> NodePair {
        let keys = text.split(separator: ":", omittingEmptySubsequences: false).map { Int64($0) }
        guard keys.count == 2, let low = keys[0], let high = keys[1], low >= 0, high >= 0 else {
            throw .badRequest("after is \"\(text.prefix(40))\", but must be the next of the page before")
        }
        return NodePair(low, high)
    }
}
