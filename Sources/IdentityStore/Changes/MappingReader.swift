package import IdentityEngine
import Synchronization

/// What an id resolved to at a sequence, and since when.
package struct Mapping: Hashable, Sendable {
    package let id: DistinctID
    package let canonicalID: DistinctID
    /// The sequence since which the first has the second.
    package let since: Int64
}

/// Reads what a project's mapping has at one sequence and had not at an earlier one: each id that resolves to something
/// else, or became known in between, once.
///
/// The entries in between are gone through from the last to the first, so that the first change that is met of an id is
/// its last one. What is committed meanwhile is left for the next time. It costs as much as there were changes, and a
/// bit of memory for each key that was ever given.
package final class MappingReader: Sendable {
    private static let entryLimit = 256
    private static let nodeLimit = 256

    private let project: ProjectID
    private let after: Int64
    private let last: Int64
    private let state: Mutex<State>

    private struct State {
        var stage = Stage.amendments(after: 0)
        /// Unmerges and restores that were not gone through yet, in order.
        var amendments: [Int64] = []
        var open: EntryChanges?
        var place = 0
        /// The ids that a change told of.
        var told = NodeKeySet()
    }

    private enum Stage {
        case amendments(after: Int64)
        case entries(upTo: Int64)
        case firstNewNode
        case newNodes(after: NodeKey)
        case done
    }

    /// What one read gave.
    package struct Page: Sendable {
        /// In no order.
        package fileprivate(set) var mappings: [Mapping] = []
        /// Whether there is nothing more.
        package fileprivate(set) var isAtEnd = false
    }

    /// - Parameters:
    ///   - project: the project.
    ///   - cursor: what lies before it is known already; one inside of an entry counts as the place before that entry.
    ///   - last: the sequence whose state is told.
    package init(_ project: ProjectID, after cursor: ChangeCursor, upTo last: Int64) {
        self.project = project
        self.after = cursor.ordinal == .max ? cursor.sequence : cursor.sequence - 1
        self.last = last
        state = Mutex(State(stage: .amendments(after: self.after)))
    }

    /// Reads on.
    ///
    /// - Parameters:
    ///   - snapshot: the state to read, the same or a later one at every call.
    ///   - limit: the most mappings.
    ///   - time: about how long the read may take.
    /// - Returns: what was found.
    /// - Throws: `StoreError`.
    package func read(_ snapshot: any StoreSnapshot, limit: Int, time: Duration) throws(StoreError) -> Page {
        let result: Result<Page, StoreError> = state.withLock { state in
            do throws(StoreError) {
                var page = Page()
                var clock = ReadLimit(time)
                repeat {
                    try step(&state, snapshot, limit, &clock, &page)
                } while !page.isAtEnd && page.mappings.count < limit && !clock.isOver()
                return .success(page)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func step(
        _ state: inout State, _ snapshot: any StoreSnapshot, _ limit: Int, _ clock: inout ReadLimit, _ page: inout Page
    ) throws(StoreError) {
        if state.open != nil { return try take(&state, snapshot, limit, &clock, &page) }
        switch state.stage {
        case .amendments(let after):
            let found = try snapshot.amendmentSequences(in: project, after: after, limit: Self.entryLimit)
            state.amendments += found.filter { $0 <= last }
            if let next = found.last, next < last, found.count == Self.entryLimit {
                state.stage = .amendments(after: next)
            } else {
                state.stage = .entries(upTo: last)
            }
        case .entries(let end):
            if let entry = try entry(&state, snapshot, upTo: end) {
                state.open = EntryChanges(entry)
                state.place = 0
                state.stage = .entries(upTo: entry.sequence - 1)
            } else {
                state.stage = .firstNewNode
            }
        case .firstNewNode: state.stage = .newNodes(after: try keyBeforeNewNodes(snapshot))
        case .newNodes(let key):
            let nodes = try snapshot.nodes(in: project, after: key, limit: Self.nodeLimit)
            guard let end = nodes.last?.key else {
                state.stage = .done
                return
            }
            state.stage = .newNodes(after: end)
            for node in nodes {
                if let mapping = try mapping(ofNew: node, state, snapshot) { page.mappings.append(mapping) }
            }
        case .done: page.isAtEnd = true
        }
    }

    /// The last entry up to a sequence that may have changed canonical ids.
    private func entry(
        _ state: inout State, _ snapshot: any StoreSnapshot, upTo end: Int64
    ) throws(StoreError) -> ChangingEntry? {
        let link = try snapshot.linkChanges(in: project, after: after, upTo: end, isLatestFirst: true, limit: 1).first
        if let amendment = state.amendments.last, amendment > link?.link.sequence ?? 0 {
            state.amendments.removeLast()
            return .amendment(amendment)
        }
        return link.map { .link($0.link.sequence) }
    }

    /// Takes the ids out of an entry that did not change again before the last sequence.
    private func take(
        _ state: inout State, _ snapshot: any StoreSnapshot, _ limit: Int, _ clock: inout ReadLimit, _ page: inout Page
    ) throws(StoreError) {
        guard var entry = state.open.take() else { return }
        try entry.collect(from: snapshot, project, &clock)
        let identity = snapshot.identity(of: project)
        while entry.isDone, state.place < entry.members.count, page.mappings.count < limit, !clock.isOver() {
            let member = entry.members[state.place]
            state.place += 1
            guard let node = try identity.node(member.key) else { continue }
            guard state.told.insert(node.key) else { continue }
            page.mappings.append(
                Mapping(
                    id: node.id, canonicalID: entry.parts[Int(member.part)].to, since: entry.entry.sequence))
        }
        if !entry.isDone || state.place < entry.members.count { state.open = entry }
    }

    /// What is to be told of a node that came after the cursor and that no change tells of; nil for any other.
    private func mapping(
        ofNew node: Node, _ state: State, _ snapshot: any StoreSnapshot
    ) throws(StoreError) -> Mapping? {
        guard node.firstSequence <= last, !state.told.contains(node.key) else { return nil }
        let since = try snapshot.identity(of: project).canonicalSince(of: node)
        return Mapping(id: node.id, canonicalID: node.id, since: since <= last ? since : node.firstSequence)
    }

    /// A key that lies before those of the nodes that came after the cursor, and behind all others: keys ascend.
    private func keyBeforeNewNodes(_ snapshot: any StoreSnapshot) throws(StoreError) -> NodeKey {
        func isOldest(_ key: NodeKey) throws(StoreError) -> Bool {
            guard let node = try snapshot.nodes(in: project, after: key, limit: 1).first else { return true }
            return node.firstSequence > after
        }
        var high: NodeKey = 1
        while try !isOldest(high), high < .max / 2 { high *= 2 }
        var low: NodeKey = 0
        while low < high {
            let middle = low + (high - low) / 2
            if try isOldest(middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
