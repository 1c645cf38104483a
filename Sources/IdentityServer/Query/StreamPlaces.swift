import Synchronization

/// How many long answers may be written at once, over all connections.
package final class StreamPlaces: Sendable {
    private let limit: Int
    private let taken = Mutex(0)

    init(limit: Int) { self.limit = limit }

    /// One place, given back when nobody holds it any more.
    package final class Place: Sendable {
        private let places: StreamPlaces

        fileprivate init(_ places: StreamPlaces) { self.places = places }

        deinit { places.taken.withLock { $0 -= 1 } }
    }

    /// A place; nil where all are taken.
    func take() -> Place? {
        let isTaken = taken.withLock { taken in
            guard taken < limit else { return false }
            taken += 1
            return true
        }
        return isTaken ? Place(self) : nil
    }
}
