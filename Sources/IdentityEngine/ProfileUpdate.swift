/// One checked update of a profile, over the bytes of its batch (P 10-1, 10-3).
package struct ProfileUpdate: Sendable {
    /// Whose properties change.
    package enum Subject: Hashable, Sendable {
        /// The someone behind a distinct_id, as sent (P 7.10-1).
        case user(EventBatch.Slice)
        /// A group: its `$group_key` and its `$group_id`.
        case group(key: EventBatch.Slice, id: EventBatch.Slice)
    }

    package var project: ProjectID
    package var subject: Subject
    /// What to do, in the order in which the record names it.
    package var operations: [ProfileOperation]
    /// Whether the literal id is meant, and not the cluster that it is in (P 7.10-2, 9-5).
    package var ignoresAlias = false
    /// The place of the record in its request, from zero.
    package var recordIndex: UInt32 = 0
    /// Whether it leaves `$last_seen` as it is (P 10-9).
    package var ignoresTime = false

    package init(project: ProjectID, subject: Subject, operations: [ProfileOperation]) {
        self.project = project
        self.subject = subject
        self.operations = operations
    }
}

/// One operator of an update with what it is applied to.
package struct ProfileOperation: Hashable, Sendable {
    package var verb: ProfileVerb
    /// Minified, checked JSON: an array of names for `$unset`, nothing for `$delete`, an object otherwise.
    package var operand: EventBatch.Slice

    package init(verb: ProfileVerb, operand: EventBatch.Slice) {
        self.verb = verb
        self.operand = operand
    }
}

/// What an update does to the properties that it names.
///
/// The raw value may be stored; it is never renumbered.
package enum ProfileVerb: UInt8, CaseIterable, Sendable {
    case set = 1
    case setOnce = 2
    case add = 3
    case append = 4
    case union = 5
    case remove = 6
    case unset = 7
    /// The nested `$merge` of the mobile SDKs: a deep merge of objects.
    case merge = 8
    case delete = 9
}
