import IdentityEngine
import IdentityStore
import MixpanelWire

/// `/identity/events`: the events of a whole cluster, newest first.
struct ActivityQuery: Sendable {
    /// The members of a cluster whose events are looked for: the canonical id, and then the others in the order in
    /// which they came together.
    private static let memberLimit = 10_000
    private static let limitRange: ClosedRange<Int64> = 1...1000
    private static let limitByDefault: Int64 = 100
    /// Bytes of properties at which a page ends early.
    private static let pageSizeLimitBytes = 4 << 20

    private let store: any Store

    init(store: any Store) { self.store = store }

    /// `{"canonical_id","events":[…],"next"}`, each event as the export has it.
    func answer(_ query: QueryRequest) async throws -> WireResponse {
        let id = try query.distinctID()
        let limit = Int(try query.number("limit", default: Self.limitByDefault, in: Self.limitRange))
        let before = try Self.before(query)
        let project = query.project
        let system = query.access.project.rules.system
        return Answer.json(
            try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> [UInt8] in
                let (canonical, ids) = try Self.cluster(of: id, snapshot.identity(of: project), system != .legacy)
                let moment = try Export.Moment(snapshot, of: project, asOf: .max, [:])
                let found = try snapshot.activity(
                    of: ids, in: project, before: before, limit: limit + 1, sizeLimitBytes: Self.pageSizeLimitBytes)
                let events = found.prefix(limit)
                var json = JSONBuilder()
                try json.object { (json) throws(StoreError) in
                    json.field("canonical_id", canonical)
                    try json.array("events") { (json) throws(StoreError) in
                        for event in events {
                            try event.check()
                            _ = try moment.text(of: event, canonicalID: canonical.bytes, system: system)
                                .write(to: &json)
                        }
                    }
                    json.optional("next", Self.next(after: events, of: found.count))
                }
                return json.lines
            })
    }

    /// The ids under which a cluster's events are filed; in a Legacy project there is but one (P 9-2).
    private static func cluster(
        of id: DistinctID, _ identity: IdentityView, _ isResolved: Bool
    ) throws(StoreError) -> (canonical: DistinctID, ids: [DistinctID]) {
        guard let node = try identity.node(for: id) else { return (id, [id]) }
        let root = try identity.root(of: node)
        let canonical = try identity.canonicalNode(ofRoot: root).id
        var ids = [canonical]
        guard isResolved else { return (canonical, ids) }
        try identity.forEachMember(ofRoot: root) { member in
            if member.id != canonical { ids.append(member.id) }
            return ids.count < memberLimit
        }
        return (canonical, ids)
    }

    /// What `before` must be for what follows; nil where nothing does.
    private static func next(after events: ArraySlice<StoredEvent>, of foundCount: Int) -> String? {
        guard let last = events.last else { return nil }
        let sizeBytes = events.reduce(0) { $0 + $1.properties.count }
        guard foundCount > events.count || sizeBytes >= pageSizeLimitBytes else { return nil }
        return "\(last.key.timeMilliseconds)-\(last.key.hashText)"
    }

    /// The key that events must be before: of a `next`, or of a time.
    private static func before(_ query: QueryRequest) throws(QueryFault) -> EventKey {
        guard let text = query.text("before") else { return .last }
        if let key = EventKey(cursor: text) { return key }
        guard let time = Timestamp.milliseconds(text) else {
            throw .badRequest(
                "before is \"\(text.prefix(60))\", but must be the next of an earlier answer, or a time: "
                    + "2024-05-01T12:00:00Z, or seconds since 1970, 1714564800")
        }
        return EventKey(timeMilliseconds: time, hashHigh: 0, hashLow: 0)
    }
}

extension EventKey {
    /// The key that a `next` names: milliseconds, a hyphen, and 32 hexadecimal digits.
    fileprivate init?(cursor text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count > 33, bytes[bytes.count - 33] == UInt8(ascii: "-"),
            let time = Int64(String(decoding: bytes.dropLast(33), as: UTF8.self))
        else { return nil }
        let digits = bytes.suffix(32)
        guard digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }),
            let high = UInt64(String(decoding: digits.prefix(16), as: UTF8.self), radix: 16),
            let low = UInt64(String(decoding: digits.suffix(16), as: UTF8.self), radix: 16)
        else { return nil }
        self.init(timeMilliseconds: time, hashHigh: high, hashLow: low)
    }
}
