package import IdentityEngine

/// The project that a record belongs to, as far as reading the record depends on it.
package struct RecordProject: Hashable, Sendable {
    package var project: ProjectID
    package var system: IdentitySystem

    /// A project and how it joins ids.
    package init(project: ProjectID, system: IdentitySystem) {
        self.project = project
        self.system = system
    }
}

/// Which project the records of a request belong to.
package enum ProjectSelection {
    /// Each record names its own by `token`; the closure knows the tokens. A record of an unknown token is valid, and
    /// dropped (P 4.1-2).
    case byToken((UnsafeRawBufferPointer) -> RecordProject?)
    /// All belong to the credential's project. Without `mayMerge`, `$merge` is refused (P 5.3-1).
    case fixed(RecordProject, mayMerge: Bool)
}

extension ProjectSelection {
    /// Whether a sender at an endpoint may say what an export says (P 7.1-7): one with the secret or an account.
    func isTrusted(at endpoint: EventBatch.Endpoint) -> Bool {
        if case .fixed(_, mayMerge: true) = self, case .import = endpoint { return true }
        return false
    }
}
