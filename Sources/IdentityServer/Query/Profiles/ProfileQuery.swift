import IdentityEngine
import IdentityStore
import MixpanelWire

/// What a query for profiles asks for: which ones, which of their properties, and which page (P 10-6).
struct ProfileQuery: Sendable {
    /// The most ids that one query may name.
    static let idLimit = 2000
    /// The most profiles of a page, and their number where the query does not say.
    static let pageSizeLimit: Int64 = 1000
    private static let outputLimit = 1000

    let scope: ProfileSession.Scope
    let system: IdentitySystem
    let rule: ProfileMergeRule
    let key: SecretKey
    /// The clusters asked for, by any of their ids; nil for all.
    let ids: [DistinctID]?
    let condition: WhereExpression?
    /// The properties to answer, by name as a minified object has it; nil for all.
    let outputs: Set<[UInt8]>?
    let page: Int
    let pageSize: Int
    /// What the first page found out; nil where this is the first page.
    let session: ProfileSession?

    var project: ProjectID { scope.project }

    /// Reads a request.
    ///
    /// - Parameters:
    ///   - query: the request.
    ///   - rule: how the members' profiles make a cluster's.
    ///   - key: the key that sessions are made under.
    /// - Throws: `QueryFault` that names the option, and what is allowed.
    init(_ query: QueryRequest, rule: ProfileMergeRule, key: SecretKey) throws(QueryFault) {
        // Left out, each of these would answer with more profiles, or others, than were asked for.
        try query.refuse("filter_by_cohort", "behaviors", "data_group_id", "as_of")
        // mixpanel-utils writes its own conditions as `selector`, which is what `where` was once called.
        let name = query.first("where") == nil ? "selector" : "where"
        condition = try query.condition(name, of: .profile)
        ids = try Self.ids(query)
        outputs = try query.strings("output_properties", of: "property names").map { names throws(QueryFault) in
            guard names.count <= Self.outputLimit else {
                throw .badRequest("output_properties must hold at most \(Self.outputLimit) names")
            }
            return Set(
                names.map { name in
                    var quoted: [UInt8] = []
                    JSONText.appendJSONString(name, to: &quoted)
                    return quoted
                })
        }
        page = Int(try query.number("page", default: 0, in: 0...1_000_000))
        pageSize = Int(try query.number("page_size", default: Self.pageSizeLimit, in: 1...Self.pageSizeLimit))
        self.rule = rule
        self.key = key
        system = query.access.project.rules.system
        var listed = Array("\(pageSize) ".utf8)
        for part in [query.first(name) ?? []] + (ids ?? []).map(\.bytes) + [ids == nil ? [] : [1]] {
            listed += Array("\(part.count) ".utf8) + part
        }
        scope = ProfileSession.Scope(project: query.project, digest: key.digest(of: listed, as: "profile query"))
        if let text = query.first("session_id"), !text.isEmpty {
            session = try ProfileSession(text, scope: scope, key: key)
        } else {
            session = nil
        }
        guard page == 0 || session != nil else {
            throw .badRequest("page \(page) needs the session_id that the first page answered with")
        }
    }

    private static func ids(_ query: QueryRequest) throws(QueryFault) -> [DistinctID]? {
        var ids: [DistinctID]?
        if query.first("distinct_id") != nil { ids = [try query.distinctID()] }
        if let json = query.first("distinct_ids") {
            do throws(IdentityQuery.Failure) {
                ids = (ids ?? []) + (try IdentityQuery.distinctIDs(fromJSONArray: json, limit: idLimit))
            } catch {
                throw .badRequest("\(error)")
            }
        }
        for id in ids ?? [] { _ = try QueryRequest.checked(id.bytes) }
        return ids
    }
}
