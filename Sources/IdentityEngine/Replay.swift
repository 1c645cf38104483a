/// The identity state of one project as its log tells it.
///
/// Recorded outcomes are applied in the Memory engine, and none is decided anew; what cannot be applied is a
/// difference.
///
/// A deletion leaves tombstones, which tell nothing of the links and unmerges that they stood for. The ids that they
/// named and that are still there are *frayed*, with all that are in a cluster with them then or later: members,
/// canonical id, order and roles follow from the links that are left, but not the shape of the forest, nor since when
/// the canonical id stands.
package struct Replay: Sendable {
    /// The clusters after the records that were applied.
    ///
    /// Keys are from 1, in the order in which the log names ids first.
    package internal(set) var index = IdentityIndex()
    /// The rules in force, as changes of them say; the greatest size is that of the last entry, which has its own.
    package internal(set) var rules: MergeRules
    /// The last record that was applied; 0 before the first.
    package private(set) var lastSequence: Int64 = 0
    package private(set) var lastMilliseconds: Int64 = .min
    /// Every link, in order of sequence.
    package private(set) var links: [Link] = []
    /// What each of `links` changed of canonical ids; nil where it changed none.
    package private(set) var changes: [CanonicalChange?] = []
    /// What amendments switched links to, in their order.
    package internal(set) var switches: [LinkSwitch] = []
    /// The unmerge that parted each blocked pair.
    package internal(set) var blocks: [NodePair: Int64] = [:]
    /// The entry that lifted the last block of each pair that is not blocked any more.
    package internal(set) var lifted: [NodePair: Int64] = [:]
    /// Blocked pairs that may not be blocked: a link that a deletion took may have kept them together.
    package internal(set) var uncertainBlocks: Set<NodePair> = []
    /// The tombstones, ascending.
    package private(set) var tombstones: [Int64] = []
    /// Nodes whose history is told in part only.
    package internal(set) var frayed: Set<NodeKey> = []
    /// Nodes that a tombstone made: the time at which they were first seen is not known.
    package private(set) var undated: Set<NodeKey> = []

    /// The entry that last changed each node.
    var changedSequences: [Int64] = []
    /// The sum of the mixed sequences of the entries that name each node.
    private var namings: [UInt64] = []
    /// The links of each node as chains through `next`: the place of the last one, doubled, plus 1 at its `to` end.
    private var lastLinks: [Int32] = []
    private var formerLinks: [Int32] = []
    /// What the record that is being applied changed.
    private var changedSlots: [Int] = []
    /// The unmerge that switched off each link that is off.
    var revoked: [Int64: Int64] = [:]

    /// A replay of an empty log.
    ///
    /// - Parameter rules: the rules in force at its beginning.
    package init(rules: MergeRules) { self.rules = rules }

    /// How many nodes there are.
    package var count: Int { index.count }

    /// The node with a place, from 0; its key is one more.
    package func node(at place: Int) -> Node { index.node(at: place) }

    /// The place of an id's node; nil where no record names it.
    package func place(of id: DistinctID) -> Int? { index.slot(for: id) }

    /// The record that last changed the node with a place.
    package func changedSequence(at place: Int) -> Int64 { changedSequences[place] }

    /// The sum of `mixed` over the records that name the node with a place, tombstones aside.
    package func naming(at place: Int) -> UInt64 { namings[place] }

    /// Spreads a sequence over 64 bits, so that sums of different sequences differ.
    package static func mixed(_ sequence: Int64) -> UInt64 {
        var mixed = UInt64(bitPattern: sequence) &+ 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// Applies the next record of the log.
    ///
    /// - Parameters:
    ///   - record: the record. Its sequence is to be one more than that of the record before.
    ///   - survivors: the ids that a tombstone's entry named and that are still there, in the order of their keys.
    ///   - differences: where the log contradicts itself.
    package mutating func apply(
        _ record: LogRecord, survivors: [DistinctID] = [], noting differences: inout DifferenceTally
    ) {
        let sequence = record.sequence
        if sequence != lastSequence + 1 {
            differences.add(at: min(sequence, lastSequence + 1), "the log") {
                ("an entry with sequence \(lastSequence + 1)", "next is \(sequence)")
            }
        }
        if record.timeMilliseconds < lastMilliseconds {
            differences.add(at: sequence, "the time of the entry") {
                ("\(lastMilliseconds) or later", "\(record.timeMilliseconds)")
            }
        }
        lastSequence = sequence
        lastMilliseconds = max(lastMilliseconds, record.timeMilliseconds)
        switch record {
        case .entry(let entry): apply(entry, &differences)
        case .amendment(let entry):
            apply(entry, &differences)
            name(entry.ids, sequence)
        case .tombstone: bury(sequence, survivors)
        }
        index.takeChangedSlots(into: &changedSlots)
        for slot in changedSlots { changedSequences[slot] = sequence }
    }

    private mutating func name(_ ids: [DistinctID], _ sequence: Int64) {
        for slot in Set(ids.compactMap { index.slot(for: $0) }) { namings[slot] &+= Replay.mixed(sequence) }
    }

    /// Makes room for the nodes that the index made.
    private mutating func grow() {
        while changedSequences.count < index.count {
            changedSequences.append(lastSequence)
            namings.append(0)
            lastLinks.append(-1)
        }
    }

    private mutating func bury(_ sequence: Int64, _ survivors: [DistinctID]) {
        tombstones.append(sequence)
        for id in survivors {
            let count = index.count
            let slot = index.slot(
                making: id, form: rules.anonymousForm, sequence: sequence, timeMilliseconds: lastMilliseconds)
            grow()
            let key = index.node(at: slot).key
            if index.count > count { undated.insert(key) }
            fray(clusterOf: key)
        }
    }

    /// Whether the record with a sequence is a tombstone.
    package func isTombstone(_ sequence: Int64) -> Bool {
        var low = 0
        var high = tombstones.count
        while low < high {
            let middle = (low + high) / 2
            if tombstones[middle] < sequence { low = middle + 1 } else { high = middle }
        }
        return low < tombstones.count && tombstones[low] == sequence
    }

    /// A cluster is frayed as a whole, or not at all.
    mutating func fray(clusterOf key: NodeKey) {
        guard !frayed.contains(key) else { return }
        var members: [NodeKey] = []
        index.forEachMember(ofRoot: index.root(of: key)) { member in
            members.append(member.key)
            return true
        }
        frayed.formUnion(members)
    }
}

/// Statements.
extension Replay {
    private mutating func apply(_ entry: LogEntry, _ differences: inout DifferenceTally) {
        let event = entry.event
        rules.maxClusterSize = entry.maxClusterSize
        guard event.verb.isStatement else {
            name([event.primary, event.secondary], entry.sequence)
            return differences.add(at: entry.sequence, "the verb of the entry") { ("a statement", event.verb.name) }
        }
        if event.primary == event.secondary, event.verb != .identify {
            let size = index.slot(for: event.primary).map { index.node(at: index.rootSlot($0)) }
            check(entry, .unchanged, hasLink: false, size?.size ?? 1, isFrayed: isFrayed(size?.key), &differences)
            return name([event.primary], entry.sequence)
        }
        let moment = IdentityIndex.Moment(
            rules: rules, sequence: entry.sequence, timeMilliseconds: entry.timeMilliseconds)
        let pair = index.makePair(event, moment)
        grow()
        namings[pair.primary] &+= Replay.mixed(entry.sequence)
        if pair.secondary != pair.primary { namings[pair.secondary] &+= Replay.mixed(entry.sequence) }
        let isFrayed = isFrayed(index.node(at: pair.primary).key) || isFrayed(index.node(at: pair.secondary).key)
        let together = index.node(at: pair.primaryRoot).size
        let sum = pair.isTogether ? together : together + index.node(at: pair.secondaryRoot).size
        let isRepeat = index.hasActiveLink(index.statement(event, pair))
        switch entry.outcome {
        case .merged where !pair.isTogether:
            check(entry, .merged, hasLink: true, sum, isFrayed: isFrayed, &differences)
            join(event, pair, moment, isFrayed: isFrayed)
        case .unchanged where !pair.isTogether && isFrayed && entry.hasLink:
            // What kept them together was deleted.
            check(entry, .unchanged, hasLink: true, sum, isFrayed: isFrayed, &differences)
            join(event, pair, moment, isFrayed: isFrayed)
        case .merged, .unchanged:
            let outcome: MergeOutcome = pair.isTogether ? .unchanged : .merged
            check(entry, outcome, hasLink: !isRepeat, sum, isFrayed: isFrayed, &differences)
            if entry.hasLink, !isRepeat {
                if pair.isTogether {
                    append(index.keepTogether(event, pair, moment))
                } else {
                    join(event, pair, moment, isFrayed: isFrayed)
                }
            }
        case .refused(let refusal):
            let size = refusal == .manyIDs ? sum : 0
            check(entry, entry.outcome, hasLink: false, size, isFrayed: isFrayed, &differences)
            return
        }
        if event.verb == .merge, entry.hasLink {
            lift(NodePair(index.node(at: pair.primary).key, index.node(at: pair.secondary).key), entry.sequence)
        }
    }

    /// Whether an entry says of itself what follows from those before it.
    private func check(
        _ entry: LogEntry, _ outcome: MergeOutcome, hasLink: Bool, _ size: Int64, isFrayed: Bool,
        _ differences: inout DifferenceTally
    ) {
        let isSized = isFrayed ? entry.clusterSize >= size : entry.clusterSize == size
        guard entry.outcome != outcome || entry.hasLink != hasLink || !isSized else { return }
        differences.add(at: entry.sequence, "what the entry says of itself") {
            (
                Replay.text(outcome, hasLink: hasLink, clusterSize: Int(size)),
                Replay.text(entry.outcome, hasLink: entry.hasLink, clusterSize: entry.clusterSize)
            )
        }
    }

    /// An outcome in words.
    package static func text(_ outcome: MergeOutcome, hasLink: Bool, clusterSize: Int) -> String {
        let link = hasLink ? ", with a link" : ""
        switch outcome {
        case .merged: return "merged to \(clusterSize) ids" + (hasLink ? "" : ", without a link")
        case .unchanged: return "unchanged at \(clusterSize) ids" + link
        case .refused(let refusal):
            return "refused (\(refusal.failureReason)" + (clusterSize > 0 ? ", \(clusterSize) ids)" : ")") + link
        }
    }

    private func isFrayed(_ key: NodeKey?) -> Bool { key.map { !frayed.isEmpty && frayed.contains($0) } ?? false }

    private mutating func join(
        _ event: IdentityEvent, _ pair: IdentityIndex.Pair, _ moment: IdentityIndex.Moment, isFrayed: Bool
    ) {
        if isFrayed {
            fray(clusterOf: index.node(at: pair.primary).key)
            fray(clusterOf: index.node(at: pair.secondary).key)
        }
        append(index.join(event, pair, moment))
    }

    mutating func lift(_ pair: NodePair, _ sequence: Int64) {
        guard blocks.removeValue(forKey: pair) != nil else { return }
        index.forget(blockedPair: pair)
        uncertainBlocks.remove(pair)
        lifted[pair] = sequence
    }
}

/// Links.
extension Replay {
    private mutating func append(_ decision: Decision) {
        guard let link = decision.link else { return }
        let place = Int32(truncatingIfNeeded: links.count) * 2
        links.append(link)
        changes.append(decision.change)
        for (key, end) in [(link.from, place), (link.to, place + 1)] {
            formerLinks.append(lastLinks[Int(key) - 1])
            lastLinks[Int(key) - 1] = end
        }
    }

    /// The link that the entry with a sequence made.
    package func link(_ sequence: Int64) -> Link? {
        var low = 0
        var high = links.count
        while low < high {
            let middle = (low + high) / 2
            if links[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        return low < links.count && links[low].sequence == sequence ? links[low] : nil
    }

    /// The active links that begin at a node, the latest first.
    func activeLinks(from key: NodeKey) -> [Link] {
        var found: [Link] = []
        var end = lastLinks[Int(key) - 1]
        while end >= 0 {
            let link = links[Int(end) / 2]
            if link.from == key, revoked[link.sequence] == nil { found.append(link) }
            end = formerLinks[Int(end)]
        }
        return found
    }
}

extension Verb {
    /// Whether a record of a client states it; otherwise an operator does.
    package var isStatement: Bool {
        switch self {
        case .identify, .alias, .merge, .device: true
        case .unmerge, .restore, .unblock, .rules: false
        }
    }
}
