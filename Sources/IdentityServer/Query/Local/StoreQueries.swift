import IdentityEngine
package import IdentityStore
import Logging
package import MixpanelWire

/// The queries of our own endpoints for a process that opened the store itself: the code that answers HTTP, and the
/// same JSON, without a server.
package struct StoreQueries: Sendable {
    /// An option and its value, as the query of a request has them.
    package typealias Option = (name: String, value: String)

    private let store: any Store
    private let clock: ServerClock
    private let project: ProjectRecord
    private let reservedIDs: ReservedIDs

    /// - Parameters:
    ///   - store: the store, which the caller closes.
    ///   - project: the project that is asked about; its owner asks.
    ///   - clock: what time it is.
    ///   - reservedIDs: the texts that are nobody's id (`identity.reservedIDs`).
    package init(store: any Store, project: ProjectRecord, clock: ServerClock, reservedIDs: ReservedIDs) {
        self.store = store
        self.project = project
        self.clock = clock
        self.reservedIDs = reservedIDs
    }

    /// What a query is about.
    package enum Subject: String, Sendable {
        case resolve = "/identity/resolve"
        case cluster = "/identity/cluster"
        case log = "/identity/log"
        case explain = "/identity/explain"
        case blocks = "/identity/blocks"
        case activity = "/identity/events"
    }

    /// The answer to a query: one JSON object.
    ///
    /// - Parameters:
    ///   - subject: what is asked.
    ///   - options: the options of the endpoint, without `project_id` and `min_sequence`.
    /// - Returns: JSON text.
    /// - Throws: `ConfigurationError` that says what is wrong with an option, or `StoreError`.
    package func json(_ subject: Subject, _ options: [Option]) async throws -> [UInt8] {
        try await told {
            let query = request(subject.rawValue, options)
            let queries = IdentityQueries(store: store, clock: clock, reservedIDs: reservedIDs)
            switch subject {
            case .resolve: return try await queries.resolve(query).body
            case .cluster: return try await queries.cluster(query).body
            case .log: return try await queries.log(query).body
            case .explain: return try await queries.explain(query).body
            case .blocks: return try await amendments.blocks(query).body
            case .activity: return try await ActivityQuery(store: store).answer(query).body
            }
        }
    }

    /// A mapping as it is written, and the cursor from which the next one goes on.
    package struct Mappings: Sendable {
        /// Whole lines.
        package let pieces: any AsyncSequence<[UInt8], any Error> & Sendable
        package let cursor: String
    }

    /// Each known id with its canonical id.
    ///
    /// - Parameters:
    ///   - format: how lines are written.
    ///   - options: `after` and `as_of`.
    /// - Returns: the lines, which are read while they are asked for.
    /// - Throws: `ConfigurationError`, or `StoreError`.
    package func mappings(_ format: MappingFormat, _ options: [Option]) async throws -> Mappings {
        try await told {
            let query = request("/identity/mappings", options)
            let reply = try await MappingQuery(store: store, clock: clock).answer(query, format: format)
            let cursor = reply.headers.first { $0.name == MappingQuery.cursorHeader }?.value ?? ""
            return Mappings(pieces: reply.pieces, cursor: cursor)
        }
    }

    /// What changed of canonical ids up to now, in order, in pages of JSON lines.
    ///
    /// - Parameters:
    ///   - options: `after` and `limit`.
    ///   - interval: how often to look for more, for ever; nil for an end where there is no more.
    /// - Returns: the pages, which are read while they are asked for.
    /// - Throws: `ConfigurationError`, or `StoreError`.
    package func changes(
        _ options: [Option], lookingEvery interval: Duration?
    ) async throws -> any AsyncSequence<[UInt8], any Error> & Sendable {
        try await told {
            let query = request("/identity/changes", options)
            let project = project.id
            let last = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> Int64 in
                try snapshot.lastSequence(of: project)
            }
            let cursor = try query.changeCursor(last: last) ?? .start
            var limit = Int.max
            if query.first("limit") != nil {
                limit = Int(try query.number("limit", default: 1, in: ChangeFeed.limitRange))
            }
            let reader = ChangeReader(
                project, after: cursor, orders: EntryOrders(largeCount: 10_000, countLimit: 2_000_000))
            return StoreChanges(
                store: store, project: project, reader: reader, limit: limit, last: interval == nil ? last : nil,
                interval: interval ?? .zero)
        }
    }

    /// To list blocks with: nothing that it does is logged.
    private var amendments: AmendmentRoutes {
        AmendmentRoutes(
            store: store, clock: clock, signal: LogSignal(),
            logger: Logger(label: "selfsame") { _ in SwiftLogNoOpLogHandler() })
    }

    private func request(_ path: String, _ options: [Option]) -> QueryRequest {
        let query = options.map { "\($0.name)=\(Self.encoded($0.value))" }.joined(separator: "&")
        let request = WireRequest(method: .get, path: path, query: Array(query.utf8))
        return QueryRequest(
            request: request, items: QueryItems(request.query, limit: IdentityQueries.resolveLimit + 100),
            body: QueryBody(), access: Access(project: project, kind: .secret))
    }

    /// Every byte as `%XX`, so that none of them means anything to a query.
    private static func encoded(_ value: String) -> String {
        value.utf8.map { byte in "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }

    private func told<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let fault as QueryFault {
            throw ConfigurationError(fault.message)
        }
    }
}

/// Changes of canonical ids, a page of JSON lines at a time: up to a sequence, or for ever.
private struct StoreChanges: AsyncSequence, Sendable {
    let store: any Store
    let project: ProjectID
    let reader: ChangeReader
    let limit: Int
    /// The last sequence that is wanted; nil where whatever comes is.
    let last: Int64?
    let interval: Duration

    struct Iterator: AsyncIteratorProtocol {
        let changes: StoreChanges
        var remaining: Int
        var isAtEnd = false

        mutating func next() async throws -> [UInt8]? {
            while !isAtEnd, remaining > 0 {
                let page = try await changes.page(limit: Swift.min(remaining, ChangeFeed.pageLimit))
                remaining -= page.changes.count
                if page.isAtEnd, changes.last != nil { isAtEnd = true }
                if !page.changes.isEmpty { return ChangeText.lines(page.changes) }
                if page.isAtEnd, !isAtEnd { try await Task.sleep(for: changes.interval) }
            }
            return nil
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(changes: self, remaining: limit) }

    private func page(limit: Int) async throws -> ChangeReader.Page {
        let (project, reader, wanted) = (project, reader, last)
        return try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> ChangeReader.Page in
            let last = try snapshot.lastSequence(of: project)
            guard last >= reader.cursor.sequence else {
                throw StoreError(
                    .incompatible, "The store was reset or restored: begin again with the whole mapping.")
            }
            return try reader.read(snapshot, upTo: wanted ?? last, limit: limit, time: ChangeFeed.pageTime)
        }
    }
}
