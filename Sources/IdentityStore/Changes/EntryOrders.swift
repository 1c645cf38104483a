import IdentityEngine
import Synchronization

/// The orders of large entries that were found lately, for readers that take such an entry in pages.
///
/// To find the order of an entry's changes, all of its ids are read; without this, each page of a merge of a million
/// ids would read a million. Of each id its key is kept, for a minute after the last use.
package final class EntryOrders: Sendable {
    private static let keptTime = Duration.seconds(60)

    /// The size from which on an entry is kept, in ids.
    let largeCount: Int
    private let countLimit: Int
    private let state = Mutex<[Place: Kept]>([:])

    private struct Place: Hashable {
        let project: ProjectID
        let sequence: Int64
    }

    private struct Kept {
        let entry: EntryChanges
        var lastUse: ContinuousClock.Instant
    }

    /// - Parameters:
    ///   - largeCount: the size from which on an entry is kept, in ids.
    ///   - countLimit: the most ids of all entries that are kept; 24 bytes each.
    package init(largeCount: Int, countLimit: Int) {
        self.largeCount = largeCount
        self.countLimit = countLimit
    }

    /// Lets go of what was not used for a while.
    package func sweep() {
        let earliest = ContinuousClock.now.advanced(by: .zero - Self.keptTime)
        state.withLock { kept in kept = kept.filter { $0.value.lastUse > earliest } }
    }

    /// Lets go of everything, because sequences begin anew.
    package func forget() { state.withLock { $0 = [:] } }

    func order(of sequence: Int64, in project: ProjectID) -> EntryChanges? {
        state.withLock { kept in
            let place = Place(project: project, sequence: sequence)
            kept[place]?.lastUse = .now
            return kept[place]?.entry
        }
    }

    /// Lets go of an order that no longer holds.
    func forget(_ entry: EntryChanges, of project: ProjectID) {
        state.withLock { $0[Place(project: project, sequence: entry.entry.sequence)] = nil }
    }

    func keep(_ entry: EntryChanges, of project: ProjectID) {
        state.withLock { kept in
            guard entry.members.count <= countLimit else { return }
            var total = kept.values.reduce(entry.members.count) { $0 + $1.entry.members.count }
            for (place, other) in kept.sorted(by: { $0.value.lastUse < $1.value.lastUse }) where total > countLimit {
                total -= other.entry.members.count
                kept[place] = nil
            }
            kept[Place(project: project, sequence: entry.entry.sequence)] = Kept(entry: entry, lastUse: .now)
        }
    }
}
