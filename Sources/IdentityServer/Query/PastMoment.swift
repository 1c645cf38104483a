import Foundation
import IdentityEngine
package import IdentityStore
import MixpanelWire

/// A moment of a project's past that somebody names: a sequence, or a time.
package enum PastMoment: Hashable, Sendable {
    case sequence(Int64)
    /// Milliseconds since 1970.
    case time(Int64)

    /// The moment that a text names.
    ///
    /// - Parameter text: digits for a sequence, or a time as RFC 3339 writes it.
    /// - Throws: `ConfigurationError` that says what is allowed.
    package init(_ text: String) throws(ConfigurationError) {
        if text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let sequence = Int64(text) {
            self = .sequence(sequence)
        } else if let time = Timestamp.milliseconds(rfc3339: text) {
            self = .time(time)
        } else {
            throw ConfigurationError(
                "as_of is \"\(text.prefix(40))\", but must be a sequence, or a time as 2026-01-31T12:00:00Z")
        }
    }

    /// Why there is no such moment in a project.
    package enum Fault: Error, Hashable, Sendable, CustomStringConvertible {
        case beyondTheEnd(Int64, lastSequence: Int64)
        case inTheFuture(Int64, nowMilliseconds: Int64)
        case beforeTheProject(Int64, createdMilliseconds: Int64)

        package var description: String {
            switch self {
            case .beyondTheEnd(let sequence, let last):
                "as_of is \(sequence), but the project's last sequence is \(last)"
            case .inTheFuture(let time, let now):
                "as_of is \(Timestamp.text(milliseconds: time)), which is not over yet: it is "
                    + "\(Timestamp.text(milliseconds: now)) by the server's clock"
            case .beforeTheProject(let time, let created):
                "as_of is \(Timestamp.text(milliseconds: time)), but the project was made at "
                    + Timestamp.text(milliseconds: created)
            }
        }
    }

    /// The last sequence that counts at the moment.
    ///
    /// An answer for a moment never changes: a time counts only once it is over, and before anything is told of it the
    /// store sees to it that no entry gets it any more, whoever writes and whatever a clock says.
    ///
    /// - Parameters:
    ///   - project: the project.
    ///   - store: where its log is.
    ///   - nowMilliseconds: the time by the server's clock.
    /// - Returns: the sequence; 0 before the first entry.
    /// - Throws: `Fault`, or `StoreError`.
    package func sequence(
        in project: ProjectRecord, of store: any Store, nowMilliseconds: Int64
    ) async throws -> Int64 {
        switch self {
        case .sequence(let sequence):
            let last = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> Int64 in
                try snapshot.lastSequence(of: project.id)
            }
            guard sequence <= last else { throw Fault.beyondTheEnd(sequence, lastSequence: last) }
            return sequence
        case .time(let time):
            guard time < nowMilliseconds else { throw Fault.inTheFuture(time, nowMilliseconds: nowMilliseconds) }
            let (least, first) = try await store.read {
                (snapshot: any StoreSnapshot) throws(StoreError) -> (Int64, LogRecord?) in
                let first = LogQuery(after: 0, limit: 1, outcomes: Set(OutcomeKind.allCases))
                return (
                    try snapshot.leastEntryMilliseconds(of: project.id),
                    try snapshot.logRecords(first, in: project.id).first
                )
            }
            // A clock that was set back may have given entries times from before the project.
            let created = min(project.createdMilliseconds, first?.timeMilliseconds ?? .max)
            guard time >= created else { throw Fault.beforeTheProject(time, createdMilliseconds: created) }
            if time >= least { try await store.settle(project.id, atMilliseconds: time) }
            return try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> Int64 in
                try snapshot.lastSequence(of: project.id, atMilliseconds: time)
            }
        }
    }
}

extension QueryRequest {
    /// The last sequence that `as_of` lets count; nil where it is absent, which is now.
    ///
    /// - Throws: `QueryFault` that says what is known.
    func pastSequence(of store: any Store, clock: ServerClock) async throws -> Int64? {
        try await pastSequence(of: store, clock: clock, text: text("as_of"))
    }

    /// The same of a text.
    func pastSequence(of store: any Store, clock: ServerClock, text: String?) async throws -> Int64? {
        guard let text else { return nil }
        do {
            return try await PastMoment(text).sequence(
                in: access.project, of: store, nowMilliseconds: clock.nowMilliseconds)
        } catch let error as ConfigurationError {
            throw QueryFault.badRequest(error.message)
        } catch let fault as PastMoment.Fault {
            if case .beyondTheEnd = fault { throw QueryFault(status: 404, message: fault.description) }
            throw QueryFault.badRequest(fault.description)
        }
    }

    /// The `as_of` of the query, or of a body that is a JSON object; nil where neither has one.
    ///
    /// - Throws: `QueryFault` where both have one, or where it is neither a text nor a number.
    func moment() throws(QueryFault) -> String? {
        struct Body: Decodable {
            var hasMoment = false
            var text: String?

            private enum Key: String, CodingKey { case moment = "as_of" }

            init(from decoder: any Decoder) throws {
                let fields = try decoder.container(keyedBy: Key.self)
                hasMoment = fields.contains(.moment)
                text =
                    (try? fields.decode(String.self, forKey: .moment))
                    ?? (try? fields.decode(Int64.self, forKey: .moment)).map { "\($0)" }
            }
        }
        let body = Data(request.body)
        // Nearly no body has it, and one may name thousands of ids. A name may be written with escapes.
        guard request.method == .post, body.range(of: Data("as_of".utf8)) != nil || body.contains(UInt8(ascii: "\\"))
        else { return text("as_of") }
        guard let found = try? JSONDecoder().decode(Body.self, from: body) else {
            throw .badRequest("the body must be a JSON object")
        }
        guard found.hasMoment else { return text("as_of") }
        if text("as_of") != nil { throw .badRequest("as_of must be given once, in the query or in the body") }
        guard let moment = found.text else { throw .badRequest("as_of must be a sequence, or a time as a string") }
        return moment
    }
}
