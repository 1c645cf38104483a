import IdentityEngine
package import IdentityStore
import MixpanelWire

/// `/identity/changes`: one line for each id whose canonical id changed, in order, from any cursor on.
package struct ChangeFeed: Sendable {
    /// The most changes of an answer that asks for a limit.
    static let limitRange: ClosedRange<Int64> = 1...100_000
    /// The most changes of one read, and how long it may take.
    static let pageLimit = 500
    static let pageTime = Duration.milliseconds(200)

    let store: any Store
    let signal: LogSignal
    let heartbeat: Duration
    private let directory: ProjectDirectory
    private let orders = EntryOrders(largeCount: 10_000, countLimit: 2_000_000)
    private let places: StreamPlaces

    /// - Parameters:
    ///   - store: the store.
    ///   - directory: says whether the credential of a follower is still good.
    ///   - signal: what tells that there is more of a log.
    ///   - settings: how many may follow, and how often they hear of the server.
    package init(store: any Store, directory: ProjectDirectory, signal: LogSignal, settings: Configuration.Query) {
        self.store = store
        self.directory = directory
        self.signal = signal
        heartbeat = .seconds(settings.heartbeatSeconds)
        places = StreamPlaces(limit: settings.followLimit)
    }

    /// What has to be done every second.
    func tick() {
        signal.tick()
        orders.sweep()
    }

    /// Forgets what it knows of a store that was emptied.
    func reset() {
        orders.forget()
        signal.reset()
    }

    /// Whether a request asks to go on for ever.
    static func isFollowed(_ query: QueryRequest) throws(QueryFault) -> Bool { try query.flag("follow") }

    /// The changes up to now, one a line.
    func pages(_ query: QueryRequest) async throws -> StreamedReply {
        let last = try await lastSequence(of: query.project)
        let cursor = try query.changeCursor(last: last) ?? .start
        var limit: Int?
        if query.first("limit") != nil { limit = Int(try query.number("limit", default: 1, in: Self.limitRange)) }
        let reader = ChangeReader(query.project, after: cursor, orders: orders)
        return StreamedReply(
            contentType: "application/jsonl; charset=utf-8", headers: [("X-Selfsame-Sequence", String(last))],
            pieces: ChangePages(store: store, reader: reader, last: last, limit: limit ?? .max))
    }

    /// The changes up to now, and then each as it comes.
    func follow(_ query: QueryRequest) async throws -> StreamedReply {
        if query.first("limit") != nil {
            throw QueryFault.badRequest("limit cannot be given with follow, which has no end")
        }
        guard let place = places.take() else {
            throw QueryFault(
                status: 429, message: "as many clients follow changes as query.followLimit allows; try again later",
                retryAfterSeconds: 5)
        }
        let last = try await lastSequence(of: query.project)
        let cursor = try query.lastEventCursor(last: last) ?? query.changeCursor(last: last) ?? .start
        let reader = ChangeReader(query.project, after: cursor, orders: orders)
        let subscription = signal.follow(query.project)
        var reply = StreamedReply(
            contentType: "text/event-stream",
            headers: [
                ("X-Selfsame-Sequence", String(last)), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"),
            ],
            pieces: ChangeEvents(feed: self, query: query, reader: reader, subscription: subscription))
        reply.place = place
        reply.whenGone = { [weak subscription] in subscription?.end() }
        return reply
    }

    /// Whether a request's credential still opens its project.
    func isAllowed(_ query: QueryRequest) async -> Bool {
        let projectID = query.first("project_id").map { String(decoding: $0, as: UTF8.self) }
        let access = try? await directory.access(
            Credentials(authorization: query.request.authorization), projectID: projectID, host: query.request.host,
            for: .reading)
        return access?.project.id == query.project
    }

    private func lastSequence(of project: ProjectID) async throws(StoreError) -> Int64 {
        try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> Int64 in
            try snapshot.lastSequence(of: project)
        }
    }
}

extension QueryRequest {
    /// The cursor that `after` gives; nil where it is absent.
    ///
    /// - Parameter last: the project's last sequence.
    /// - Returns: the cursor.
    /// - Throws: `QueryFault` that says what is known.
    func changeCursor(last: Int64) throws(QueryFault) -> ChangeCursor? {
        guard let text = text("after") else { return nil }
        return try Self.cursor(text, named: "after", last: last)
    }

    /// The cursor that an event source sends when it comes back, which has more to say than its address.
    fileprivate func lastEventCursor(last: Int64) throws(QueryFault) -> ChangeCursor? {
        guard let text = request.lastEventID, !text.isEmpty else { return nil }
        return try Self.cursor(text, named: "Last-Event-ID", last: last)
    }

    private static func cursor(_ text: String, named name: String, last: Int64) throws(QueryFault) -> ChangeCursor {
        guard let cursor = ChangeCursor(text) else {
            throw .badRequest(
                "\(name) is \"\(text.prefix(40))\", but must be a cursor as answers give it: a sequence such as 17, or "
                    + "with the place inside of that entry, such as 17:3")
        }
        guard cursor.sequence <= last else {
            throw QueryFault(
                status: 404,
                message: "\(name) names sequence \(cursor.sequence), but the project is at \(last). The cursor is from "
                    + "another project, or from a store that was reset or restored since; begin again with the whole "
                    + "mapping")
        }
        return cursor
    }
}

/// Changes up to the sequence at which the answer began, one JSON object a line.
private struct ChangePages: AsyncSequence, Sendable {
    let store: any Store
    let reader: ChangeReader
    let last: Int64
    let limit: Int

    struct Iterator: AsyncIteratorProtocol {
        let pages: ChangePages
        var remaining: Int
        var isAtEnd = false

        mutating func next() async throws -> [UInt8]? {
            while !isAtEnd, remaining > 0 {
                try Task.checkCancellation()
                let (reader, last, most) = (pages.reader, pages.last, Swift.min(remaining, ChangeFeed.pageLimit))
                let page = try await pages.store.read {
                    (snapshot: any StoreSnapshot) throws(StoreError) -> ChangeReader.Page in
                    try reader.read(snapshot, upTo: last, limit: most, time: ChangeFeed.pageTime)
                }
                isAtEnd = page.isAtEnd
                remaining -= page.changes.count
                if !page.changes.isEmpty { return ChangeText.lines(page.changes) }
            }
            return nil
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(pages: self, remaining: limit) }
}

/// How changes are written.
enum ChangeText {
    /// One JSON object a line.
    static func lines(_ changes: [IdentityChange]) -> [UInt8] {
        var json = JSONBuilder()
        for change in changes {
            write(change, to: &json)
            json.endLine()
        }
        return json.lines
    }

    /// Server-sent events, each with its cursor as its id.
    static func events(_ changes: [IdentityChange]) -> [UInt8] {
        var text: [UInt8] = []
        for change in changes {
            text += Array("id: \(change.cursor)\nevent: change\ndata: ".utf8)
            var json = JSONBuilder()
            write(change, to: &json)
            // No line ends within it: control characters are escaped, too.
            text += json.lines
            text += Array("\n\n".utf8)
        }
        return text
    }

    private static func write(_ change: IdentityChange, to json: inout JSONBuilder) {
        json.object { json in
            json.field("cursor", change.cursor.description)
            json.field("sequence", change.cursor.sequence)
            json.field("distinct_id", change.id)
            json.field("from", change.from)
            json.field("to", change.to)
            json.field("cause", change.cause.name)
        }
    }
}
