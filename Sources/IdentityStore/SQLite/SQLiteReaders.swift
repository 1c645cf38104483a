import GRDB
import Synchronization

/// The connections that read, each on a serial queue of its own.
///
/// A read goes to a connection that is free, or waits for the first to become free, in order of arrival; a long read
/// keeps no other waiting while a connection is free. GRDB's own pool does the same with twice the hops between queues
/// and a look at the schema before each read, which cost more than a small read itself.
final class SQLiteReaders: Sendable {
    typealias Read = @Sendable (Database) -> Void

    private struct State {
        var free: [DatabaseQueue]
        /// Reads that no connection has taken yet.
        var waiting = FirstInFirstOut<Read>()
        /// How many connections were given work and have not begun: as many of `waiting` do not really wait.
        var starting = 0
    }

    private let connections: [DatabaseQueue]
    private let waitingLimit: Int
    private let state: Mutex<State>

    init(path: String, count: Int, waitingLimit: Int, configuration: Configuration) throws {
        var configuration = configuration
        configuration.readonly = true
        connections = try (0..<count).map { _ in try DatabaseQueue(path: path, configuration: configuration) }
        self.waitingLimit = waitingLimit
        state = Mutex(State(free: connections))
    }

    /// Runs a read on a connection's queue, as soon as there is one.
    ///
    /// - Throws: `StoreError.busy` where as many reads wait as may; the read is not run then.
    func run(_ read: @escaping Read) throws(StoreError) {
        let found: Result<DatabaseQueue?, StoreError> = state.withLock { state in
            let connection = state.free.popLast()
            if connection == nil, state.waiting.count - state.starting >= waitingLimit {
                return .failure(.tooManyReads)
            }
            if connection != nil { state.starting += 1 }
            state.waiting.append(read)
            return .success(connection)
        }
        guard let connection = try found.get() else { return }
        // The block outlives the reads that it runs, so that it must not hold any.
        connection.asyncWriteWithoutTransaction { [self] db in
            var isStarting = true
            while let read = next(for: connection, isStarting: isStarting) {
                isStarting = false
                read(db)
            }
        }
    }

    /// The read that waited longest; where there is none, the connection is free from then on.
    private func next(for connection: DatabaseQueue, isStarting: Bool) -> Read? {
        state.withLock { state in
            if isStarting { state.starting -= 1 }
            if let read = state.waiting.popFirst() { return read }
            state.free.append(connection)
            return nil
        }
    }

    /// Closes the connections, each after what runs on it.
    func close() throws {
        for connection in connections { try connection.close() }
    }
}

/// A queue that lets go of an element when it is taken, and of its place soon after.
struct FirstInFirstOut<Element> {
    private var places: [Element?] = []
    /// How many places at the front are empty.
    private var taken = 0

    var count: Int { places.count - taken }

    /// How many elements there is memory for.
    var placeCount: Int { places.count }

    mutating func append(_ element: Element) { places.append(element) }

    mutating func popFirst() -> Element? {
        guard taken < places.count else { return nil }
        let element = places[taken]
        places[taken] = nil
        taken += 1
        // Each move of what is left follows at least as many takings, so that one costs the same on average.
        if taken == places.count || taken > 64 && taken * 2 > places.count {
            places.removeFirst(taken)
            taken = 0
        }
        return element
    }
}

extension StoreError {
    /// The store was asked for more reads than it can begin.
    static var tooManyReads: StoreError {
        StoreError(.busy, "The read was not begun, because too many reads are waiting. Try again in a moment.")
    }
}
