import IdentityEngine

/// An entry of a log that may have changed canonical ids.
enum ChangingEntry: Sendable {
    /// A link.
    case link(Int64)
    /// An unmerge or a restore.
    case amendment(Int64)

    var sequence: Int64 {
        switch self {
        case .link(let sequence), .amendment(let sequence): sequence
        }
    }
}

/// The changes of one entry in order: collected piece by piece, in as many reads as that takes.
///
/// What a link changed is recorded as pieces of the ring, and costs as much as there are changed ids. Where the ring
/// was taken apart since, the members of each piece are found from the links of that time. For amendments, and where
/// the record does not hold, all of the clusters before and after are.
struct EntryChanges: Sendable {
    let entry: ChangingEntry
    private(set) var cause: Verb
    /// Changed ids: in the order of their bytes, once they are all there.
    private(set) var members: [Member] = []
    private(set) var parts: [Part] = []
    private var ids: [UInt8] = []
    private var stage: Stage
    /// Ids in the cluster whose ring is gone through: no piece has more.
    private var ringSize: Int64 = 0
    private var watch = LoopWatch()

    /// One changed id.
    struct Member: Sendable {
        let key: NodeKey
        /// Where the id is in `ids`.
        fileprivate let offset: Int
        fileprivate let size: Int32
        fileprivate(set) var part: Int32
    }

    /// What is the same for many ids of an entry.
    struct Part: Hashable, Sendable {
        let from: DistinctID
        let to: DistinctID
    }

    private enum Stage: Sendable {
        case begin
        /// Going through pieces of the ring, from a node on.
        case ring([RingPiece], next: NodeKey)
        /// Finding the members of pieces whose ring is no more.
        case pieces(PastClusters)
        case before(PastClusters)
        case after(before: PastClusters, after: PastClusters)
        case done
    }

    init(_ entry: ChangingEntry) {
        self.entry = entry
        cause = .merge
        stage = .begin
    }

    var isDone: Bool { if case .done = stage { true } else { false } }

    /// The bytes of a changed id; nil where they were let go.
    func id(of member: Member) -> DistinctID? {
        if ids.isEmpty { return nil }
        return DistinctID(Array(ids[member.offset..<member.offset + Int(member.size)]))
    }

    /// Lets go of the ids, which can be looked up again by key.
    mutating func forgetIDs() { ids = [] }

    /// Reads on until all changes are there, or the time is over.
    mutating func collect(
        from snapshot: any StoreSnapshot, _ project: ProjectID, _ limit: inout ReadLimit
    ) throws(StoreError) {
        let identity = snapshot.identity(of: project)
        try check(identity)
        while !isDone, !limit.isOver() {
            switch stage {
            case .begin: try begin(snapshot, identity, project)
            case .ring(let pieces, let next): try follow(pieces, from: next, identity, &limit)
            case .pieces(var clusters):
                stage = .done
                let isEnd = try clusters.step(in: identity) { node in
                    append(node, part: 0)
                    return !limit.isOver()
                }
                if isEnd { number(by: clusters) } else { stage = .pieces(clusters) }
            case .before(var clusters):
                stage = .done
                let isEnd = try clusters.step(in: identity) { _ in !limit.isOver() }
                stage = isEnd ? .after(before: clusters, after: later(clusters)) : .before(clusters)
            case .after(let before, var after):
                stage = .done
                let isEnd = try after.step(in: identity) { node in
                    append(node, part: 0)
                    return !limit.isOver()
                }
                if isEnd { settle(before, after) } else { stage = .after(before: before, after: after) }
            case .done: break
            }
        }
    }

    /// Between two reads, a revision may have taken the ring apart, or a deletion the cluster away.
    private mutating func check(_ identity: IdentityView) throws(StoreError) {
        guard case .ring(let pieces, _) = stage, let piece = pieces.first else { return }
        if try isWhole(piece.root, identity) { return }
        members = []
        parts = []
        ids = []
        stage = .begin
    }

    /// Whether the cluster that a node was in when the entry was made is there, and was not revised since.
    private func isWhole(_ key: NodeKey, _ identity: IdentityView) throws(StoreError) -> Bool {
        guard let node = try identity.node(key) else { return false }
        return node.revisedSequence < entry.sequence
    }

