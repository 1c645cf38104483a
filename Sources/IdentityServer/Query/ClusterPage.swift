import IdentityEngine
import IdentityStore

/// One page of a cluster: members in the order of its ring, the root first, and the links that begin at them.
struct ClusterPage {
    private let snapshot: any StoreSnapshot
    private let project: ProjectID
    private let identity: IdentityView
    private let id: DistinctID
    /// The last entry that counts; nil for now.
    private let asOf: Int64?
    private let after: NodeKey
    private let limit: Int

    /// - Parameters:
    ///   - snapshot: the state to read.
    ///   - project: the project.
    ///   - id: any id of the cluster.
    ///   - asOf: the last entry that counts; nil for now.
    ///   - after: the key that the last page ended with; 0 for the first page.
    ///   - limit: the most members.
    init(snapshot: any StoreSnapshot, project: ProjectID, id: DistinctID, asOf: Int64?, after: NodeKey, limit: Int) {
        self.snapshot = snapshot
        self.project = project
        self.identity = snapshot.identity(of: project)
        self.id = id
        self.asOf = asOf
        self.after = after
        self.limit = limit
    }

    func json() throws(StoreError) -> [UInt8] {
        guard let node = try identity.node(for: id), node.firstSequence <= asOf ?? .max else { return unknown() }
        let members: [Node]
        let next: NodeKey?
        let size: Int64
        let canonical: DistinctID
        var together: Set<NodeKey>?
        if let asOf {
            let cluster = try identity.cluster(of: node, asOf: asOf)
            let rest = cluster.members.drop { $0.key <= after }
            members = Array(rest.prefix(limit))
            next = rest.count > limit ? members.last?.key : nil
            (size, canonical) = (Int64(cluster.members.count), cluster.canonical.id)
            together = Set(cluster.members.map(\.key))
        } else {
            let root = try identity.root(of: node)
            (members, next) = try page(root)
            (size, canonical) = (root.size, try identity.canonicalNode(ofRoot: root).id)
        }
        var json = JSONBuilder()
        try json.object { (json) throws(StoreError) in
            json.field("canonical_id", canonical)
            json.field("size", size)
            json.field("known", true)
            json.array("members") { json in
                for member in members { Self.write(member, to: &json) }
            }
            try json.array("links") { (json) throws(StoreError) in
                for member in members {
                    for link in try links(of: member) where link.sequence <= asOf ?? .max {
                        try write(link, of: member, together, to: &json)
                    }
                }
            }
            if let next { json.field("next", next) } else { json.null("next") }
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
                guard after == 0 else { return }
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

    private func page(_ root: Node) throws(StoreError) -> (members: [Node], next: NodeKey?) {
        var members: [Node] = []
        var current = root
        if after != 0 {
            guard let last = try identity.node(after), try identity.root(of: last).key == root.key else {
                return ([], nil)
            }
            guard last.next != root.key, let first = try identity.node(last.next) else { return ([], nil) }
            current = first
        }
        while members.count < limit {
            members.append(current)
            guard current.next != root.key, let next = try identity.node(current.next) else { return (members, nil) }
            current = next
        }
        return (members, members.last?.key)
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
        let revoked = states.revokedSequence(asOf: asOf ?? .max)
        if link.to == member.key, revoked == nil { return }
        let other = try identity.node(link.from == member.key ? link.to : link.from)
        if link.to == member.key {
            guard let other, try !isTogether(other, with: member, together) else { return }
        }
        let entry = try snapshot.logEntry(link.sequence, in: project)
        let otherID = other?.id ?? DistinctID([])
        let ends = link.from == member.key ? (from: member.id, to: otherID) : (from: otherID, to: member.id)
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
        return try identity.root(of: other).key == identity.root(of: member).key
    }
}
