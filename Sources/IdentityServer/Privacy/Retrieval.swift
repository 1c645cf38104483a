import Foundation
import IdentityEngine
import IdentityStore

/// Everything about some ids, as lines of JSON: the clusters, their log entries, profiles and events.
struct Retrieval: Sendable {
    /// Members and log entries of one read.
    private static let pageLimit = 500

    let store: any Store
    let project: ProjectRecord
    let distinctIDs: [DistinctID]

    /// Why a retrieval has no end that may be waited for.
    struct TooLarge: Error {}

    /// Writes the lines.
    ///
    /// - Parameters:
    ///   - sizeLimitBytes: the most that may be written.
    ///   - write: takes whole lines.
    /// - Throws: `TooLarge`, `StoreError`, `CancellationError`, or what `write` throws.
    func write(sizeLimitBytes: Int, _ write: (Data) throws -> Void) async throws {
        var sizeBytes = 0
        func put(_ bytes: [UInt8]) throws {
            try Task.checkCancellation()
            sizeBytes += bytes.count
            guard sizeBytes <= sizeLimitBytes else { throw TooLarge() }
            try write(Data(bytes))
        }
        var members: Set<DistinctID> = []
        for id in distinctIDs where !members.contains(id) {
            let cluster = try await cluster(of: id)
            members.formUnion(cluster.members)
            try put(cluster.line)
            for member in cluster.members {
                try put(try await profile(of: member))
                try await writeLog(of: member, in: cluster.members, put)
            }
        }
        var range = Export.Range(fromMilliseconds: Int64.min + 1, beforeMilliseconds: Int64.max)
        range.isTimeInMilliseconds = true
        range.filedIDs = members
        range.namesType = true
        let export = Export(store: store, project: project.id, system: project.rules.system, range: range)
        for try await page in export { try put(page) }
    }

    /// A cluster, in the order of its ring.
    private func cluster(of id: DistinctID) async throws -> (members: [DistinctID], line: [UInt8]) {
        let project = project.id
        return try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) in
            let identity = snapshot.identity(of: project)
            var json = JSONBuilder()
            var members: [DistinctID] = []
            let node = try identity.node(for: id)
            if let node {
                try identity.forEachMember(ofRoot: try identity.root(of: node)) { member in
                    members.append(member.id)
                    return true
                }
            } else {
                members = [id]
            }
            let resolved = try identity.resolve(id)
            json.object { json in
                json.field("type", "cluster")
                json.field("canonical_id", resolved.canonicalID)
                json.field("known", resolved.isKnown)
                json.array("distinct_ids") { json in
                    for member in members { json.element(member.bytes) }
                }
            }
            json.endLine()
            return (members, json.lines)
        }
    }

    /// A member's own profile, as if it were alone: what a cluster's profile hides is handed out too.
    private func profile(of member: DistinctID) async throws -> [UInt8] {
        let project = project.id
        let profile = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> ClusterProfile? in
            try snapshot.clusterProfile(of: member, in: project, system: .legacy, rule: .hide)
        }
        guard let profile else { return [] }
        var json = JSONBuilder()
        json.object { json in
            json.field("type", "profile")
            json.field("$distinct_id", member)
            json.object("$properties") { json in json.members(of: profile.properties) }
            json.field("updated", Timestamp.text(milliseconds: profile.updatedMilliseconds))
        }
        json.endLine()
        return json.lines
    }

    /// The log entries that name a member; one that names two comes with the first of them in the cluster's order.
    private func writeLog(
        of member: DistinctID, in members: [DistinctID], _ put: ([UInt8]) throws -> Void
    ) async throws {
        let before = Set(members.prefix { $0 != member })
        var after: Int64 = 0
        while true {
            let query = LogQuery(after: after, limit: Self.pageLimit, distinctID: member)
            let project = project.id
            let records = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> [LogRecord] in
                try snapshot.logRecords(query, in: project)
            }
            guard let last = records.last else { return }
            after = last.sequence
            var json = JSONBuilder()
            for record in records {
                if let event = record.entry?.event, before.contains(event.primary) || before.contains(event.secondary) {
                    continue
                }
                LogRecordText.write(record, type: "log", to: &json)
                json.endLine()
            }
            try put(json.lines)
        }
    }
}
