import IdentityEngine
import IdentityStore
import MixpanelWire

/// The answers of `/identity/resolve`, `/identity/cluster` and `/identity/log`.
struct IdentityQueries: Sendable {
    /// The most ids in one request to resolve.
    static let resolveLimit = 10_000
    /// The most members of a cluster, and entries of the log, in one answer.
    static let pageLimit: Int64 = 1000

    private let store: any Store
    private let clock: ServerClock
    private let reservedIDs: ReservedIDs

    init(store: any Store, clock: ServerClock, reservedIDs: ReservedIDs) {
        self.store = store
        self.clock = clock
        self.reservedIDs = reservedIDs
    }

    /// `{"results":[{"distinct_id","canonical_id","cluster_size","known"}],"sequence"}`, in the order of the request.
    func resolve(_ query: QueryRequest) async throws -> WireResponse {
        let ids = try resolvedIDs(query)
        let project = query.project
        let asOf = try await query.pastSequence(of: store, clock: clock, text: query.moment())
        return Answer.json(
            try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> [UInt8] in
                let identity = snapshot.identity(of: project)
                var past = PastIDs(asOf: asOf)
                var json = JSONBuilder()
                try json.object { (json) throws(StoreError) in
                    try json.array("results") { (json) throws(StoreError) in
                        for id in ids { Self.write(id, try past.resolve(id, in: identity), to: &json) }
                    }
                    if let asOf {
                        json.field("sequence", asOf)
                    } else {
                        json.field("sequence", try snapshot.lastSequence(of: project))
                    }
                }
                return json.bytes
            })
    }

    private func resolvedIDs(_ query: QueryRequest) throws -> [DistinctID] {
        var ids: [DistinctID]
        if query.request.method == .post {
            do {
                ids = try IdentityQuery.distinctIDs(
                    fromJSON: query.request.body, limit: Self.resolveLimit, beside: ["as_of"])
            } catch {
                throw QueryFault.badRequest("\(error)")
            }
        } else {
            ids = query.items.all("distinct_id").map { DistinctID($0) }
        }
        guard !ids.isEmpty else { throw QueryFault.badRequest("distinct_id must be given at least once") }
        guard ids.count <= Self.resolveLimit else {
            throw QueryFault.badRequest("at most \(Self.resolveLimit) distinct_ids can be resolved in one request")
        }
        for index in ids.indices { ids[index] = try QueryRequest.checked(ids[index].bytes) }
        return ids
    }

    private static func write(_ id: DistinctID, _ resolved: ResolvedID, to json: inout JSONBuilder) {
        json.object { json in
            json.field("distinct_id", id)
            json.field("canonical_id", resolved.canonicalID)
            json.field("cluster_size", resolved.clusterSize)
            json.field("known", resolved.isKnown)
        }
    }

    /// `{"canonical_id","size","members":[…],"links":[…],"next"}`: a page of a cluster's members, and the links that
    /// begin at them.
    func cluster(_ query: QueryRequest) async throws -> WireResponse {
        let id = try query.distinctID()
        let asOf = try await query.pastSequence(of: store, clock: clock)
        let limit = Int(try query.number("limit", default: Self.pageLimit, in: 1...Self.pageLimit))
        let start = try query.text("after").flatMap { text throws(QueryFault) in try ClusterPage.Start(text) }
        let project = query.project
        let page = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> [UInt8]? in
            try ClusterPage(
                snapshot: snapshot, project: project, id: id, asOf: asOf, start: start, limit: limit
            ).json()
        }
        guard let page else {
            throw QueryFault(
                status: 409,
                message: "after is not the next of a page of this cluster as it is: an unmerge, a restore or a "
                    + "deletion changed the cluster since, or the pages before had another as_of; begin again "
                    + "without after")
        }
        return Answer.json(page)
    }

    /// `{"connected":true,"path":[…]}` or `{"connected":false,"refusals":[…]}`: why two ids are one, or two.
    func explain(_ query: QueryRequest) async throws -> WireResponse {
        let (from, to) = (try query.distinctID("from"), try query.distinctID("to"))
        let limit = Int(try query.number("limit", default: Self.pageLimit, in: 1...Self.pageLimit))
        let after = try query.number("after", default: 0, in: 0...Int64.max)
        let (project, rules) = (query.project, query.access.project.rules)
        let asOf = try await query.pastSequence(of: store, clock: clock)
        return Answer.json(
            try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> [UInt8] in
                let explanation = try snapshot.explanation(
                    from: from, to: to, in: project, by: rules, asOf: asOf, refusalsAfter: after, limit: limit)
                let sequence: Int64
                if let asOf { sequence = asOf } else { sequence = try snapshot.lastSequence(of: project) }
                return ExplanationText.json(explanation, sequence: sequence, reserved: reservedIDs)
            })
    }

    /// `{"entries":[…],"next"}`: the project's identity operations in order, or the newest first.
    func log(_ query: QueryRequest) async throws -> WireResponse {
        let limit = Int(try query.number("limit", default: Self.pageLimit, in: 1...Self.pageLimit))
        let after = try query.number("after", default: 0, in: 0...Int64.max)
        var wanted = LogQuery(after: after, limit: limit + 1)
        wanted.before = try query.number("before", default: .max, in: 1...Int64.max)
        wanted.isLatestFirst = try query.flag("latest")
        if query.first("distinct_id") != nil { wanted.distinctID = try query.distinctID() }
        wanted.outcomes = try outcomes(query)
        wanted.verb = try verb(query)
        let filter = wanted
        let project = query.project
        let (records, hints) = try await store.read {
            (snapshot: any StoreSnapshot) throws(StoreError) -> ([LogRecord], BareDeviceHints) in
            let records = try snapshot.logRecords(filter, in: project)
            return (records, try BareDeviceHints(of: records.prefix(limit), in: snapshot, project))
        }
        var json = JSONBuilder()
        json.object { json in
            json.array("entries") { json in
                for record in records.prefix(limit) {
                    LogRecordText.write(record, hint: hints.hint(record), to: &json)
                }
            }
            if records.count > limit { json.field("next", records[limit - 1].sequence) } else { json.null("next") }
        }
        return Answer.json(json.bytes)
    }

    private func outcomes(_ query: QueryRequest) throws -> Set<OutcomeKind>? {
        guard let text = query.text("outcome") else { return nil }
        return Set(
            try text.split(separator: ",").map { name throws in
                guard let kind = OutcomeKind(rawValue: String(name)) else {
                    throw QueryFault.badRequest(
                        "outcome is \"\(name.prefix(40))\", but must be merged, unchanged or refused, or several "
                            + "of them with commas between")
                }
                return kind
            })
    }

    private func verb(_ query: QueryRequest) throws -> Verb? {
        guard let text = query.text("verb") else { return nil }
        guard let verb = Verb.allCases.first(where: { $0.name == text || $0.name == "$" + text }) else {
            throw QueryFault.badRequest(
                "verb is \"\(text.prefix(40))\", but must be "
                    + Verb.allCases.map(\.name).joined(separator: ", "))
        }
        return verb
    }
}
