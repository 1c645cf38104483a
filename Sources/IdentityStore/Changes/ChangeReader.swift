package import IdentityEngine
import Synchronization

/// Reads the changes of canonical ids of one project, in order, a bounded piece in each read.
///
/// Nothing of it is stored but what links changed: each entry that made or switched a link says which ids resolve to
/// something else since. An entry that changed very many is collected once, in several reads, and its order is kept for
/// the readers that come back for the rest.
package final class ChangeReader: Sendable {
    /// The most entries that are looked up at once.
    private static let entryLimit = 256
    /// How often the order of one entry is found anew because deletions took something of it.
    private static let repeatLimit = 100

    private let project: ProjectID
    private let orders: EntryOrders
    private let state: Mutex<State>

    private struct State {
        var cursor: ChangeCursor
        /// The entry that is being read.
        var open: EntryChanges?
        /// How often its order was found anew.
        var repeats = 0
    }

    /// What one read gave.
    package struct Page: Sendable {
        /// In order; none where the time went into the collecting of a large entry.
        package fileprivate(set) var changes: [IdentityChange] = []
        /// Whether there is nothing more up to the sequence that was asked for.
        package fileprivate(set) var isAtEnd = false
    }

    /// - Parameters:
    ///   - project: the project.
    ///   - cursor: the place behind which reading begins.
    ///   - orders: where the orders of large entries are kept.
    package init(_ project: ProjectID, after cursor: ChangeCursor, orders: EntryOrders) {
        self.project = project
        self.orders = orders
        state = Mutex(State(cursor: cursor))
    }

    /// The place up to which everything was read.
    package var cursor: ChangeCursor { state.withLock { $0.cursor } }

    /// Reads on.
    ///
    /// - Parameters:
    ///   - snapshot: the state to read, the same or a later one at every call.
    ///   - last: the last sequence that is wanted.
    ///   - limit: the most changes.
    ///   - time: about how long the read may take.
    /// - Returns: what was found.
    /// - Throws: `StoreError`.
    package func read(
        _ snapshot: any StoreSnapshot, upTo last: Int64, limit: Int, time: Duration
    ) throws(StoreError) -> Page {
        let result: Result<Page, StoreError> = state.withLock { state in
            do throws(StoreError) {
                return .success(try read(&state, snapshot, last, limit, time))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func read(
        _ state: inout State, _ snapshot: any StoreSnapshot, _ last: Int64, _ limit: Int, _ time: Duration
    ) throws(StoreError) -> Page {
        var page = Page()
        var clock = ReadLimit(time)
        var upcoming: ArraySlice<ChangingEntry> = []
        while page.changes.count < limit {
            if state.open == nil {
                if upcoming.isEmpty {
                    upcoming = try entries(snapshot, from: state.cursor, upTo: last)[...]
                }
                guard let entry = upcoming.popFirst() else {
                    if last > state.cursor.sequence { state.cursor = ChangeCursor(sequence: last) }
                    page.isAtEnd = true
                    return page
                }
                state.repeats = 0
                state.open = orders.order(of: entry.sequence, in: project) ?? EntryChanges(entry)
            }
            try advance(&state, snapshot, limit, &clock, &page)
            if clock.isOver() { return page }
        }
        return page
    }

    /// Entries behind a cursor, the one that it is inside of among them.
    private func entries(
        _ snapshot: any StoreSnapshot, from cursor: ChangeCursor, upTo last: Int64
    ) throws(StoreError) -> [ChangingEntry] {
        let after = cursor.ordinal == .max ? cursor.sequence : cursor.sequence - 1
        let links = try snapshot.linkChanges(
            in: project, after: after, upTo: last, isLatestFirst: false, limit: Self.entryLimit)
        let amendments = try snapshot.amendmentSequences(in: project, after: after, limit: Self.entryLimit)
        // Beyond a full batch, there may be more of one kind that comes before the other.
        var end = last
        if links.count == Self.entryLimit, let link = links.last { end = min(end, link.link.sequence) }
        if amendments.count == Self.entryLimit, let amendment = amendments.last { end = min(end, amendment) }
        let all = links.map { ChangingEntry.link($0.link.sequence) } + amendments.map { ChangingEntry.amendment($0) }
        return all.filter { $0.sequence <= end }.sorted { $0.sequence < $1.sequence }
    }

    /// Goes on with the open entry: collects it, or takes changes out of it.
    private func advance(
        _ state: inout State, _ snapshot: any StoreSnapshot, _ limit: Int, _ clock: inout ReadLimit, _ page: inout Page
    ) throws(StoreError) {
        guard var entry = state.open.take() else { return }
        if !entry.isDone {
            try entry.collect(from: snapshot, project, &clock)
            guard entry.isDone else {
                state.open = entry
                return
            }
            if entry.members.count >= orders.largeCount {
                entry.forgetIDs()
                orders.keep(entry, of: project)
            }
        }
        guard try take(from: entry, &state, snapshot, limit, &page) else {
            // A deletion took something of it, so that its order is to be found anew. No more of them run at a time.
            state.repeats += 1
            guard state.repeats < Self.repeatLimit else { throw .damaged("entry \(entry.entry.sequence)") }
            orders.forget(entry, of: project)
            state.open = EntryChanges(entry.entry)
            return
        }
    }

    /// Takes changes out of an entry that is collected.
    ///
    /// - Returns: false where something of the entry is not in the store any more.
    private func take(
        from entry: EntryChanges, _ state: inout State, _ snapshot: any StoreSnapshot, _ limit: Int, _ page: inout Page
    ) throws(StoreError) -> Bool {
        let sequence = entry.entry.sequence
        var checked: Int32?
        var place = state.cursor.sequence == sequence ? Int(clamping: state.cursor.ordinal) : 0
        while place < entry.members.count, page.changes.count < limit {
            let member = entry.members[place]
            let part = entry.parts[Int(member.part)]
            var found = entry.id(of: member)
            if found == nil {
                found = try snapshot.node(member.key, in: project)?.id
                if checked != member.part {
                    guard try snapshot.node(for: part.from, in: project) != nil,
                        try snapshot.node(for: part.to, in: project) != nil
                    else { return false }
                    checked = member.part
                }
            }
            guard let id = found else { return false }
            place += 1
            state.cursor = ChangeCursor(sequence: sequence, ordinal: Int64(place))
            page.changes.append(
                IdentityChange(cursor: state.cursor, id: id, from: part.from, to: part.to, cause: entry.cause))
        }
        if place < entry.members.count {
            state.open = entry
        } else {
            state.cursor = ChangeCursor(sequence: sequence)
        }
        return true
    }
}
