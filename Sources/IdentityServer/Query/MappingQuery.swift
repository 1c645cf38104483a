import IdentityEngine
import IdentityStore
import MixpanelWire

/// `/identity/mappings`: each known id with its canonical id, and the sequence since which that is so.
///
/// Read in pages, each at its own moment, so that no long read holds up the store. The header `X-Selfsame-Sequence`
/// names the sequence at which the first page was read; every line is true as of that sequence or later.
struct MappingQuery: Sendable {
    private let store: any Store
    private let clock: ServerClock

    init(store: any Store, clock: ServerClock) {
        self.store = store
        self.clock = clock
    }

    func answer(_ query: QueryRequest) async throws -> StreamedReply {
        try query.refuse("after")
        let asOf = try await query.pastSequence(of: store, clock: clock)
        let format: MappingPages.Format
        switch query.text("format") ?? "jsonl" {
        case "jsonl": format = .lines
        case "csv": format = .commaSeparated
        default: throw QueryFault.badRequest("format must be jsonl or csv")
        }
        let project = query.project
        let sequence = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> Int64 in
            if let asOf { asOf } else { try snapshot.lastSequence(of: project) }
        }
        return StreamedReply(
            contentType: format == .lines ? "application/jsonl; charset=utf-8" : "text/csv; charset=utf-8",
            headers: [("X-Selfsame-Sequence", String(sequence))],
            pieces: MappingPages(store: store, project: project, format: format, asOf: asOf))
    }
}

/// The lines of a mapping, a page of nodes at a time.
private struct MappingPages: AsyncSequence, Sendable {
    private static let pageSize = 1000

    enum Format {
        case lines
        case commaSeparated
    }

    let store: any Store
    let project: ProjectID
    let format: Format
    let asOf: Int64?

    struct Iterator: AsyncIteratorProtocol {
        let pages: MappingPages
        var after: NodeKey = 0
        var hasBegun = false

        mutating func next() async throws -> [UInt8]? {
            if !hasBegun, pages.format == .commaSeparated {
                hasBegun = true
                return Array("distinct_id,canonical_id,since\r\n".utf8)
            }
            while true {
                let (from, pages) = (after, pages)
                let (text, last) = try await pages.store.read {
                    (snapshot: any StoreSnapshot) throws(StoreError) -> ([UInt8], NodeKey?) in
                    try pages.page(snapshot, after: from)
                }
                guard let last else { return nil }
                after = last
                if !text.isEmpty { return text }
            }
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(pages: self) }

    private func page(
        _ snapshot: any StoreSnapshot, after: NodeKey
    ) throws(StoreError) -> ([UInt8], NodeKey?) {
        let identity = snapshot.identity(of: project)
        var past = PastIDs(identity, asOf: asOf)
        let nodes = try snapshot.nodes(in: project, after: after, limit: Self.pageSize)
        var json = JSONBuilder()
        var text: [UInt8] = []
        for node in nodes where node.firstSequence <= asOf ?? .max {
            let canonical = try past.resolve(node).canonicalID
            let since = try since(node, identity)
            switch format {
            case .lines:
                json.object { json in
                    json.field("distinct_id", node.id)
                    json.field("canonical_id", canonical)
                    if let since { json.field("since", since) } else { json.null("since") }
                }
                json.endLine()
            case .commaSeparated:
                Self.appendCell(node.id.bytes, to: &text)
                text.append(UInt8(ascii: ","))
                Self.appendCell(canonical.bytes, to: &text)
                text.append(contentsOf: ",\(since.map(String.init) ?? "")\r\n".utf8)
            }
        }
        return (format == .lines ? json.bytes : text, nodes.last?.key)
    }

    /// The sequence since which an id's canonical id is what it is; nil where it has changed after the sequence that is
    /// asked for, for no row keeps when the former one began.
    private func since(_ node: Node, _ identity: IdentityView) throws(StoreError) -> Int64? {
        let since = try identity.canonicalSince(of: node)
        return since <= asOf ?? .max ? since : nil
    }

    /// A cell of a CSV file, quoted where RFC 4180 asks for it.
    private static func appendCell(_ value: [UInt8], to text: inout [UInt8]) {
        let quote = UInt8(ascii: "\"")
        let special: Set = [quote, UInt8(ascii: ","), UInt8(ascii: "\r"), UInt8(ascii: "\n")]
        guard value.contains(where: special.contains) else {
            text.append(contentsOf: value)
            return
        }
        text.append(quote)
        for byte in value {
            if byte == quote { text.append(quote) }
            text.append(byte)
        }
        text.append(quote)
    }
}
