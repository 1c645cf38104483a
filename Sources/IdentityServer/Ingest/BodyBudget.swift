import Synchronization

/// How many bytes of request bodies may be in memory at once, over all connections.
///
/// The first bytes of each body are free of it, so that slow senders of large bodies never keep small requests out.
/// That holds for as many bodies as there may be connections: streams of HTTP/2 beyond them have nothing for free.
package final class BodyBudget: Sendable {
    private let limitBytes: Int
    private let freeShareLimit: Int
    private let taken = Mutex((bytes: 0, shares: 0))

    /// - Parameters:
    ///   - limitBytes: the bytes of all bodies, but for the first of each.
    ///   - freeShareLimit: how many bodies at once have first bytes that are free.
    package init(limitBytes: Int, freeShareLimit: Int) {
        self.limitBytes = limitBytes
        self.freeShareLimit = freeShareLimit
    }

    /// A share of the budget, which grows with a body and is given back whole.
    package struct Share: ~Copyable {
        /// What each body may take without asking.
        private static let freeBytes = 1 << 16

        private let budget: BodyBudget
        private var sizeBytes = 0
        private var freeBytes: Int

        fileprivate init(_ budget: BodyBudget) {
            self.budget = budget
            let isFree = budget.taken.withLock { taken in
                taken.shares += 1
                return taken.shares <= budget.freeShareLimit
            }
            freeBytes = isFree ? Share.freeBytes : 0
        }

        /// Takes more; false where the budget is spent, in which case nothing is taken.
        package mutating func grow(by wanted: Int) -> Bool {
            let count = max(0, wanted - freeBytes)
            freeBytes = max(0, freeBytes - wanted)
            if count == 0 { return true }
            let isTaken = budget.taken.withLock { taken in
                guard taken.bytes + count <= budget.limitBytes else { return false }
                taken.bytes += count
                return true
            }
            if isTaken { sizeBytes += count }
            return isTaken
        }

        deinit {
            budget.taken.withLock { [sizeBytes] taken in
                taken.bytes -= sizeBytes
                taken.shares -= 1
            }
        }
    }

    package func share() -> Share { Share(self) }
}
