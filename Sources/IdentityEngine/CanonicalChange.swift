/// What a link changed of who stands for whom: for which members there was another canonical id before it.
package struct CanonicalChange: Hashable, Sendable {
    /// The member that stands for all of them from the link on.
    package let canonical: NodeKey
    /// The members, as one or two pieces of the ring.
    package let pieces: [RingPiece]

    /// A change as a store has it.
    package init(canonical: NodeKey, pieces: [RingPiece]) {
        self.canonical = canonical
        self.pieces = pieces
    }

    /// What changed for clusters that are one from a link on; nil where nothing did.
    ///
    /// - Parameters:
    ///   - first: a cluster as it was before the link.
    ///   - second: the other; nil where the link joined none.
    ///   - canonical: who stands for them from then on.
    init?(of first: RingPiece, _ second: RingPiece? = nil, to canonical: NodeKey) {
        var pieces: [RingPiece] = []
        if first.former != canonical { pieces.append(first) }
        if let second, second.former != canonical { pieces.append(second) }
        if pieces.isEmpty { return nil }
        self.canonical = canonical
        self.pieces = pieces
    }
}

/// The members that a cluster had at some moment, as a piece of the ring that they are in.
///
/// A join puts what it adds behind the root that stays a root, and nothing is put behind a node that is none any more.
/// So the members of a cluster stay side by side in every later ring, from the one behind its root to the root itself,
/// until a revision takes the ring apart.
package struct RingPiece: Hashable, Sendable {
    /// The root of that moment, which is the last node of the piece.
    package let root: NodeKey
    /// The first node of the piece: the root itself where it was alone.
    package let first: NodeKey
    /// Who stood for the cluster.
    package let former: NodeKey

    package init(root: NodeKey, first: NodeKey, former: NodeKey) {
        self.root = root
        self.first = first
        self.former = former
    }

    /// A whole cluster.
    init(ofRoot root: Node) { self.init(root: root.key, first: root.next, former: root.canonical) }
}
