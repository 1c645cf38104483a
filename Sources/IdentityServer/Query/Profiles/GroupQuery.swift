import IdentityEngine
import IdentityStore
import MixpanelWire

/// A query for the profile of one group, named by `group_key` and `group_id` (P 10-3).
struct GroupQuery: Sendable {
    private let project: ProjectID
    private let key: [UInt8]
    private let id: [UInt8]

    /// Reads a request; nil where it asks for no group.
    ///
    /// - Parameter query: the request.
    /// - Throws: `QueryFault` where it names half a group, or asks for more than one group can answer.
    init?(_ query: QueryRequest) throws(QueryFault) {
        guard query.first("group_key") != nil || query.first("group_id") != nil else { return nil }
        guard let key = query.first("group_key"), let id = query.first("group_id"), !key.isEmpty, !id.isEmpty else {
            throw .badRequest("group_key and group_id must be given together, and neither may be empty")
        }
        let others = ["distinct_id", "distinct_ids", "where", "selector", "output_properties", "session_id", "page"]
        if let other = others.first(where: { query.first($0) != nil }) {
            throw .badRequest("\(other) cannot be asked of a group; leave it out, or leave out group_key and group_id")
        }
        project = query.project
        self.key = key
        self.id = id
    }

    /// The answer, in the shape of a query for profiles: one result, or none.
    func answer(from store: any Store) async throws -> WireResponse {
        let (project, key, id) = (project, key, id)
        let properties = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> [UInt8]? in
            try snapshot.groupProfile(key: key, id: id, in: project)
        }
        var json = JSONBuilder()
        json.object { json in
            json.field("page", 0)
            json.field("page_size", ProfileQuery.pageSizeLimit)
            json.field("session_id", "")
            json.field("status", "ok")
            json.field("total", properties == nil ? 0 : 1)
            json.array("results") { json in
                guard let properties else { return }
                json.object { json in
                    json.field("$group_key", utf8: key)
                    json.field("$group_id", utf8: id)
                    json.field("$properties", json: properties)
                }
            }
        }
        return Answer.json(json.bytes)
    }
}
