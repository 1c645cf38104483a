import Foundation
import IdentityEngine
import IdentityStore
import Testing

/// The implementations that the contract is run on.
enum Backend: String, CaseIterable, CustomTestStringConvertible {
    case memory
    case sqlite

    var testDescription: String { rawValue }

    /// Runs a body with an empty store, and leaves nothing behind.
    func withStore(
        _ options: SQLiteOptions = SQLiteOptions(), _ body: (any Store) async throws -> Void
    ) async throws {
        switch self {
        case .memory:
            let store = MemoryStore(sizeLimitBytes: 1 << 30)
            try await body(store)
            try? await store.close()
        case .sqlite:
            try await withTemporaryDirectory { directory in
                let store = try SQLiteStore(path: directory + "/store.sqlite", options: options)
                try await body(store)
                try? await store.close()
            }
        }
    }
}

extension SQLiteOptions.Postings {
    /// Runs of few records, so that a short history makes several levels of them.
    static let small = {
        var postings = SQLiteOptions.Postings()
        postings.openRowLimit = 3
        postings.openRecordLimit = 12
        postings.blockRecords = 3
        postings.runsPerMerge = 2
        postings.stepBlocks = 1
        return postings
    }()

    /// Runs that are merged all the time, and far behind.
    static let tiny = {
        var postings = SQLiteOptions.Postings()
        postings.openRowLimit = 1
        postings.openRecordLimit = 1
        postings.blockRecords = 1
        postings.runsPerMerge = 3
        postings.stepBlocks = 1
        return postings
    }()
}

extension SQLiteOptions {
    init(_ postings: Postings) {
        self.init()
        self.postings = postings
    }
}

func withTemporaryDirectory(_ body: (String) async throws -> Void) async throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "selfsame-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: url) }
    try await body(url.path)
}

/// An event as a test says it.
struct Sent {
    var project = ProjectID(1)
    var name = "Signed Up"
    var id = ""
    /// Nil where it is `id`.
    var filedID: String?
    var insertID = ""
    var time: Int64 = 1_700_000_000_000
    var properties = "{}"
    var identity: IdentityEvent?

    static func identify(_ identified: String, _ anonymous: String, insertID: String = "") -> Sent {
        Sent(name: "$identify", id: identified, insertID: insertID, identity: .of(.identify, identified, anonymous))
    }

    static func alias(_ alias: String, of id: String) -> Sent {
        Sent(name: "$create_alias", id: id, identity: .of(.alias, id, alias))
    }

    static func merge(_ first: String, _ second: String) -> Sent {
        Sent(name: "$merge", identity: .of(.merge, first, second))
    }

    /// An event of a Simplified project that carries a device and a user (P 8-1).
    static func device(_ device: String, of user: String) -> Sent {
        Sent(id: device, filedID: user, identity: .of(.device, user, device))
    }

    func `in`(_ project: ProjectID) -> Sent {
        var sent = self
        sent.project = project
        return sent
    }
}

extension IdentityEvent {
    static func of(_ verb: Verb, _ primary: String, _ secondary: String) -> IdentityEvent {
        IdentityEvent(verb: verb, primary: DistinctID(primary), secondary: DistinctID(secondary))
    }
}

extension EventBatch {
    static let received: Int64 = 1_700_000_100_000

    static func of(_ events: [Sent], endpoint: Endpoint = .track) -> EventBatch {
        var batch = EventBatch(
            origin: Origin(endpoint: endpoint, principal: "token"), receivedMilliseconds: EventBatch.received)
        for sent in events {
            var event = Event(project: sent.project)
            event.name = batch.append(sent.name.utf8)
            event.sentID = batch.append(sent.id.utf8)
            event.filedID = sent.filedID.map { batch.append($0.utf8) } ?? event.sentID
            event.insertID = batch.append(sent.insertID.utf8)
            event.isDeduplicated = !sent.insertID.isEmpty
            event.timeMilliseconds = sent.time
            event.properties = batch.append(sent.properties.utf8)
            if let identity = sent.identity {
                event.verb = identity.verb
                event.primaryID = batch.append(identity.primary.bytes)
                event.secondaryID = batch.append(identity.secondary.bytes)
            }
            batch.events.append(event)
        }
        return batch
    }
}

/// An anonymous id of the form that `$identify` takes.
func anonymous(_ number: Int) -> String {
    "6f1f8a3e-0000-4000-8000-" + String(repeating: "0", count: 12 - String(number).count) + String(number)
}

let project = ProjectID(1)
let original = [ProjectID(1): MergeRules(), ProjectID(2): MergeRules()]
let simplified = [ProjectID(1): MergeRules(system: .simplified)]
let legacy = [ProjectID(1): MergeRules(system: .legacy)]

extension Store {
    /// Commits one submission.
    @discardableResult
    func commit(
        _ events: Sent..., by rules: [ProjectID: MergeRules] = original, now: Int64 = 1_000
    ) async throws(StoreError) -> CommitResult {
        try await commit([EventBatch.of(events)], by: rules, nowMilliseconds: now)[0]
    }

    func events(of project: ProjectID = project) async throws(StoreError) -> [StoredEvent] {
        try await read { snapshot throws(StoreError) in
            try snapshot.events(
                in: project, after: .before(.min + 1), beforeMilliseconds: .max, limit: .max, sizeLimitBytes: .max)
        }
    }

    func log(
        of project: ProjectID = project, _ query: LogQuery = LogQuery(limit: .max)
    ) async throws(StoreError) -> [LogEntry] {
        try await read { snapshot throws(StoreError) in try snapshot.logEntries(query, in: project) }
    }

    func nodes(of project: ProjectID = project) async throws(StoreError) -> [Node] {
        try await read { snapshot throws(StoreError) in try snapshot.nodes(in: project, after: 0, limit: .max) }
    }

    func canonicalID(of id: String, in project: ProjectID = project) async throws(StoreError) -> String {
        try await read { snapshot throws(StoreError) in
            try snapshot.identity(of: project).canonicalID(of: DistinctID(id)).description
        }
    }
}

extension StoredEvent {
    var sent: String { String(decoding: sentID, as: UTF8.self) }
    var filed: String { String(decoding: filedID, as: UTF8.self) }
    var text: String { String(decoding: properties, as: UTF8.self) }
}

extension Store {
    /// Saves a project at a time that no entry is before.
    func save(_ project: ProjectRecord) async throws(StoreError) { try await save(project, nowMilliseconds: 0) }
}
