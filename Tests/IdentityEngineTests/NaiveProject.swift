import IdentityEngine

/// P 7 to 9 once more, said as plainly as can be, to be compared with the index: a list of links, sets of ids, and
/// everything else computed anew from them each time.
struct NaiveProject {
    struct Link {
        let sequence: Int64
        let event: IdentityEvent
    }

    struct Row {
        let firstSequence: Int64
        let isAnonymousForm: Bool
    }

    /// What `Decision` says, less keys of nodes.
    struct Ruling: Equatable {
        var outcome: MergeOutcome
        var hasLink = false
        var clusterSize = 0
        var isLogged = true
    }

    var rules: MergeRules
    private(set) var lastSequence: Int64 = 0
    private(set) var rows: [DistinctID: Row] = [:]
    private var allLinks: [Link] = []
    private var switchedOff: Set<Int64> = []
    /// What each unmerge switched off, while it is not restored.
    private var unmerges: [Int64: Set<Int64>] = [:]

    private var links: [Link] { allLinks.filter { !switchedOff.contains($0.sequence) } }
    /// The unmerge that parted each blocked pair; 0 where there was none.
    private var blocks: [Set<DistinctID>: Int64] = [:]

    init(_ rules: MergeRules) { self.rules = rules }

    /// Blocks a pair, unless an unmerge did.
    mutating func block(_ a: DistinctID, _ b: DistinctID) { blocks[[a, b]] = blocks[[a, b]] ?? 0 }

    mutating func decide(_ event: IdentityEvent) -> Ruling {
        let ruling =
            switch (rules.system, event.verb) {
            case (.original, .identify): identify(event)
            case (.original, .alias): alias(event)
            case (.original, .merge): merge(event)
            case (.simplified, .device): device(event)
            case (.legacy, .alias): legacyAlias(event)
            default: Ruling(outcome: .unchanged, isLogged: false)
            }
        guard ruling.isLogged else { return ruling }
        lastSequence += 1
        let isAboutOneID = event.primary == event.secondary && event.verb != .identify
        if !isAboutOneID {
            for id in [event.primary, event.secondary] where rows[id] == nil {
                rows[id] = Row(firstSequence: lastSequence, isAnonymousForm: rules.anonymousForm.matches(id))
            }
        }
        if ruling.hasLink { allLinks.append(Link(sequence: lastSequence, event: event)) }
        return ruling
    }

    private func identify(_ event: IdentityEvent) -> Ruling {
        let anonymousCluster = cluster(of: event.secondary)
        if event.primary == event.secondary { return Ruling(outcome: .refused(.sameIDs)) }
        if !rules.anonymousForm.matches(event.secondary) { return Ruling(outcome: .refused(.anonymousNotGUIDForm)) }
        if anonymousCluster.contains(event.primary) { return together(event) }
        if isBlocked(event) { return Ruling(outcome: .refused(.linkRevoked)) }
        if !anonymousCluster.isDisjoint(with: used()) { return Ruling(outcome: .refused(.anonymousAssignedAlready)) }
        return joined(event)
    }

    private func alias(_ event: IdentityEvent) -> Ruling {
        let isTogether = cluster(of: event.primary).contains(event.secondary)
        if isBlocked(event) { return Ruling(outcome: .refused(.linkRevoked)) }
        if aliases().contains(event.secondary), !isTogether { return Ruling(outcome: .refused(.aliasAlreadyExists)) }
        return isTogether ? together(event) : joined(event)
    }

    private mutating func merge(_ event: IdentityEvent) -> Ruling {
        let isTogether = cluster(of: event.primary).contains(event.secondary)
        let ruling = isTogether ? together(event) : joined(event)
        if ruling.hasLink { blocks[[event.primary, event.secondary]] = nil }
        return ruling
    }

    private func device(_ event: IdentityEvent) -> Ruling {
        guard let first = links.first(where: { $0.event.secondary == event.secondary }) else {
            if isBlocked(event) { return Ruling(outcome: .refused(.linkRevoked), isLogged: false) }
            return Ruling(outcome: .merged, hasLink: true, clusterSize: cluster(of: event.primary).count + 1)
        }
        if first.event.primary != event.primary {
            return Ruling(outcome: .refused(.anonymousAssignedAlready), isLogged: false)
        }
        return Ruling(outcome: .unchanged, clusterSize: cluster(of: event.primary).count, isLogged: false)
    }

    private func legacyAlias(_ event: IdentityEvent) -> Ruling {
        let size = cluster(of: event.primary).count
        if event.primary == event.secondary || links.contains(where: { $0.event == event }) {
            return Ruling(outcome: .unchanged, clusterSize: size)
        }
        let makesCycle = mapped(event.primary) == event.secondary
        if aliases().contains(event.secondary) || makesCycle { return Ruling(outcome: .refused(.aliasAlreadyExists)) }
        return Ruling(outcome: .merged, hasLink: true, clusterSize: size + cluster(of: event.secondary).count)
    }

