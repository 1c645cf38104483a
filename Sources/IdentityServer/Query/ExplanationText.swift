import IdentityEngine
package import IdentityStore
package import MixpanelWire

/// How an explanation is told.
enum ExplanationText {
    /// - Parameters:
    ///   - explanation: what was found.
    ///   - sequence: the last entry that counted.
    ///   - reserved: the ids that no verb may name.
    /// - Returns: a JSON object.
    static func json(_ explanation: Explanation, sequence: Int64, reserved: ReservedIDs) -> [UInt8] {
        var json = JSONBuilder()
        json.object { json in
            json.field("connected", explanation.path != nil)
            json.array("ids") { json in
                for (id, resolved) in zip([explanation.from, explanation.to], explanation.resolved) {
                    json.object { json in
                        json.field("distinct_id", id)
                        json.field("canonical_id", resolved.canonicalID)
                        json.field("cluster_size", resolved.clusterSize)
                        json.field("known", resolved.isKnown)
                    }
                }
            }
            if let path = explanation.path {
                json.array("path") { json in
                    for step in path { write(step, to: &json) }
                }
            } else {
                json.array("refusals") { json in
                    for entry in explanation.refusals { LogRecordText.write(.entry(entry), to: &json) }
                }
                if let next = explanation.next { json.field("next", next) } else { json.null("next") }
                json.array("would") { json in
                    for trial in explanation.possibleTrials(reserved: reserved) { write(trial, to: &json) }
                }
                json.array("parted") { json in
                    for link in explanation.parted { write(link, to: &json) }
                }
            }
            if let block = explanation.block {
                json.object("block") { json in
                    json.field("unmerge", block.sequence)
                    json.field("hint", MergeRefusal.linkRevoked.hint)
                }
            } else {
                json.null("block")
            }
            json.optional("hint", explanation.hint(reserved: reserved))
            json.field("sequence", sequence)
        }
        return json.bytes
    }

    private static func write(_ step: Explanation.Step, to json: inout JSONBuilder) {
        json.object { json in
            LogRecordText.write(step.link, from: step.from, to: step.to, to: &json)
            json.optional("time", step.entry.map { Timestamp.text(milliseconds: $0.timeMilliseconds) })
            if let entry = step.entry { LogRecordText.writeSource(entry.origin, to: &json) }
        }
    }

    private static func write(_ parted: Explanation.PartedLink, to json: inout JSONBuilder) {
        json.object { json in
            LogRecordText.write(parted.link, from: parted.from, to: parted.to, to: &json)
            json.field("revoked", parted.revoked)
        }
    }

    private static func write(_ trial: Preview.Statement, to json: inout JSONBuilder) {
        json.object { json in
            json.field("verb", trial.event.verb.name)
            json.object("ids") { json in LogRecordText.writeIDs(trial.event, to: &json) }
            json.field("outcome", trial.decision.outcome.kind.rawValue)
            json.optional("failure_reason", trial.decision.refusal?.failureReason)
            json.optional("failure_description", trial.failureDescription)
            json.optional("hint", trial.decision.refusal?.hint(isConflict: trial.decision.conflict != nil))
        }
    }
}

extension Explanation {
    /// What would join them and what would not, where records that say so would be taken at all.
    package func possibleTrials(reserved: ReservedIDs) -> [Preview.Statement] {
        unusableID(reserved) == nil ? trials : []
    }

    /// The one of the two that no record may join to another, and why.
    private func unusableID(_ reserved: ReservedIDs) -> (id: DistinctID, rule: String)? {
        // What Simplified projects join is made of other fields, whose junk counts as absent (P 8-1).
        guard system != .simplified else { return nil }
        for id in [from, to] {
            if let rule = reserved.fault(of: id.bytes) { return (id, rule) }
        }
        return nil
    }

    /// Why two ids are two, in plain words; nil where they are one.
    package func hint(reserved: ReservedIDs) -> String? {
        if path != nil { return nil }
        if let (id, rule) = unusableID(reserved) {
            return "No record can join \"\(id)\" to another id: an id of an identity operation \(rule)."
        }
        if block != nil {
            return "An unmerge parted these two on purpose, and what SDKs repeat may not join them again."
        }
        if !parted.isEmpty {
            let links = parted.map { "link \($0.link.sequence) (taken back by \($0.revoked))" }
            return "They were one, or would be, through what unmerges took back: \(links.joined(separator: ", ")). "
                + "/identity/restore undoes an unmerge."
        }
        let isOpen = refusals.isEmpty
        var hint = "No chain of links leads from one to the other. The refusals say what was tried and why it failed."
        let unlinked = zip([from, to], resolved).filter { $1.clusterSize == 1 }.map { "\($0.0)" }
        if isOpen, !unlinked.isEmpty {
            let ids = unlinked.joined(separator: " and of ")
            hint = "No entry of the log\(isPast ? " up to that sequence" : "") makes a link of \(ids)."
        } else if isOpen {
            hint = "Both have links, but no chain of them leads from one to the other, and the log refused none."
        }
        guard system == .simplified else { return hint }
        return hint + " Each cluster has one user, for good; a device that another user came with keeps its first, "
            + "which $identity_failure_reason on the event says, and not the log."
    }
}
