package import IdentityEngine
package import IdentityStore

/// How parts of an explanation are told in a line of text.
package enum ExplanationLine {
    /// A link of a chain: its verb, its number, its time and who sent it.
    package static func text(of step: Explanation.Step, role: String) -> String {
        var text = "\(step.link.verb.name) \(role) · link \(step.link.sequence)"
        if let entry = step.entry {
            text += " · \(Timestamp.text(milliseconds: entry.timeMilliseconds))"
            text += " · \(entry.origin.endpoint.path), \(entry.origin.principal)"
        }
        return text
    }

    /// A refused operation, and what to do about it.
    package static func text(of entry: LogEntry) -> String {
        "\(entry.sequence) \(Timestamp.text(milliseconds: entry.timeMilliseconds)) \(entry.event.verb.name) of "
            + "\(entry.event.secondary.line) for \(entry.event.primary.line): \(entry.refusal?.failureReason ?? "")\n"
            + "   \(entry.refusal?.hint ?? "")"
    }
}
