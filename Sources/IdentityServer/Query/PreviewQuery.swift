import IdentityEngine
import IdentityStore
import MixpanelWire

/// `/identity/preview`: what /import would make of a body, record by record, with nothing stored.
struct PreviewQuery: Sendable {
    /// The most results in an answer.
    static let resultLimit = 10_000
    /// The most joins of identified ids in an answer.
    static let joinLimit = 1_000
    /// The most changed clusters in an answer, and what is told of each.
    static let changeLimits = Preview.Limits(changes: 1_000, parts: 100, members: 100, total: 10_000)

    private let store: any Store
    private let clock: ServerClock
    private let limits: WireLimits
    private let decoder = EventDecoder()

    init(store: any Store, clock: ServerClock, limits: WireLimits) {
        self.store = store
        self.clock = clock
        self.limits = limits
    }

    /// Decodes the body as /import would, and decides it over one snapshot.
    ///
    /// - Parameters:
    ///   - payload: the body's payload, or why there is none.
    ///   - strict: whether records are checked as `strict=1` has them checked.
    ///   - access: the project, and who asks.
    /// - Returns: the answer.
    /// - Throws: `QueryFault` for a body without records, `StoreError`.
    func answer(
        _ payload: Result<Payload, PayloadError>, strict: Bool, access: Access
    ) async throws -> WireResponse {
        let now = clock.nowMilliseconds
        let project = access.project
        var batch = EventBatch(
            origin: EventBatch.Origin(endpoint: .import, principal: access.principal), receivedMilliseconds: now)
        let result: DecodeResult
        switch payload {
        case .failure(let failure): result = DecodeResult(payloadError: failure)
        case .success(let payload):
            let record = RecordProject(project: project.id, system: project.rules.system)
            result = decoder.decode(
                payload, into: &batch, projects: .fixed(record, mayMerge: access.mayMerge), strict: strict,
                nowMilliseconds: now, limits: limits)
        }
        if let failure = result.failure {
            throw QueryFault(status: failure.status, message: Answer.plainError(of: result) ?? "")
        }
        let events = batch
        return Answer.json(
            try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> [UInt8] in
                var preview = try Preview(of: project.id, by: project.rules, on: snapshot, nowMilliseconds: now)
                let statements = try preview.decide(events)
                return try PreviewText(
                    preview: preview, statements: statements, events: events, result: result
                ).json()
            })
    }
}

extension DecodeResult.Failure {
    fileprivate var status: Int {
        switch self {
        case .unreadable, .empty: 400
        case .tooManyRecords, .tooLarge: 413
        }
    }
}

/// How a preview of one body is written.
private struct PreviewText {
    let preview: Preview
    let statements: [Preview.Statement]
    let events: EventBatch
    let result: DecodeResult

    func json() throws(StoreError) -> [UInt8] {
        let (changes, changeCount) = try preview.changes(PreviewQuery.changeLimits)
        let largest = try preview.largestCluster()
        let joins = statements.filter { !$0.joinedIdentified.isEmpty }
        var json = JSONBuilder()
        json.object { json in
            json.field("sequence", preview.sequence)
            json.field("records", Int64(result.recordCount))
            json.object("counts") { json in writeCounts(to: &json) }
            json.array("results") { json in writeResults(to: &json) }
            json.field("changed_clusters", Int64(changeCount))
            json.array("clusters") { json in
                for change in changes { write(change, to: &json) }
            }
            if let largest {
                json.object("largest_cluster") { json in write(largest, to: &json) }
            } else {
                json.null("largest_cluster")
            }
            json.array("joined_identified") { json in
                for join in joins.prefix(PreviewQuery.joinLimit) { writeJoin(join, to: &json) }
            }
            json.field(
                "truncated",
                statements.count + result.rejections.count > PreviewQuery.resultLimit
                    || changes.count < changeCount || joins.count > PreviewQuery.joinLimit)
        }
        return json.bytes
    }

    private func writeCounts(to json: inout JSONBuilder) {
        json.field("merged", Int64(preview.counts.merged))
        json.field("unchanged", Int64(preview.counts.unchanged))
        json.field("refused", Int64(preview.counts.refused))
        json.field("conflicts", Int64(preview.counts.conflicts))
        json.field("rejected", Int64(result.rejections.count))
        json.field("plain", Int64(result.validCount - statements.count))
    }

    /// What states something about ids, and what is rejected, in the order of the records.
    private func writeResults(to json: inout JSONBuilder) {
        var statements = statements[...]
        var rejections = result.rejections[...]
        for _ in 0..<min(statements.count + rejections.count, PreviewQuery.resultLimit) {
            let next = statements.first.map(recordIndex) ?? .max
            if let rejection = rejections.first, rejection.index < next {
                rejections.removeFirst()
                write(rejection, to: &json)
            } else if let statement = statements.popFirst() {
                write(statement, to: &json)
            }
        }
    }

    private func recordIndex(of statement: Preview.Statement) -> Int {
        Int(events.events[statement.position].recordIndex)
    }

    private func write(_ statement: Preview.Statement, to json: inout JSONBuilder) {
        let decision = statement.decision
        let refusal = decision.refusal
        let isConflict = decision.conflict != nil
        json.object { json in
            json.field("index", Int64(recordIndex(of: statement)))
            json.field("event", utf8: Array(events.bytes[events.events[statement.position].name.range]))
            json.field("verb", statement.event.verb.name)
            json.object("ids") { json in LogRecordText.writeIDs(statement.event, to: &json) }
            json.field("outcome", isConflict ? "conflict" : decision.outcome.kind.rawValue)
            if decision.clusterSize > 0 {
                json.field("cluster_size", Int64(decision.clusterSize))
            } else {
                json.null("cluster_size")
            }
            json.optional("failure_reason", refusal?.failureReason)
            json.optional("failure_description", statement.failureDescription)
            json.optional("hint", refusal?.hint(isConflict: isConflict))
        }
    }

    /// As an entry of `failed_records` in a strict answer of /import (P 4.4).
    private func write(_ rejection: EventRejection, to json: inout JSONBuilder) {
        json.object { json in
            json.field("index", Int64(rejection.index))
            json.field("outcome", "rejected")
            json.field("insert_id", utf8: rejection.insertID)
            json.field("$insert_id", utf8: rejection.insertID)
            json.field("field", rejection.field)
            json.field("message", rejection.message)
        }
    }

    private func write(_ change: Preview.Change, to json: inout JSONBuilder) {
        json.object { json in
            json.array("before") { json in
                for part in change.before { json.object { json in write(part, to: &json) } }
            }
            json.object("after") { json in write(change.after, to: &json) }
            json.array("members") { json in
                for member in change.members { json.element(member.bytes) }
            }
            json.field("truncated", change.isTruncated)
        }
    }

    private func write(_ summary: Preview.Summary, to json: inout JSONBuilder) {
        json.field("canonical_id", summary.canonicalID)
        json.field("size", summary.size)
    }

    private func writeJoin(_ statement: Preview.Statement, to json: inout JSONBuilder) {
        json.object { json in
            json.field("index", Int64(recordIndex(of: statement)))
            json.field("verb", statement.event.verb.name)
            json.object("ids") { json in LogRecordText.writeIDs(statement.event, to: &json) }
            json.array("canonical_ids") { json in
                for id in statement.joinedIdentified { json.element(id.bytes) }
            }
        }
    }
}
