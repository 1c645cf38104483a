import IdentityEngine
import IdentityStore
import MixpanelWire
import Synchronization

/// `/identity/mappings`: each known id with its canonical id, and the sequence since which that is so; whole, or what
/// is new since a cursor.
///
/// Read in pages, each at its own moment, so that no long read holds up the store. The header `X-Selfsame-Sequence`
/// names the sequence at which the first page was read. Every line of the whole mapping is true as of that sequence or
/// later, and every line of an increment as of that sequence exactly: so an increment from the cursor of the whole one
/// makes up for what was committed while that was read.
struct MappingQuery: Sendable {
    static let cursorHeader = "X-Selfsame-Cursor"

    private let store: any Store
    private let clock: ServerClock

    init(store: any Store, clock: ServerClock) {
        self.store = store
        self.clock = clock
    }

    /// The answer in the format that the query asks for.
    func answer(_ query: QueryRequest) async throws -> StreamedReply {
        switch query.text("format") ?? "jsonl" {
        case "jsonl": try await answer(query, format: .lines)
        case "csv": try await answer(query, format: .commaSeparated)
        default: throw QueryFault.badRequest("format must be jsonl or csv")
        }
    }

    func answer(_ query: QueryRequest, format: MappingFormat) async throws -> StreamedReply {
        let asOf = try await query.pastSequence(of: store, clock: clock)
        if asOf != nil, query.first("after") != nil {
            throw QueryFault.badRequest("after cannot be given with as_of: an increment is up to now")
        }
        let project = query.project
        let sequence = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> Int64 in
            if let asOf { asOf } else { try snapshot.lastSequence(of: project) }
        }
        let headers = [
            ("X-Selfsame-Sequence", String(sequence)),
            (Self.cursorHeader, ChangeCursor(sequence: sequence).description),
        ]
        guard let cursor = try query.changeCursor(last: sequence) else {
            let pages = MappingPages(store: store, project: project, format: format, asOf: asOf)
            return StreamedReply(contentType: format.contentType, headers: headers, pieces: pages)
        }
        let reader = MappingReader(project, after: cursor, upTo: sequence)
        return StreamedReply(
            contentType: format.contentType, headers: headers,
            pieces: MappingChanges(store: store, reader: reader, format: format))
    }
}

/// The lines of a whole mapping, a page of nodes at a time.
private struct MappingPages: AsyncSequence, Sendable {
    private static let pageSize = 1000

    let store: any Store
    let project: ProjectID
    let format: MappingFormat
    let asOf: Int64?

    /// What the pages before found of the past.
    final class Past: Sendable {
        let ids: Mutex<PastIDs>

        init(asOf sequence: Int64?) { ids = Mutex(PastIDs(asOf: sequence)) }
    }

    struct Iterator: AsyncIteratorProtocol {
        let pages: MappingPages
        var after: NodeKey = 0
        let past: Past
        var hasBegun = false

        mutating func next() async throws -> [UInt8]? {
            if !hasBegun {
                hasBegun = true
                if !pages.format.head.isEmpty { return pages.format.head }
            }
            while true {
                let (from, pages, past) = (after, pages, past)
                let (text, last) = try await pages.store.read {
                    (snapshot: any StoreSnapshot) throws(StoreError) -> ([UInt8], NodeKey?) in
                    try past.ids.withLock { ids throws(StoreError) in try pages.page(snapshot, after: from, &ids) }
                }
                guard let last else { return nil }
                after = last
                if !text.isEmpty { return text }
            }
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(pages: self, past: Past(asOf: asOf)) }

    private func page(
        _ snapshot: any StoreSnapshot, after: NodeKey, _ past: inout PastIDs
    ) throws(StoreError) -> ([UInt8], NodeKey?) {
        let identity = snapshot.identity(of: project)
        let nodes = try snapshot.nodes(in: project, after: after, limit: Self.pageSize)
        var lines = MappingLines(format)
        for node in nodes where node.firstSequence <= asOf ?? .max {
            lines.append(
                node.id, canonicalID: try past.resolve(node, in: identity).canonicalID, since: try since(node, identity)
            )
        }
        return (lines.bytes, nodes.last?.key)
    }

    /// The sequence since which an id's canonical id is what it is; nil where it has changed after the sequence that is
    /// asked for, for no row keeps when the former one began.
    private func since(_ node: Node, _ identity: IdentityView) throws(StoreError) -> Int64? {
        let since = try identity.canonicalSince(of: node)
        return since <= asOf ?? .max ? since : nil
    }
}
