/// Two nodes, in no order.
package struct NodePair: Hashable, Sendable {
    package let low: NodeKey
    package let high: NodeKey

    package init(_ a: NodeKey, _ b: NodeKey) {
        low = min(a, b)
        high = max(a, b)
    }
}
