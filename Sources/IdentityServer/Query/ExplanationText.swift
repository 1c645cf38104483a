import IdentityEngine
package import IdentityStore

/// How an explanation is told.
enum ExplanationText {
    /// - Parameters:
    ///   - explanation: what was found.
    ///   - sequence: the last entry that counted.
    /// - Returns: a JSON object.
    static func json(_ explanation: Explanation, sequence: Int64) -> [UInt8] {
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
                    for trial in explanation.trials { write(trial, to: &json) }
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
            json.optional("hint", explanation.hint)
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
    /// Why two ids are two, in plain words; nil where they are one.
    package var hint: String? {
        if path != nil { return nil }
        if block != nil {
            return "An unmerge parted these two on purpose, and what SDKs repeat may not join them again."
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
