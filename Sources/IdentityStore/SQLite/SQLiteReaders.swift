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
        var waiting: [Read] = []
        /// How many of `waiting` were taken.
        var taken = 0

        mutating func next() -> Read? {
            guard taken < waiting.count else {
                waiting.removeAll(keepingCapacity: true)
                taken = 0
                return nil
            }
            defer { taken += 1 }
            return waiting[taken]
        }
    }

    private let connections: [DatabaseQueue]
    private let state: Mutex<State>

    init(path: String, count: Int, configuration: Configuration) throws {
        var configuration = configuration
        configuration.readonly = true
        connections = try (0..<count).map { _ in try DatabaseQueue(path: path, configuration: configuration) }
        state = Mutex(State(free: connections))
    }

    /// Runs a read on a connection's queue, as soon as there is one.
    func run(_ read: @escaping Read) {
        let connection = state.withLock { state -> DatabaseQueue? in
            if let connection = state.free.popLast() { return connection }
            state.waiting.append(read)
            return nil
        }
        guard let connection else { return }
        connection.asyncWriteWithoutTransaction { [self] db in
            var read = read
            while true {
                read(db)
                let next = state.withLock { state -> Read? in
                    let next = state.next()
                    if next == nil { state.free.append(connection) }
                    return next
                }
                guard let next else { return }
                read = next
            }
        }
    }

    /// Closes the connections, each after what runs on it.
    func close() throws {
        for connection in connections { try connection.close() }
    }
}
