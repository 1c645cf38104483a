/// How nodes contradict each other: what no history leads to, and only damage does.
package enum NodeFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// A node is named that is not there.
    case missing(NodeKey)
    /// The way from a node to its root is none that joins make.
    case way(NodeKey)
    /// The ring of a root does not have the members that its size says.
    case ring(NodeKey)
    /// What a root says of who stands for its cluster is not what that node says of itself.
    case canonical(NodeKey)
    /// A node is in a cluster with others, and has no place in it.
    case place(NodeKey)
    /// A link leads out of the cluster that its other end is in.
    case link(Int64)

    package var description: String {
        switch self {
        case .missing(let key): "node \(key) is named but is not there"
        case .way(let key): "the way from node \(key) to its root"
        case .ring(let key): "the ring of root \(key)"
        case .canonical(let key): "the canonical id of root \(key)"
        case .place(let key): "the place of node \(key) in its cluster"
        case .link(let sequence): "the ends of link \(sequence)"
        }
    }
}

/// Notices where a walk from node to node goes round without coming back to where it began.
///
/// It keeps one node of those that were met, a later one after each power of two steps (Brent's algorithm), so that a
/// circle is noticed within a few times its length, whatever came before it.
package struct LoopWatch: Sendable {
    private var mark: NodeKey = 0
    private var steps = 0
    private var stepLimit = 1

    package init() {}

    /// Whether a node that is met was met before, as far as is noticed.
    package mutating func isRepeated(_ key: NodeKey) -> Bool {
        if key == mark { return true }
        steps += 1
        if steps == stepLimit {
            mark = key
            steps = 0
            stepLimit *= 2
        }
        return false
    }
}
