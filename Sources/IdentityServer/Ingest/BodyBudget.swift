import Synchronization

/// How many bytes of request bodies may be in memory at once, over all connections.
package final class BodyBudget: Sendable {
    private let limitBytes: Int
    private let taken = Mutex(0)

    package init(limitBytes: Int) { self.limitBytes = limitBytes }

    /// A share of the budget, which grows with a body and is given back whole.
    package struct Share: ~Copyable {
        private let budget: BodyBudget
        private var sizeBytes = 0

        fileprivate init(_ budget: BodyBudget) { self.budget = budget }

        /// Takes more; false where the budget is spent, in which case nothing is taken.
        package mutating func grow(by count: Int) -> Bool {
            let isTaken = budget.taken.withLock { taken in
                guard taken + count <= budget.limitBytes else { return false }
                taken += count
                return true
            }
            if isTaken { sizeBytes += count }
            return isTaken
        }

        deinit { budget.taken.withLock { [sizeBytes] in $0 -= sizeBytes } }
    }

    package func share() -> Share { Share(self) }
}
