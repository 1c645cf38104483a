/// What was decided about one identity event.
package struct Decision: Hashable, Sendable {
    package let outcome: MergeOutcome
    /// The link that the statement made; nil for a refusal, an exact repeat, or a statement about one id.
    package let link: Link?
    /// What the link changed of canonical ids; nil where it changed none.
    package let change: CanonicalChange?
    /// Ids in the cluster afterwards; where refused for size, ids that it would have had; 0 for any other refusal.
    package let clusterSize: Int
    /// Whether the operation is an entry of the log.
    ///
    /// What a Simplified event repeats is not (P 8-3), nor a verb that has no function in the project's system.
    package let isLogged: Bool

    /// Why a rule said no; nil where none did.
    package var refusal: MergeRefusal? {
        if case .refused(let refusal) = outcome { refusal } else { nil }
    }

    /// Why the device and the user of a Simplified event were not joined (P 8-3); nil elsewhere.
    package var conflict: MergeRefusal? { isLogged ? nil : refusal }

    init(
        _ outcome: MergeOutcome, link: Link? = nil, change: CanonicalChange? = nil, clusterSize: Int = 0,
        isLogged: Bool = true
    ) {
        self.outcome = outcome
        self.link = link
        self.change = change
        self.clusterSize = clusterSize
        self.isLogged = isLogged
    }
}

extension IdentityIndex {
    /// Decides one identity event, and brings the index to the state after it.
    ///
    /// The ids' nodes, if they exist, the paths to their roots, and the pair's active links must be loaded.
    ///
    /// - Parameters:
    ///   - event: the statement.
    ///   - rules: the project's rules.
    ///   - sequence: the place that the entry will have in the log if it is logged.
    ///   - timeMilliseconds: the entry's time.
    /// - Returns: the outcome, as the decision tables of P 7.2, 7.5, 7.6, 8 and 9 give it.
    package mutating func decide(
        _ event: IdentityEvent, by rules: MergeRules, sequence: Int64, timeMilliseconds: Int64
    ) -> Decision {
        let moment = Moment(rules: rules, sequence: sequence, timeMilliseconds: timeMilliseconds)
        switch (rules.system, event.verb) {
        case (.original, .identify): return decideIdentify(event, moment)
        case (.original, .alias): return decideAlias(event, moment)
        case (.original, .merge): return decideMerge(event, moment)
        case (.simplified, .device): return decideDevice(event, moment)
        case (.legacy, .alias): return decideLegacyAlias(event, moment)
        // The other verbs have no function (P 7.6-6, 8-6, 9-1). No record states them, but a project may change its
        // system between the reading of a record and its commit, while it holds no data (P 9-6).
        default: return Decision(.unchanged, isLogged: false)
        }
    }

    /// P 7.2, row by row.
    private mutating func decideIdentify(_ event: IdentityEvent, _ moment: Moment) -> Decision {
        let pair = makePair(event, moment)
        if event.secondary == event.primary { return Decision(.refused(.sameIDs)) }
        guard moment.rules.anonymousForm.matches(event.secondary) else {
            return Decision(.refused(.anonymousNotGUIDForm))
        }
        if pair.isTogether { return keepTogether(event, pair, moment) }
        if isBlocked(node(at: pair.primary).key, node(at: pair.secondary).key) {
            return Decision(.refused(.linkRevoked))
        }
        if node(at: pair.secondaryRoot).identifiedCount > 0 { return Decision(.refused(.anonymousAssignedAlready)) }
        return joinWithinLimit(event, pair, moment)
    }

    /// P 7.5, row by row.
    private mutating func decideAlias(_ event: IdentityEvent, _ moment: Moment) -> Decision {
        if event.primary == event.secondary { return aboutOneID(event) }
        let pair = makePair(event, moment)
        if isBlocked(node(at: pair.primary).key, node(at: pair.secondary).key) {
            return Decision(.refused(.linkRevoked))
        }
        if pair.isTogether { return keepTogether(event, pair, moment) }
        if node(at: pair.secondary).aliasSequence != 0 { return Decision(.refused(.aliasAlreadyExists)) }
        return joinWithinLimit(event, pair, moment)
    }

