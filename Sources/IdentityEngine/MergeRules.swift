/// Which of Mixpanel's three ways of joining ids a project uses.
///
/// It cannot change once the project holds data (P 9-6).
package enum IdentitySystem: String, CaseIterable, Sendable {
    /// Original ID Merge (P 7).
    case original
    /// Simplified ID Merge (P 8).
    case simplified
    /// ID Merge disabled: a one-way map of aliases (P 9).
    case legacy
}

/// Which ids `$identify` accepts on its anonymous side (P 7.4-2).
package enum AnonymousForm: String, CaseIterable, Sendable {
    /// RFC 4122 version 4, or the shape of old mixpanel-js ids; either may follow `$device:` (P 7.4-1).
    case mixpanel
    /// RFC 4122 version 4 only.
    case uuid4
    /// Any id.
    case any
}

/// The conditions under which a project joins ids, as values.
package struct MergeRules: Hashable, Sendable {
    package var system: IdentitySystem
    /// The most ids a cluster may hold; 0 is no limit.
    ///
    /// The default, 499, is the flowcharts' reading (P 7.7-2).
    package var maxClusterSize: Int
    package var anonymousForm: AnonymousForm

    package static let defaultMaxClusterSize = 499

    package init(
        system: IdentitySystem = .original,
        maxClusterSize: Int = MergeRules.defaultMaxClusterSize,
        anonymousForm: AnonymousForm = .mixpanel
    ) {
        self.system = system
        self.maxClusterSize = maxClusterSize
        self.anonymousForm = anonymousForm
    }
}

extension MergeRules {
    /// Whether a number may be `maxClusterSize`: 0 for none, or a size that lets at least two ids join.
    package static func isAllowed(maxClusterSize: Int) -> Bool {
        maxClusterSize == 0 || (2...1_000_000_000).contains(maxClusterSize)
    }
}