    private mutating func begin(
        _ snapshot: any StoreSnapshot, _ identity: IdentityView, _ project: ProjectID
    ) throws(StoreError) {
        switch entry {
        case .link(let sequence):
            let changed = try snapshot.linkChanges(
                in: project, after: sequence - 1, upTo: sequence, isLatestFirst: false, limit: 1)
            stage = .done
            // A deletion may have taken the link.
            if let changed = changed.first { try begin(changed, identity) }
        case .amendment(let sequence):
            guard case .amendment(let record) = try snapshot.logRecord(sequence, in: project) else {
                stage = .done
                return
            }
            cause = record.amendment.verb
            var ends: [NodeKey] = []
            for link in record.amendment.links {
                guard let link = try snapshot.link(link, in: project) else { continue }
                ends += [link.from, link.to]
            }
            stage = .before(PastClusters(of: ends, asOf: sequence - 1))
        }
    }

    private mutating func begin(_ changed: LinkChange, _ identity: IdentityView) throws(StoreError) {
        cause = changed.link.verb
        let isWhole = try isWhole(changed.link.from, identity)
        guard let change = changed.change, isWhole || changed.isCertain else {
            stage = .before(PastClusters(of: [changed.link.from, changed.link.to], asOf: entry.sequence - 1))
            return
        }
        guard let first = change.pieces.first?.first, let canonical = try identity.node(change.canonical)
        else { return }
        for piece in change.pieces {
            guard let former = try identity.node(piece.former) else { return }
            parts.append(Part(from: former.id, to: canonical.id))
        }
        if isWhole {
            if let member = try identity.node(changed.link.from) { ringSize = try identity.root(of: member).size }
            watch = LoopWatch()
            stage = .ring(change.pieces, next: first)
        } else {
            stage = .pieces(PastClusters(of: change.pieces.map(\.root), asOf: entry.sequence - 1))
        }
    }

    /// Says of each member in which piece it was.
    private mutating func number(by clusters: PastClusters) {
        for place in members.indices { members[place].part = Int32(clusters.number(of: members[place].key) ?? 0) }
        sort()
    }

    private mutating func follow(
        _ pieces: [RingPiece], from start: NodeKey, _ identity: IdentityView, _ limit: inout ReadLimit
    ) throws(StoreError) {
        var pieces = pieces[...]
        var next = start
        while let piece = pieces.first {
            // The piece is whole, and nothing comes between in one snapshot.
            let node = try identity.existing(next)
            guard members.count < ringSize, !watch.isRepeated(next) else {
                throw StoreError(
                    .corrupt,
                    "What is recorded with a link does not fit the ring of its cluster. `selfsame verify` says where; "
                        + "restore the store from a backup.",
                    cause: "link \(entry.sequence)")
            }
            append(node, part: Int32(parts.count - pieces.count))
            next = node.next
            if node.key == piece.root {
                pieces = pieces.dropFirst()
                next = pieces.first?.first ?? 0
            }
            if limit.isOver(), !pieces.isEmpty {
                stage = .ring(Array(pieces), next: next)
                return
            }
        }
        sort()
    }

    /// The members of the clusters before are, all together, those of the clusters after.
    private func later(_ clusters: PastClusters) -> PastClusters {
        PastClusters(of: Array(clusters.keys), asOf: entry.sequence)
    }

    /// Keeps the members whose canonical id is another after than before.
    private mutating func settle(_ before: PastClusters, _ after: PastClusters) {
        var known: [Part: Int32] = [:]
        var changed: [Member] = []
        for member in members {
            guard let from = before.canonicalNode(of: member.key)?.id, let to = after.canonicalNode(of: member.key)?.id,
                from != to
            else { continue }
            let part = Part(from: from, to: to)
            let place = known[part, default: Int32(parts.count)]
            if place == parts.count {
                known[part] = place
                parts.append(part)
            }
            changed.append(member)
            changed[changed.count - 1].part = place
        }
        members = changed
        sort()
    }

    private mutating func append(_ node: Node, part: Int32) {
        members.append(
            Member(key: node.key, offset: ids.count, size: Int32(node.id.bytes.count), part: part))
        ids.append(contentsOf: node.id.bytes)
    }

    private mutating func sort() {
        stage = .done
        guard members.count > 1 else { return }
        ids.withUnsafeBytes { bytes in
            members.sort { a, b in
                bytes[a.offset..<a.offset + Int(a.size)].lexicographicallyPrecedes(
                    bytes[b.offset..<b.offset + Int(b.size)])
            }
        }
    }
}

extension Amendment {
    /// The links that it switched.
    fileprivate var links: [Int64] {
        switch self {
        case .unmerge(let links, _, _), .restore(_, let links): links
        case .unblock, .rules: []
        }
    }
}