    /// P 7.6, row by row.
    ///
    /// A `$merge` that succeeds lifts a block: it is sent on purpose, with a secret.
    private mutating func decideMerge(_ event: IdentityEvent, _ moment: Moment) -> Decision {
        if event.primary == event.secondary { return aboutOneID(event) }
        let pair = makePair(event, moment)
        let decision = pair.isTogether ? keepTogether(event, pair, moment) : joinWithinLimit(event, pair, moment)
        if decision.link != nil { unblock(node(at: pair.primary).key, node(at: pair.secondary).key) }
        return decision
    }

    /// P 8-2 and 8-3: the first user that comes with a device keeps it, and there is no limit of size.
    ///
    /// A device that an unmerge parted from a user does not go back to them by the next event that names both.
    private mutating func decideDevice(_ event: IdentityEvent, _ moment: Moment) -> Decision {
        if let device = slot(for: event.secondary), node(at: device).order != 0 {
            let root = node(at: rootSlot(device))
            guard node(for: event.primary)?.key == root.canonical else {
                return Decision(.refused(.anonymousAssignedAlready), isLogged: false)
            }
            return Decision(.unchanged, clusterSize: Int(root.size), isLogged: false)
        }
        if let primary = node(for: event.primary), let secondary = node(for: event.secondary),
            isBlocked(primary.key, secondary.key)
        {
            return Decision(.refused(.linkRevoked), isLogged: false)
        }
        let pair = makePair(event, moment)
        // A device without a place is alone; a log that contradicts itself may say otherwise.
        if pair.isTogether {
            return Decision(.unchanged, clusterSize: Int(node(at: pair.primaryRoot).size), isLogged: false)
        }
        return join(event, pair, moment)
    }

    /// P 9-2 and 9-3: an alias is given once, maps to the root of what it names, and never makes a cycle.
    private mutating func decideLegacyAlias(_ event: IdentityEvent, _ moment: Moment) -> Decision {
        if event.primary == event.secondary { return aboutOneID(event) }
        let pair = makePair(event, moment)
        if hasActiveLink(statement(event, pair)) {
            return Decision(.unchanged, clusterSize: Int(node(at: pair.primaryRoot).size))
        }
        if node(at: pair.secondary).aliasSequence != 0 || pair.isTogether {
            return Decision(.refused(.aliasAlreadyExists))
        }
        return join(event, pair, moment)
    }
}

extension IdentityIndex {
    /// When something is decided or applied, and under which rules.
    struct Moment {
        let rules: MergeRules
        let sequence: Int64
        let timeMilliseconds: Int64
    }

    /// The slots of an event's two ids and of their roots, before the event.
    struct Pair {
        let primary: Int
        let secondary: Int
        let primaryRoot: Int
        let secondaryRoot: Int

        var isTogether: Bool { primaryRoot == secondaryRoot }
    }

    mutating func makePair(_ event: IdentityEvent, _ moment: Moment) -> Pair {
        let form = moment.rules.anonymousForm
        let primary = slot(
            making: event.primary, form: form, sequence: moment.sequence, timeMilliseconds: moment.timeMilliseconds)
        let secondary = slot(
            making: event.secondary, form: form, sequence: moment.sequence, timeMilliseconds: moment.timeMilliseconds)
        return Pair(
            primary: primary, secondary: secondary,
            primaryRoot: rootSlot(primary), secondaryRoot: rootSlot(secondary))
    }

    func statement(_ event: IdentityEvent, _ pair: Pair) -> LinkStatement {
        LinkStatement(verb: event.verb, from: node(at: pair.secondary).key, to: node(at: pair.primary).key)
    }

    /// An alias or a merge of an id with itself: success that makes no row and no link (P 7.8-1).
    private func aboutOneID(_ event: IdentityEvent) -> Decision {
        let size = slot(for: event.primary).map { node(at: rootSlot($0)).size } ?? 1
        return Decision(.unchanged, clusterSize: Int(size))
    }

    /// The ids are one already.
    ///
    /// A statement that no active link makes yet becomes a redundant link, which keeps the two together when another
    /// link goes.
    mutating func keepTogether(_ event: IdentityEvent, _ pair: Pair, _ moment: Moment) -> Decision {
        let size = Int(node(at: pair.primaryRoot).size)
        guard !hasActiveLink(statement(event, pair)) else { return Decision(.unchanged, clusterSize: size) }
        let former = RingPiece(ofRoot: node(at: pair.primaryRoot))
        let link = makeLink(event, pair, moment)
        improveCanonical(of: pair.primaryRoot, with: pair.primary, moment)
        improveCanonical(of: pair.secondaryRoot, with: pair.secondary, moment)
        change(pair.primaryRoot) { $0.linkedSequence = moment.sequence }
        let changed = CanonicalChange(of: former, to: node(at: pair.primaryRoot).canonical)
        return Decision(.unchanged, link: link, change: changed, clusterSize: size)
    }