    private func together(_ event: IdentityEvent) -> Ruling {
        let isNews = event.primary != event.secondary && !links.contains { $0.event == event }
        return Ruling(outcome: .unchanged, hasLink: isNews, clusterSize: cluster(of: event.primary).count)
    }

    private func joined(_ event: IdentityEvent) -> Ruling {
        let size = cluster(of: event.primary).union(cluster(of: event.secondary)).count
        if rules.maxClusterSize > 0, size >= rules.maxClusterSize + 1 {
            return Ruling(outcome: .refused(.manyIDs), clusterSize: size)
        }
        return Ruling(outcome: .merged, hasLink: true, clusterSize: size)
    }

    private func isBlocked(_ event: IdentityEvent) -> Bool { blocks[[event.primary, event.secondary]] != nil }
}

extension NaiveProject {
    /// Identified sides of `$identify` links; in a Simplified project, owners of devices.
    func used() -> Set<DistinctID> {
        Set(links.filter { $0.event.verb == .identify || $0.event.verb == .device }.map(\.event.primary))
    }

    /// Alias sides of `$create_alias` links.
    func aliases() -> Set<DistinctID> { Set(links.filter { $0.event.verb == .alias }.map(\.event.secondary)) }

    /// All ids that links lead to from one id.
    func cluster(of id: DistinctID, bySequence sequence: Int64 = .max) -> Set<DistinctID> {
        var members: Set = [id]
        var count = 0
        while members.count > count {
            count = members.count
            for link in links where link.sequence <= sequence {
                guard members.contains(link.event.primary) != members.contains(link.event.secondary) else { continue }
                members.insert(link.event.primary)
                members.insert(link.event.secondary)
            }
        }
        return members
    }

    func canonicalID(of id: DistinctID) -> DistinctID {
        if rules.system == .legacy { return mapped(id) }
        let used = used()
        let ranks = cluster(of: id).map { (id: $0, rank: rank(of: $0, used)) }
        return ranks.min { $0.rank < $1.rank }?.id ?? id
    }

    /// (class, order) of P 7.8-1.
    private func rank(of id: DistinctID, _ used: Set<DistinctID>) -> (Int, Int64, Int) {
        guard let first = links.first(where: { $0.event.primary == id || $0.event.secondary == id }) else {
            return (3, 0, 0)
        }
        let rankClass = used.contains(id) ? 0 : rows[id]?.isAnonymousForm == true ? 2 : 1
        return (rankClass, first.sequence, first.event.primary == id ? 0 : 1)
    }

    /// Where the map of a Legacy project leads from an id.
    private func mapped(_ id: DistinctID) -> DistinctID {
        guard let link = links.first(where: { $0.event.secondary == id }) else { return id }
        return mapped(link.event.primary)
    }
}

extension NaiveProject {
    /// The sequences of the active links, all of them or those with an id at an end.
    func activeLinks(of id: DistinctID? = nil) -> [Int64] {
        links.filter { id == nil || $0.event.primary == id || $0.event.secondary == id }.map(\.sequence)
    }

    /// The unmerges that can be restored, in order: in a Simplified project none whose device has another user now.
    var openUnmerges: [Int64] { unmerges.keys.filter { !isTaken($0) }.sorted() }

    private func isTaken(_ unmerge: Int64) -> Bool {
        guard rules.system == .simplified, let done = unmerges[unmerge] else { return false }
        let owned = links.map(\.event)
        return allLinks.contains { link in
            done.contains(link.sequence)
                && owned.contains { $0.secondary == link.event.secondary && $0.primary != link.event.primary }
        }
    }

    /// Switches links off as an entry of the log.
    mutating func unmerge(_ sequences: [Int64], keepsApart: Bool) {
        lastSequence += 1
        switchedOff.formUnion(sequences)
        let pairs = allLinks.filter { sequences.contains($0.sequence) }.map { [$0.event.primary, $0.event.secondary] }
        let parted = Set(pairs.filter { !cluster(of: $0[0]).contains($0[1]) }.map { Set($0) })
        if keepsApart { for pair in parted { blocks[pair] = lastSequence } }
        unmerges[lastSequence] = Set(sequences)
    }

    /// Takes an unmerge back as an entry of the log.
    mutating func restore(_ unmerge: Int64) {
        lastSequence += 1
        guard let done = unmerges.removeValue(forKey: unmerge) else { return }
        switchedOff.subtract(done)
        blocks = blocks.filter { $0.value != unmerge }
    }
}
