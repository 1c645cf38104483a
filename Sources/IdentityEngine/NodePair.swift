/// Two nodes, in no order.
package struct NodePair: Hashable, Sendable {
    package let low: NodeKey
    package let high: NodeKey

    /// A pair as a store has it, whose rows are in the order of their columns.
    package init(low: NodeKey, high: NodeKey) {
        self.low = low
        self.high = high
    }

    package init(_ a: NodeKey, _ b: NodeKey) {
        low = min(a, b)
        high = max(a, b)
    }
}