    /// A rule about size applies only where two clusters differ (P 7.7-3).
    private mutating func joinWithinLimit(_ event: IdentityEvent, _ pair: Pair, _ moment: Moment) -> Decision {
        let size = Int(node(at: pair.primaryRoot).size + node(at: pair.secondaryRoot).size)
        let limit = moment.rules.maxClusterSize
        if limit > 0, size > limit { return Decision(.refused(.manyIDs), clusterSize: size) }
        return join(event, pair, moment)
    }

    /// Makes one cluster of two: the lesser root hangs under the greater, and the two rings become one by swapping what
    /// comes after the roots.
    ///
    /// As many rows change at 2 ids as at 2 million.
    mutating func join(_ event: IdentityEvent, _ pair: Pair, _ moment: Moment) -> Decision {
        precondition(!pair.isTogether, "a cluster cannot be joined to itself")
        let primaryIsGreater = node(at: pair.primaryRoot).size >= node(at: pair.secondaryRoot).size
        let winner = primaryIsGreater ? pair.primaryRoot : pair.secondaryRoot
        let loser = primaryIsGreater ? pair.secondaryRoot : pair.primaryRoot
        let formerPrimary = RingPiece(ofRoot: node(at: pair.primaryRoot))
        let formerSecondary = RingPiece(ofRoot: node(at: pair.secondaryRoot))
        let link = makeLink(event, pair, moment)
        improveCanonical(of: pair.primaryRoot, with: pair.primary, moment)
        improveCanonical(of: pair.secondaryRoot, with: pair.secondary, moment)

        let lost = node(at: loser)
        let won = node(at: winner)
        let keepsWinner =
            moment.rules.system == .legacy ? winner == pair.primaryRoot : won.canonicalRank <= lost.canonicalRank
        change(loser) {
            $0.parent = won.key
            $0.joinedSequence = moment.sequence
            $0.next = won.next
        }
        change(winner) {
            $0.next = lost.next
            $0.size = won.size + lost.size
            $0.identifiedCount = won.identifiedCount + lost.identifiedCount
            $0.linkedSequence = moment.sequence
            if !keepsWinner {
                $0.canonical = lost.canonical
                $0.canonicalRank = lost.canonicalRank
                $0.canonicalSince = moment.sequence
            }
        }
        let changed = CanonicalChange(of: formerPrimary, formerSecondary, to: node(at: winner).canonical)
        return Decision(.merged, link: link, change: changed, clusterSize: Int(won.size + lost.size))
    }

    /// Makes a link, and writes what it gives its two ids.
    ///
    /// An id that has its place already is not written again.
    private mutating func makeLink(_ event: IdentityEvent, _ pair: Pair, _ moment: Moment) -> Link {
        let statement = statement(event, pair)
        let sequence = moment.sequence
        admit(activeLink: statement)
        // A Legacy map gives no places: what an alias maps to stands for it (P 9-2).
        if moment.rules.system != .legacy {
            if node(at: pair.primary).order == 0 { change(pair.primary) { $0.order = sequence << 1 } }
            if node(at: pair.secondary).order == 0 { change(pair.secondary) { $0.order = sequence << 1 | 1 } }
        }
        let identifies = event.verb == .identify || event.verb == .device
        if identifies, node(at: pair.primary).identifiedSequence == 0 {
            change(pair.primary) { $0.identifiedSequence = sequence }
            change(pair.primaryRoot) { $0.identifiedCount += 1 }
        }
        if event.verb == .alias, node(at: pair.secondary).aliasSequence == 0 {
            change(pair.secondary) { $0.aliasSequence = sequence }
        }
        return Link(sequence: sequence, verb: event.verb, from: statement.from, to: statement.to)
    }

    /// A link may raise the rank of its ends; a root must know it before its canonical id is compared.
    private mutating func improveCanonical(of root: Int, with member: Int, _ moment: Moment) {
        let key = node(at: member).key
        let rank = node(at: member).rank
        guard rank < node(at: root).canonicalRank else { return }
        change(root) {
            if $0.canonical != key { $0.canonicalSince = moment.sequence }
            $0.canonical = key
            $0.canonicalRank = rank
        }
    }
}
