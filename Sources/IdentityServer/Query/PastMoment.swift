import IdentityEngine
package import IdentityStore

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

    /// How long after a moment an entry of that moment may still be on its way into the store.
    private static let settlingMilliseconds: Int64 = 60_000

    /// The last sequence that counts at the moment.
    ///
    /// An answer for a moment never changes: a time counts only once it is over, and what was begun before it is
    /// waited for.
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
            if time > nowMilliseconds - Self.settlingMilliseconds {
                // What got its time before comes before this in the one order of writes.
                _ = try await store.commit([], by: [:], nowMilliseconds: nowMilliseconds)
            }
            let (sequence, first) = try await store.read {
                (snapshot: any StoreSnapshot) throws(StoreError) -> (Int64, Int64?) in
                (
                    try snapshot.lastSequence(of: project.id, atMilliseconds: time),
                    try snapshot.logRecord(1, in: project.id)?.timeMilliseconds
                )
            }
            // A clock that was set back may have given entries times from before the project.
            let created = min(project.createdMilliseconds, first ?? .max)
            guard time >= created || sequence > 0 else {
                throw Fault.beforeTheProject(time, createdMilliseconds: created)
            }
            return sequence
        }
    }
}

extension QueryRequest {
    /// The last sequence that `as_of` lets count; nil where it is absent, which is now.
    ///
    /// - Throws: `QueryFault` that says what is known.
    func pastSequence(of store: any Store, clock: ServerClock) async throws -> Int64? {
        guard let text = text("as_of") else { return nil }
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
}
