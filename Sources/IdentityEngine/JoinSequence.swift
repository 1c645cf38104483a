/// The way of an id up the forest, from its own node to the root.
package typealias NodePath = [Node]

extension NodeSource {
    /// The way from a node to its root.
    package func path(of node: Node) throws(Failure) -> NodePath {
        var path = [node]
        var node = node
        while !node.isRoot {
            node = try parent(of: node)
            path.append(node)
        }
        return path
    }
}

/// The sequence of the link since which two ids of one cluster are together.
///
/// Union by size without path compression keeps it: it is the later of the two joins below the first node that both
/// ways have in common. That is the least, over all ways of links between the two, of the latest link of the way.
///
/// - Parameters:
///   - a: the way of one id.
///   - b: the way of the other, which ends in the same root.
/// - Returns: the sequence; 0 for one and the same id.
package func joinSequence(_ a: NodePath, _ b: NodePath) -> Int64 {
    var (high, low) = (a.count - 1, b.count - 1)
    guard high >= 0, low >= 0, a[high].key == b[low].key else { return .max }
    while high > 0, low > 0, a[high - 1].key == b[low - 1].key {
        high -= 1
        low -= 1
    }
    return max(high > 0 ? a[high - 1].joinedSequence : 0, low > 0 ? b[low - 1].joinedSequence : 0)
}
