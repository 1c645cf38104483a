import IdentityEngine
import IdentityStore

/// One page of a cluster: members and the links that begin at them.
///
/// The members come in the order of the ring, the root first, or with `as_of` in that of their keys. All pages show the
/// cluster as it was at the sequence of the first one.
struct ClusterPage {
    /// Where a page begins: a member, and the sequence as of which the pages before were read.
    struct Start: Hashable, Sendable, CustomStringConvertible {
        let key: NodeKey
        let sequence: Int64

        var description: String { "\(key):\(sequence)" }
    }

    /// What a page is made of.
    private struct Content {
        var members: [Node]
        var next: NodeKey?
        var size: Int64
        var canonicalID: DistinctID
    }

    private let snapshot: any StoreSnapshot
    private let project: ProjectID
    private let identity: IdentityView
    private let id: DistinctID
    /// Whether a moment is asked for, whatever came after it.
    private let isPast: Bool
    /// The last entry that counts.
    private let sequence: Int64
    private let start: Start?
    private let limit: Int

    /// - Parameters:
    ///   - snapshot: the state to read.
    ///   - project: the project.
    ///   - id: any id of the cluster.
    ///   - asOf: the last entry that counts; nil for now.
    ///   - start: what the page before gave; nil for the first page.
    ///   - limit: the most members.
    /// - Throws: `StoreError`.
    init(
        snapshot: any StoreSnapshot, project: ProjectID, id: DistinctID, asOf: Int64?, start: Start?, limit: Int
    ) throws(StoreError) {
        self.snapshot = snapshot
        self.project = project
        self.identity = snapshot.identity(of: project)
        self.id = id
        isPast = asOf != nil
        if let known = asOf ?? start?.sequence {
            sequence = known
        } else {
            sequence = try snapshot.lastSequence(of: project)
        }
        self.start = start
        self.limit = limit
    }

    /// The page; nil where the cluster was taken apart or deleted since the first page, or the start is none of it.
    func json() throws(StoreError) -> [UInt8]? {
        if let start {
            let last = try snapshot.lastSequence(of: project)
            guard start.sequence == sequence, sequence <= last else { return nil }
        }
        guard let node = try identity.node(for: id), node.firstSequence <= sequence else {
            return start == nil ? unknown() : nil
        }
        var together: Set<NodeKey>?
        let content: Content?
        if isPast {
            let cluster = try identity.cluster(of: node, asOf: sequence)
            together = Set(cluster.members.map(\.key))
            content = past(cluster)
        } else {
            content = try ring(of: node)
        }
        guard let content else { return nil }
        var json = JSONBuilder()
        try json.object { (json) throws(StoreError) in
            json.field("canonical_id", content.canonicalID)
            json.field("size", content.size)
            json.field("known", true)
            json.array("members") { json in
                for member in content.members { Self.write(member, to: &json) }
            }
            try json.array("links") { (json) throws(StoreError) in
                for member in content.members {
                    for link in try links(of: member) where link.sequence <= sequence {
                        try write(link, of: member, together, to: &json)
                    }
                }
            }
            json.optional("next", content.next.map { Start(key: $0, sequence: sequence).description })
        }
        return json.bytes
    }

    /// An id that took part in no identity operation is its own cluster, and all of it is on the first page.
    private func unknown() -> [UInt8] {
        var json = JSONBuilder()
        json.object { json in
            json.field("canonical_id", id)
            json.field("size", 1)
            json.field("known", false)
            json.array("members") { json in
                json.object { json in
                    json.field("distinct_id", id)
                    json.array("roles") { _ in }
                    json.null("first_seen")
                    json.null("first_sequence")
                }
            }
            json.array("links") { _ in }
            json.null("next")
        }
        return json.bytes
    }

    /// Members in the order of their keys.
    private func past(_ cluster: PastCluster) -> Content? {
        let first = start.map { start in cluster.members.firstIndex { $0.key == start.key } } ?? 0
        guard let first else { return nil }
        let rest = cluster.members[first...]
        return Content(
            members: Array(rest.prefix(limit)), next: rest.dropFirst(limit).first?.key,
            size: Int64(cluster.members.count), canonicalID: cluster.canonical.id)
    }

