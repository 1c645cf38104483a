/// What an amendment switched a link to.
package struct LinkSwitch: Hashable, Sendable {
    /// The sequence of the link.
    package let link: Int64
    /// The sequence of the amendment.
    package let sequence: Int64
    package let isActive: Bool

    package init(link: Int64, sequence: Int64, isActive: Bool) {
        self.link = link
        self.sequence = sequence
        self.isActive = isActive
    }
}

extension Replay {
    mutating func apply(_ entry: AmendmentEntry, _ differences: inout DifferenceTally) {
        switch entry.amendment {
        case .unmerge(let links, let target, let keepsApart):
            if let target, links != [target] {
                differences.add(at: entry.sequence, "the links of the unmerge") { ("\([target])", "\(links)") }
            }
            unmerge(links, at: entry.sequence, keepsApart: keepsApart, &differences)
        case .restore(let unmerge, let links):
            restore(links, of: unmerge, at: entry.sequence, &differences)
        case .unblock:
            let keys = entry.ids.compactMap { index.node(for: $0)?.key }
            guard keys.count == 2, blocks[NodePair(keys[0], keys[1])] != nil else {
                return differences.add(at: entry.sequence, "the pair that the entry names") {
                    ("a blocked pair", "none that is blocked")
                }
            }
            lift(NodePair(keys[0], keys[1]), entry.sequence)
        case .rules(let from, let to):
            // Every statement has its own size, and the first amendment says what was in force before.
            if from.system != rules.system || from.anonymousForm != rules.anonymousForm {
                differences.add(at: entry.sequence, "the rules that the entry changes") { ("\(rules)", "\(from)") }
            }
            rules = to
        }
    }

    private mutating func unmerge(
        _ sequences: [Int64], at sequence: Int64, keepsApart: Bool, _ differences: inout DifferenceTally
    ) {
        var switched: [Link] = []
        for link in known(sequences, at: sequence, &differences) {
            if let former = revoked[link.sequence] {
                differences.add(at: sequence, "link \(link.sequence)") { ("off since \(former)", "switched off") }
                continue
            }
            revoked[link.sequence] = sequence
            switches.append(LinkSwitch(link: link.sequence, sequence: sequence, isActive: false))
            switched.append(link)
        }
        guard !switched.isEmpty else { return }
        let revision = revise(switched, at: sequence)
        forget(switched)
        for link in switched {
            guard keepsApart, !revision.areTogether(link.from, link.to) else { continue }
            let pair = NodePair(link.from, link.to)
            blocks[pair] = sequence
            lifted[pair] = nil
            index.admit(blockedPair: pair)
            if frayed.contains(pair.low) || frayed.contains(pair.high) {
                uncertainBlocks.insert(pair)
            } else {
                uncertainBlocks.remove(pair)
            }
        }
    }

    /// Takes out what no active link says any more; after a restore, two links may say the same.
    private mutating func forget(_ switched: [Link]) {
        var stated: Set<LinkStatement> = []
        for key in Set(switched.map(\.from)) { stated.formUnion(activeLinks(from: key).lazy.map(\.statement)) }
        for link in switched where !stated.contains(link.statement) { index.forget(activeLink: link.statement) }
    }

    private mutating func restore(
        _ sequences: [Int64], of unmerge: Int64, at sequence: Int64, _ differences: inout DifferenceTally
    ) {
        var switched: [Link] = []
        for link in known(sequences, at: sequence, &differences) {
            guard revoked[link.sequence] == unmerge else {
                let state = revoked[link.sequence].map { "off since \($0)" } ?? "on"
                differences.add(at: sequence, "link \(link.sequence)") { (state, "off since \(unmerge), restored") }
                continue
            }
            revoked[link.sequence] = nil
            switches.append(LinkSwitch(link: link.sequence, sequence: sequence, isActive: true))
            index.admit(activeLink: link.statement)
            switched.append(link)
        }
        guard !switched.isEmpty else { return }
        _ = revise(switched, at: sequence)
        for link in switched where blocks[NodePair(link.from, link.to)] == unmerge {
            lift(NodePair(link.from, link.to), sequence)
        }
    }

    /// The links with some sequences, but for those that a deletion took.
    private func known(
        _ sequences: [Int64], at sequence: Int64, _ differences: inout DifferenceTally
    ) -> [Link] {
        var known: [Link] = []
        for number in sequences {
            if let link = link(number) {
                known.append(link)
            } else if !isTombstone(number) {
                differences.add(at: sequence, "link \(number)") { ("none", "switched by the entry") }
            }
        }
        return known
    }

    /// Computes the clusters of some links anew, as they are after they were switched.
    private mutating func revise(_ switched: [Link], at sequence: Int64) -> Revision {
        var members: [Node] = []
        var seen: Set<NodeKey> = []
        for key in switched.flatMap({ [$0.from, $0.to] }) where !seen.contains(key) {
            index.forEachMember(ofRoot: index.root(of: key)) { member in
                if seen.insert(member.key).inserted { members.append(member) }
                return true
            }
        }
        members.sort { $0.key < $1.key }
        let active = members.flatMap { activeLinks(from: $0.key) }.sorted { $0.sequence < $1.sequence }
        let revision = Replay.revision(of: members, activeLinks: active, sequence: sequence)
        index.replace(revision.after)
        for key in seen { changedSequences[Int(key) - 1] = sequence }
        if !frayed.isDisjoint(with: seen) { frayed.formUnion(seen) }
        return revision
    }

    /// The clusters of a replay are made here, so that they cannot contradict each other.
    private static func revision(of members: [Node], activeLinks: [Link], sequence: Int64) -> Revision {
        do throws(NodeFault) {
            return try Revision(of: members, activeLinks: activeLinks, sequence: sequence)
        } catch {
            preconditionFailure("\(error)")
        }
    }
}
