import Synchronization

/// How many bytes of request bodies may be in memory at once, over all connections.
///
/// The first bytes of each body are free of it, so that slow senders of large bodies never keep small requests out; how
/// many connections there may be bounds those.
package final class BodyBudget: Sendable {
    private let limitBytes: Int
    private let taken = Mutex(0)

    package init(limitBytes: Int) { self.limitBytes = limitBytes }

    /// A share of the budget, which grows with a body and is given back whole.
    package struct Share: ~Copyable {
        /// What each body may take without asking.
        private static let freeBytes = 1 << 16

        private let budget: BodyBudget
        private var sizeBytes = 0
        private var freeBytes = Share.freeBytes

        fileprivate init(_ budget: BodyBudget) { self.budget = budget }

        /// Takes more; false where the budget is spent, in which case nothing is taken.
        package mutating func grow(by wanted: Int) -> Bool {
            let count = max(0, wanted - freeBytes)
            freeBytes = max(0, freeBytes - wanted)
            if count == 0 { return true }
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