    /// Members in the order of the ring.
    ///
    /// What is joined after the first page stands behind the root of that moment, if not in another ring: so from any
    /// other member on, the ring is what it was, as long as no revision takes it apart (`RingPiece`).
    private func ring(of node: Node) throws(StoreError) -> Content? {
        guard node.revisedSequence <= sequence else { return nil }
        let root = try identity.root(of: node, asOf: sequence)
        var current = root
        if let start {
            guard start.key != root.key, let first = try identity.node(start.key), first.firstSequence <= sequence,
                first.revisedSequence <= sequence,
                try identity.root(of: first, asOf: sequence).key == root.key
            else { return nil }
            current = first
        }
        var content: Content
        // Where the cluster has more links by now, what it was is found from all its members.
        if start != nil, try identity.root(of: node).linkedSequence > sequence {
            let resolved = try identity.resolve(id, asOf: sequence)
            content = Content(members: [], size: resolved.clusterSize, canonicalID: resolved.canonicalID)
        } else {
            content = Content(
                members: [], size: root.size, canonicalID: try identity.canonicalNode(ofRoot: root).id)
        }
        var watch = LoopWatch()
        while true {
            content.members.append(current.forgettingLinks(after: sequence))
            if current.next == root.key { break }
            current = try identity.existing(current.next)
            guard !watch.isRepeated(current.key) else { throw identity.failure(.ring(root.key)) }
            guard content.members.count < limit else {
                content.next = current.key
                return content
            }
        }
        // A first page that is the last has every member, as far as the ring is the one of that size.
        guard start != nil || Int64(content.members.count) == content.size else {
            throw identity.failure(.ring(root.key))
        }
        return content
    }

    private static func write(_ member: Node, to json: inout JSONBuilder) {
        json.object { json in
            json.field("distinct_id", member.id)
            json.array("roles") { json in
                if member.identifiedSequence != 0 { json.element("identified") }
                if member.aliasSequence != 0 { json.element("alias") }
                if member.isAnonymousForm, member.identifiedSequence == 0 { json.element("anonymous") }
            }
            json.field("first_seen", Timestamp.text(milliseconds: member.firstSeenMilliseconds))
            json.field("first_sequence", member.firstSequence)
        }
    }

    /// The links that may be written at a member.
    ///
    /// Where no amendment computed a member anew, none of its links was ever taken back: those that begin at it are
    /// enough, and a member that a hundred thousand links end at costs no more than another.
    private func links(of member: Node) throws(StoreError) -> [Link] {
        member.revisedSequence == 0
            ? try snapshot.links(from: member.key, in: project) : try snapshot.links(of: member.key, in: project)
    }

    /// Writes a link at the member that it begins at, so that none comes twice; one that was taken back and begins in
    /// another cluster, at the member that it ends at.
    private func write(
        _ link: Link, of member: Node, _ together: Set<NodeKey>?, to json: inout JSONBuilder
    ) throws(StoreError) {
        let states = member.revisedSequence == 0 ? [] : try snapshot.linkStates(of: link.sequence, in: project)
        let revoked = states.revokedSequence(asOf: sequence)
        if link.to == member.key, revoked == nil { return }
        let other = try identity.existing(link.from == member.key ? link.to : link.from)
        if link.to == member.key, try isTogether(other, with: member, together) { return }
        let entry = try snapshot.logEntry(link.sequence, in: project)
        let ends = link.from == member.key ? (from: member.id, to: other.id) : (from: other.id, to: member.id)
        json.object { json in
            LogRecordText.write(link, from: ends.from, to: ends.to, to: &json)
            json.optional("time", entry.map { Timestamp.text(milliseconds: $0.timeMilliseconds) })
            if let revoked { json.field("revoked", revoked) } else { json.null("revoked") }
        }
    }

    private func isTogether(
        _ other: Node, with member: Node, _ together: Set<NodeKey>?
    ) throws(StoreError) -> Bool {
        if let together { return together.contains(other.key) }
        guard other.revisedSequence <= sequence else { return false }
        return try identity.root(of: other, asOf: sequence).key == identity.root(of: member, asOf: sequence).key
    }
}

extension ClusterPage.Start {
    /// The start that a text names; nil for 0, which is the first page, as of other lists.
    ///
    /// - Throws: `QueryFault` where the text is not what a page gives.
    init?(_ text: String) throws(QueryFault) {
        if text == "0" { return nil }
        let numbers = text.split(separator: ":", omittingEmptySubsequences: false).map { Int64($0) }
        guard numbers.count == 2, let key = numbers[0], let sequence = numbers[1], key > 0, sequence >= 0 else {
            throw .badRequest("after is \"\(text.prefix(40))\", but must be the next of the page before")
        }
        self.init(key: key, sequence: sequence)
    }
}
