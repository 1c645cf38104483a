/// One id that took part in an identity operation: a node of the union–find forest, and its row in a store.
///
/// The forest has no path compression. Union by size keeps every path at most log2(size) steps long, and because a join
/// writes only the two roots, each node keeps what was true when it stopped being a root: that is the history from
/// which states of the past are read.
package struct Node: Hashable, Sendable {
    package let key: NodeKey
    package let id: DistinctID
    /// The sequence of the log entry that first named the id.
    package let firstSequence: Int64
    /// The time of that entry, in milliseconds since 1970.
    package let firstSeenMilliseconds: Int64
    /// Whether the id had the anonymous form when its row was made.
    ///
    /// Kept, though the rule may change (P 7.8-1).
    package let isAnonymousForm: Bool

    /// The parent in the forest; a root is its own parent.
    package var parent: NodeKey
    /// The sequence of the link by which this node stopped being a root; 0 for a root.
    package var joinedSequence: Int64 = 0
    /// The next member of the cluster's ring.
    package var next: NodeKey
    /// The place that the id's earliest link gives it: sequence × 2, plus 1 on the secondary side.
    ///
    /// 0 without a link, and in a Legacy project, whose map gives no places.
    package var order: Int64 = 0
    /// The sequence of the earliest `$identify` link with this id as the identified side, or in a Simplified project of
    /// the earliest device of this user; 0 where there is none.
    package var identifiedSequence: Int64 = 0
    /// The sequence of the earliest `$create_alias` link with this id as the alias; 0 where there is none.
    package var aliasSequence: Int64 = 0
    /// The sequence of the latest unmerge or restore that computed this row anew; 0 where there was none.
    ///
    /// What was true of the node at a sequence before it, links say (`LinkSource`).
    package var revisedSequence: Int64 = 0

    // What follows is true of a root, and of any other node as of the moment at which it was joined.

    /// Ids in the cluster.
    package var size: Int64 = 1
    /// The member that stands for the cluster (P 7.8).
    package var canonical: NodeKey
    /// The rank of `canonical`, so that a join need not load it.
    package var canonicalRank: Int64
    /// The sequence since which `canonical` stands for the cluster.
    package var canonicalSince: Int64
    /// How many members have an `identifiedSequence`: USED ∩ cluster (P 7.2).
    package var identifiedCount: Int64 = 0
    /// The sequence of the cluster's latest link, a redundant one too, or one that is greater.
    ///
    /// Updates of profiles are told apart by it (decision 0006).
    package var linkedSequence: Int64 = 0

    /// A singleton cluster, made by the entry with this sequence and time.
    package init(key: NodeKey, id: DistinctID, isAnonymousForm: Bool, sequence: Int64, timeMilliseconds: Int64) {
        self.key = key
        self.id = id
        self.isAnonymousForm = isAnonymousForm
        self.firstSequence = sequence
        self.firstSeenMilliseconds = timeMilliseconds
        self.parent = key
        self.next = key
        self.canonical = key
        self.canonicalRank = Node.rankWithoutPlace
        self.canonicalSince = sequence
    }

    package var isRoot: Bool { parent == key }

    /// Whether a root says nothing of having been joined.
    package var isSoundRoot: Bool { isRoot && joinedSequence == 0 }

    /// Whether joins can have hung the node under another: what hangs lower was joined before.
    package func isJoined(under parent: Node) -> Bool {
        guard !isRoot, joinedSequence > 0 else { return false }
        return parent.isRoot ? parent.joinedSequence == 0 : parent.joinedSequence > joinedSequence
    }

    /// Whether what a root says of the node that stands for its cluster is what that node says of itself.
    ///
    /// A root that was joined since says what was true then, which cannot be compared.
    package func isRepresented(by canonical: Node) -> Bool {
        guard isRoot else { return true }
        return canonical.rank == canonicalRank && (size > 1 || canonical.key == key)
    }

    /// Whether the node is in a cluster with others without having a place there, as only a Legacy map leaves it.
    package var isWithoutPlace: Bool { order == 0 && (!isRoot || size > 1) }

    /// The place of this id among the members of its cluster; the least is canonical (P 7.8-1).
    package var rank: Int64 { rank(asOf: .max) }

    /// Behind every id that has a place.
    private static let rankWithoutPlace = Int64.max - 1

    /// The rank that the id had when only entries up to a sequence had been decided.
    package func rank(asOf sequence: Int64) -> Int64 {
        guard order != 0, order >> 1 <= sequence else {
            // In a Legacy map, the one member that is no alias stands for all (P 9-2).
            let isAlias = aliasSequence != 0 && aliasSequence <= sequence
            return isAlias ? .max : Node.rankWithoutPlace
        }
        let isIdentified = identifiedSequence != 0 && identifiedSequence <= sequence
        let rankClass: Int64 = isIdentified ? 0 : (isAnonymousForm ? 2 : 1)
        return rankClass << 60 | order
    }
}
