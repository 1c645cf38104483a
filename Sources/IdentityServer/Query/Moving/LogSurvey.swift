package import IdentityEngine
package import IdentityStore

/// What is found out about a project's log before it is exported: how far it goes, what it holds, and which events its
/// entries made.
///
/// An event knows its entry, not the other way round, so the events are read for it once, and the keys of as many as a
/// window takes are kept; a log of more entries is exported window by window, with a reading of the events for each.
package struct LogSurvey: Sendable {
    /// How many entries one window takes: some 50 MB.
    private static let windowLimit: Int64 = 2_000_000

    /// The last entry that is exported: what comes later is not told.
    package let sequence: Int64
    /// The rules in force at the beginning of the log.
    package private(set) var initialRules: MergeRules
    /// Entries that an operator made.
    package private(set) var amendments = 0
    /// Entries that a deletion left nothing of but their place.
    package private(set) var tombstones = 0
    /// Entries of statements that a rule refused.
    package private(set) var refusals = 0
    /// Links of the first window whose event is not there: a later copy of the record replaced it.
    ///
    /// What the other windows hold is found out as they are written.
    package private(set) var linksWithoutEvent = 0
    /// Whether events of the log lie outside of the range that is exported.
    package private(set) var isPartial = false

    /// The keys of the first window's events.
    private(set) var firstWindow: Window

    /// The events of a run of entries.
    struct Window: Sendable {
        let first: Int64
        private var keys: [EventKey?]

        /// An empty window of the entries from one on, up to a last one.
        fileprivate init(from first: Int64, upTo last: Int64) {
            self.first = first
            keys = Array(repeating: nil, count: Int(max(0, min(LogSurvey.windowLimit, last - first + 1))))
        }

        var end: Int64 { first + Int64(keys.count) }

        func contains(_ sequence: Int64) -> Bool { sequence >= first && sequence < end }

        /// The key of the event that an entry made; nil where it is not there.
        func key(of sequence: Int64) -> EventKey? { contains(sequence) ? keys[Int(sequence - first)] : nil }

        fileprivate mutating func note(_ event: StoredEvent) {
            guard contains(event.sequence) else { return }
            keys[Int(event.sequence - first)] = event.key
        }
    }

    /// Surveys the log of a project.
    ///
    /// - Parameters:
    ///   - project: the project.
    ///   - store: where it is.
    ///   - range: the events that are exported.
    /// - Throws: `StoreError`.
    package init(of project: ProjectRecord, in store: any Store, for range: Export.Range) async throws(StoreError) {
        let id = project.id
        sequence = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> Int64 in
            try snapshot.lastSequence(of: id)
        }
        initialRules = project.rules
        firstWindow = Window(from: 1, upTo: sequence)
        guard sequence > 0 else { return }
        firstWindow = try await Self.window(from: 1, upTo: sequence, of: project.id, in: store, range)
        try await readLog(of: project, in: store)
        for outside in [
            Export.Range(fromMilliseconds: 0, beforeMilliseconds: range.fromMilliseconds),
            Export.Range(fromMilliseconds: range.beforeMilliseconds, beforeMilliseconds: .max),
        ] where !isPartial && outside.fromMilliseconds < outside.beforeMilliseconds {
            isPartial = try await Self.hasEntry(upTo: sequence, of: project.id, in: store, outside)
        }
    }

    /// Whether the rows of the events tell what joined whom.
    ///
    /// What else events stated that are not there any more changed nothing.
    var isToldByRows: Bool { amendments == 0 && linksWithoutEvent == 0 && sequence < firstWindow.end }

    /// Whether they do so under the rules that go without saying, and hold nothing that must be decided again.
    func isToldByRowsAlone(of project: ProjectRecord) -> Bool {
        isToldByRows && refusals == 0 && project.rules == MergeRules(system: project.rules.system)
    }

    private mutating func readLog(of project: ProjectRecord, in store: any Store) async throws(StoreError) {
        var after: Int64 = 0
        var hasRules = false
        while after < sequence {
            let (id, from) = (project.id, after)
            let records = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> [LogRecord] in
                try snapshot.logRecords(LogQuery(after: from, limit: 1000), in: id)
            }
            guard let last = records.last else { break }
            after = last.sequence
            for record in records where record.sequence <= sequence {
                switch record {
                case .entry(let entry):
                    if entry.refusal != nil { refusals += 1 }
                    if entry.hasLink, firstWindow.contains(entry.sequence), firstWindow.key(of: entry.sequence) == nil {
                        linksWithoutEvent += 1
                    }
                case .tombstone: tombstones += 1
                case .amendment(let entry):
                    amendments += 1
                    if case .rules(let from, _) = entry.amendment, !hasRules { (initialRules, hasRules) = (from, true) }
                }
            }
        }
    }

    /// The events that some entries made.
    ///
    /// - Parameters:
    ///   - first: the first entry.
    ///   - last: the last one of the log; a window may end before it.
    ///   - project: the project.
    ///   - store: where it is.
    ///   - range: only events of this range.
    /// - Returns: the window.
    /// - Throws: `StoreError`.
    static func window(
        from first: Int64, upTo last: Int64, of project: ProjectID, in store: any Store, _ range: Export.Range
    ) async throws(StoreError) -> Window {
        var window = Window(from: first, upTo: last)
        try await forEachPage(of: project, in: store, range) { events in
            for event in events where event.sequence > 0 { window.note(event) }
            return true
        }
        return window
    }

    private static func hasEntry(
        upTo last: Int64, of project: ProjectID, in store: any Store, _ range: Export.Range
    ) async throws(StoreError) -> Bool {
        var isFound = false
        try await forEachPage(of: project, in: store, range) { events in
            isFound = events.contains { $0.sequence > 0 && $0.sequence <= last }
            return !isFound
        }
        return isFound
    }

    private static func forEachPage(
        of project: ProjectID, in store: any Store, _ range: Export.Range, _ body: ([StoredEvent]) -> Bool
    ) async throws(StoreError) {
        var after = EventKey.before(range.fromMilliseconds)
        while true {
            let from = after
            let events = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> [StoredEvent] in
                try snapshot.events(
                    in: project, after: from, beforeMilliseconds: range.beforeMilliseconds, limit: 2000,
                    sizeLimitBytes: 4 << 20)
            }
            guard let last = events.last, body(events) else { return }
            after = last.key
        }
    }
}
