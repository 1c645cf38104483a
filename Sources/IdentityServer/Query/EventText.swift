import IdentityEngine
import IdentityStore

/// An event as it is written for those who read events back: the export and what else lists events (P 10-5).
struct EventText {
    let event: StoredEvent
    /// The id that it is found under.
    let canonicalID: [UInt8]
    /// The entry of the log that its statement made; nil for a plain event.
    let entry: LogEntry?
    /// Whether it says which entry of the log it made (P 7.1-8).
    var marksEntry = false
    /// The unmerge that took back the link that it stated; nil where it was not taken back.
    var revokedSequence: Int64?
    /// Whether it says that it is an event, for files that hold other things too.
    var namesType = false
    /// Whether `time` is written in milliseconds rather than seconds.
    var isTimeInMilliseconds = false

    /// The time as it is written, in milliseconds.
    var writtenMilliseconds: Int64 {
        let time = event.key.timeMilliseconds
        if isTimeInMilliseconds { return time }
        let (whole, isTooGreat) = Timestamp.seconds(milliseconds: time).multipliedReportingOverflow(by: 1000)
        return isTooGreat ? time : whole
    }

    /// Writes it as an object.
    ///
    /// - Parameter json: where it is written to.
    /// - Returns: where its properties stand in what was written.
    func write(to json: inout JSONBuilder) -> Range<Int> {
        var properties = 0..<0
        json.object { json in
            if namesType { json.field("type", "event") }
            json.field("event", utf8: event.name)
            var start = 0
            json.object("properties") { json in
                start = json.bytes.count - 1
                writeProperties(to: &json)
            }
            properties = start..<json.bytes.count
        }
        return properties
    }

    private func writeProperties(to json: inout JSONBuilder) {
        let time = event.key.timeMilliseconds
        json.field("time", isTimeInMilliseconds ? time : Timestamp.seconds(milliseconds: time))
        json.field("distinct_id", utf8: canonicalID)
        if event.sentID != canonicalID { json.field("$distinct_id_before_identity", utf8: event.sentID) }
        if event.insertID.isEmpty {
            json.field("$insert_id", event.key.generatedInsertID)
        } else {
            json.field("$insert_id", utf8: event.insertID)
        }
        json.members(of: event.properties)
        if let refusal = entry?.refusal {
            json.field("$failure_reason", refusal.failureReason)
            json.field("$failure_description", entry?.failureDescription ?? "")
        }
        if marksEntry, event.sequence != 0 { json.field("$selfsame_sequence", event.sequence) }
        // An event that came here with the mark keeps the one that it came with.
        if let revokedSequence, !event.properties.holds(Array("\"$selfsame_revoked\":".utf8)) {
            json.field("$selfsame_revoked", revokedSequence)
        }
        if let conflict = event.conflict { json.field("$identity_failure_reason", conflict.failureReason) }
        json.field("mp_processing_time_ms", event.receivedMilliseconds)
        json.field("$mp_api_endpoint", event.endpoint.path)
        json.field("$mp_api_timestamp_ms", event.receivedMilliseconds)
        if event.endpoint == .import { json.field("$import", true) }
    }
}

extension EventKey {
    /// What stands for `$insert_id` where none was sent.
    var generatedInsertID: String { hashText }

    /// The key's own hash, as 32 hexadecimal digits.
    var hashText: String {
        let digits = [hashHigh, hashLow].map { half in
            let text = String(half, radix: 16)
            return String(repeating: "0", count: 16 - text.utf8.count) + text
        }
        return digits.joined()
    }
}
