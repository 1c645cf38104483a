/// What one successful statement says of one pair of ids.
///
/// Links are never changed; the log of links is the truth.
package struct Link: Hashable, Sendable {
    /// The sequence of the log entry that made it; a project's links are numbered by it.
    package let sequence: Int64
    package let verb: Verb
    /// The secondary side: anonymous id, alias, second id, device.
    package let from: NodeKey
    /// The primary side: identified id, `distinct_id`, first id, user.
    package let to: NodeKey

    package init(sequence: Int64, verb: Verb, from: NodeKey, to: NodeKey) {
        self.sequence = sequence
        self.verb = verb
        self.from = from
        self.to = to
    }

    /// What makes two links say the same: verb, and both ends in that direction.
    package var statement: LinkStatement { LinkStatement(verb: verb, from: from, to: to) }
}

/// A verb and a pair in one direction, without the moment at which it was said.
package struct LinkStatement: Hashable, Sendable {
    package let verb: Verb
    package let from: NodeKey
    package let to: NodeKey

    package init(verb: Verb, from: NodeKey, to: NodeKey) {
        self.verb = verb
        self.from = from
        self.to = to
    }
}
