import IdentityEngine
import IdentityStore

/// How an entry of the log is written.
enum LogRecordText {
    /// - Parameters:
    ///   - record: an entry, or a tombstone, of which there is nothing but its sequence and its verb.
    ///   - type: what the object says that it is, where it stands among others.
    ///   - hint: what is said of it besides what its refusal says.
    ///   - json: where it is written to.
    static func write(
        _ record: LogRecord, type: String? = nil, hint: String? = nil, to json: inout JSONBuilder
    ) {
        switch record {
        case .entry(let entry): write(entry, type, hint, to: &json)
        case .amendment(let amendment): write(amendment, type, to: &json)
        case .tombstone(let tombstone):
            json.object { json in
                if let type { json.field("type", type) }
                json.field("sequence", tombstone.sequence)
                json.field("verb", tombstone.verb.name)
                json.field("outcome", "deleted")
            }
        }
    }

    private static func write(_ entry: LogEntry, _ type: String?, _ hint: String?, to json: inout JSONBuilder) {
        json.object { json in
            if let type { json.field("type", type) }
            json.field("sequence", entry.sequence)
            json.field("time", Timestamp.text(milliseconds: entry.timeMilliseconds))
            json.field("verb", entry.event.verb.name)
            json.object("ids") { json in writeIDs(entry.event, to: &json) }
            json.field("outcome", entry.outcome.kind.rawValue)
            json.optional("failure_reason", entry.refusal?.failureReason)
            json.optional("failure_description", entry.failureDescription)
            let hints = [entry.refusal?.hint, hint].compactMap { $0 }
            json.optional("hint", hints.isEmpty ? nil : hints.joined(separator: " "))
            writeSource(entry.origin, to: &json)
        }
    }

    /// What a link is told by everywhere: its sequence, its verb and its two ends, as fields of the object begun.
    static func write(_ link: Link, from: DistinctID, to: DistinctID, to json: inout JSONBuilder) {
        json.field("sequence", link.sequence)
        json.field("verb", link.verb.name)
        json.field("from", from)
        json.field("to", to)
    }

    /// `"source":{"endpoint","principal"}`: through which door an operation came, and who sent it.
    static func writeSource(_ origin: EventBatch.Origin, to json: inout JSONBuilder) {
        json.object("source") { json in
            json.field("endpoint", origin.endpoint.path)
            json.field("principal", origin.principal)
        }
    }

    private static func write(_ entry: AmendmentEntry, _ type: String?, to json: inout JSONBuilder) {
        json.object { json in
            if let type { json.field("type", type) }
            json.field("sequence", entry.sequence)
            json.field("time", Timestamp.text(milliseconds: entry.timeMilliseconds))
            json.field("verb", entry.amendment.verb.name)
            json.object("ids") { json in writeIDs(entry, to: &json) }
            json.field("outcome", "applied")
            switch entry.amendment {
            case .unmerge(let links, _, let keepsApart):
                json.array("links") { json in for link in links { json.element(link) } }
                json.field("keep_apart", keepsApart ? "pair" : "none")
            case .restore(_, let links): json.array("links") { json in for link in links { json.element(link) } }
            case .unblock: break
            case .rules(let from, let to):
                json.object("from") { json in write(from, to: &json) }
                json.object("to") { json in write(to, to: &json) }
            }
            writeSource(entry.origin, to: &json)
        }
    }

    private static func writeIDs(_ entry: AmendmentEntry, to json: inout JSONBuilder) {
        switch entry.amendment {
        case .unmerge(_, let target?, _): json.field("link", target)
        case .restore(let unmerge, _): json.field("unmerge", unmerge)
        case .unmerge, .unblock, .rules: break
        }
        if entry.ids.count == 1 { json.field("distinct_id", entry.ids[0]) }
        if entry.ids.count > 1 {
            json.array("distinct_ids") { json in for id in entry.ids { json.element(id.bytes) } }
        }
    }

    static func write(_ rules: MergeRules, to json: inout JSONBuilder) {
        json.field("identity_system", rules.system.rawValue)
        json.field("max_cluster_size", Int64(rules.maxClusterSize))
        json.field("anon_form", rules.anonymousForm.rawValue)
    }

    /// The ids of a statement, by the names that its verb has for them.
    static func writeIDs(_ event: IdentityEvent, to json: inout JSONBuilder) {
        switch event.verb {
        case .identify:
            json.field("$identified_id", event.primary)
            json.field("$anon_id", event.secondary)
        case .alias:
            json.field("distinct_id", event.primary)
            json.field("alias", event.secondary)
        case .merge:
            json.array("$distinct_ids") { json in
                json.element(event.primary.bytes)
                json.element(event.secondary.bytes)
            }
        case .device:
            json.field("$user_id", event.primary)
            json.field("$device_id", event.secondary)
        case .unmerge, .restore, .unblock, .rules: break
        }
    }
}
