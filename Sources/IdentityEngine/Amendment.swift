/// What an operator changed of a project's identity state, as an entry of the log says it.
///
/// Replay applies it as it stands: which links it switched is recorded, never found again.
package enum Amendment: Hashable, Sendable {
    /// Links were switched off.
    ///
    /// - links: the sequences of the links, ascending.
    /// - target: the one link that was named; nil where an id was.
    /// - keepsApart: whether `$identify` and `$create_alias` may not join a parted pair again (P 7.2-3b, 7.5-0).
    case unmerge(links: [Int64], target: Int64?, keepsApart: Bool)
    /// The links that an unmerge switched off were switched on again, and its blocks lifted.
    case restore(unmerge: Int64, links: [Int64])
    /// The block of a pair was lifted.
    case unblock
    /// The project's rules changed.
    case rules(from: MergeRules, to: MergeRules)

    package var verb: Verb {
        switch self {
        case .unmerge: .unmerge
        case .restore: .restore
        case .unblock: .unblock
        case .rules: .rules
        }
    }
}

/// One entry of a project's log that an operator made.
package struct AmendmentEntry: Hashable, Sendable {
    /// The entry's place in the project's one total order.
    package let sequence: Int64
    /// When it was committed, in milliseconds since 1970; never less than the entry before.
    package let timeMilliseconds: Int64
    package let amendment: Amendment
    /// The ids that it names: both ends of the link, the id, both sides of the block; none for rules.
    package let ids: [DistinctID]
    package let origin: EventBatch.Origin

    package init(
        sequence: Int64, timeMilliseconds: Int64, amendment: Amendment, ids: [DistinctID], origin: EventBatch.Origin
    ) {
        self.sequence = sequence
        self.timeMilliseconds = timeMilliseconds
        self.amendment = amendment
        self.ids = ids
        self.origin = origin
    }
}

/// Amendments as stores keep them: numbers, the meaning of which is never changed.
extension Amendment {
    package var packed: [Int64] {
        switch self {
        case .unmerge(let links, let target, let keepsApart): [keepsApart ? 1 : 0, target ?? 0] + links
        case .restore(let unmerge, let links): [unmerge] + links
        case .unblock: []
        case .rules(let from, let to): from.packed + to.packed
        }
    }

    /// The amendment of a verb from its numbers; nil where they are none.
    package init?(_ verb: Verb, packed: [Int64]) {
        switch verb {
        case .unmerge where packed.count >= 2 && (0...1).contains(packed[0]):
            let target = packed[1] == 0 ? nil : packed[1]
            self = .unmerge(links: Array(packed.dropFirst(2)), target: target, keepsApart: packed[0] == 1)
        case .restore where !packed.isEmpty:
            self = .restore(unmerge: packed[0], links: Array(packed.dropFirst()))
        case .unblock where packed.isEmpty: self = .unblock
        case .rules where packed.count == 6:
            guard let from = MergeRules(packed: packed[..<3]), let to = MergeRules(packed: packed[3...]) else {
                return nil
            }
            self = .rules(from: from, to: to)
        default: return nil
        }
    }
}

extension MergeRules {
    private static let systems: [IdentitySystem] = [.original, .simplified, .legacy]
    private static let forms: [AnonymousForm] = [.mixpanel, .uuid4, .any]

    fileprivate var packed: [Int64] {
        [
            Int64(MergeRules.systems.firstIndex(of: system) ?? 0), Int64(maxClusterSize),
            Int64(MergeRules.forms.firstIndex(of: anonymousForm) ?? 0),
        ]
    }

    fileprivate init?(packed: ArraySlice<Int64>) {
        let numbers = packed.map { Int(clamping: $0) }
        guard numbers.count == 3, MergeRules.systems.indices.contains(numbers[0]),
            MergeRules.forms.indices.contains(numbers[2]), MergeRules.isAllowed(maxClusterSize: numbers[1])
        else { return nil }
        self.init(
            system: MergeRules.systems[numbers[0]], maxClusterSize: numbers[1],
            anonymousForm: MergeRules.forms[numbers[2]])
    }
}
