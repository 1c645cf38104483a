package import IdentityEngine
package import IdentityStore

/// The raw export: events of a range of days, one JSON object a line, under their canonical ids (P 10-5).
///
/// Events are read in pages, so that neither ingest nor the folding-in of the store's log waits for a slow reader.
/// Identity is that of the sequence at which the export began, on every page.
package struct Export: AsyncSequence, Sendable {
    /// The most events and bytes of one page.
    private static let pageLimit = 1000
    private static let pageSizeLimitBytes = 4 << 20
    /// How long one page may read, whatever it has by then.
    private static let pageTimeLimit = Duration.milliseconds(200)
    /// The most canonical ids that are kept from page to page.
    private static let knownLimit = 10_000

    /// Which events are wanted.
    package struct Range: Hashable, Sendable {
        /// The first millisecond.
        package var fromMilliseconds: Int64
        /// The millisecond after the last.
        package var beforeMilliseconds: Int64
        /// Names of events; nil for all.
        package var names: Set<[UInt8]>?
        /// What is asked of an event's properties as they are exported; nil for nothing.
        package var condition: WhereExpression?
        /// How the profiles that the condition asks for are made of those of their clusters' members.
        package var profileRule = ProfileMergeRule.hide
        /// The most events; nil for no limit.
        package var limit: Int?
        /// The ids that events must be filed under; nil for all.
        package var filedIDs: Set<DistinctID>?
        /// Whether each line says that it is an event, for files that hold other things too.
        package var namesType = false
        /// Whether `time` is written in milliseconds rather than seconds.
        package var isTimeInMilliseconds = false
        /// Events that made entries up to this sequence are left out.
        package var afterSequence: Int64 = 0

        package init(fromMilliseconds: Int64, beforeMilliseconds: Int64) {
            self.fromMilliseconds = fromMilliseconds
            self.beforeMilliseconds = beforeMilliseconds
        }

        /// The range from the first day to the last, both included, written `YYYY-MM-DD`.
        ///
        /// - Throws: `ConfigurationError` that says what is wrong.
        package init(fromDay: String, toDay: String) throws(ConfigurationError) {
            guard let from = Timestamp.startOfDay(fromDay) else {
                throw ConfigurationError("from_date is \"\(fromDay.prefix(40))\", but must be a day as YYYY-MM-DD")
            }
            guard let last = Timestamp.startOfDay(toDay) else {
                throw ConfigurationError("to_date is \"\(toDay.prefix(40))\", but must be a day as YYYY-MM-DD")
            }
            guard from <= last else { throw ConfigurationError("from_date must not be after to_date") }
            self.init(fromMilliseconds: from, beforeMilliseconds: last + Timestamp.millisecondsPerDay)
        }
    }

    private let store: any Store
    private let project: ProjectID
    private let system: IdentitySystem
    private let range: Range
    private let asOf: Int64?

    /// - Parameters:
    ///   - store: where the events are.
    ///   - project: the project.
    ///   - system: its way of joining ids.
    ///   - range: which events are wanted.
    ///   - asOf: the last entry that counts for who is who; nil for the last one when the export begins.
    package init(
        store: any Store, project: ProjectID, system: IdentitySystem, range: Range, asOf: Int64? = nil
    ) {
        self.asOf = asOf
        self.store = store
        self.project = project
        self.system = system
        self.range = range
    }

    /// Whole lines, in the order of time: one page of events each time.
    package struct Iterator: AsyncIteratorProtocol {
        private let export: Export
        private var after: EventKey
        private var remaining: Int
        /// The project's sequence when the export began.
        private var sequence: Int64?
        /// What pages found out, which stays true because `sequence` stays the same.
        private var known = CanonicalIDs()

        fileprivate init(_ export: Export) {
            self.export = export
            after = EventKey.before(export.range.fromMilliseconds)
            remaining = export.range.limit ?? Int.max
            sequence = export.asOf
        }

        /// The next lines; nil at the end.
        ///
        /// - Throws: `StoreError`.
        package mutating func next() async throws -> [UInt8]? {
            while remaining > 0 {
                let (from, most, began, known, export) = (after, remaining, sequence, known, export)
                let page = try await export.store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> Page in
                    let sequence: Int64
                    if let began { sequence = began } else { sequence = try snapshot.lastSequence(of: export.project) }
                    return try export.page(snapshot, after: from, most: most, asOf: sequence, known)
                }
                guard let last = page.last else { return nil }
                (after, sequence) = (last, page.sequence)
                remember(page.found)
                remaining -= page.count
                if !page.text.isEmpty { return page.text }
            }
            return nil
        }

        private mutating func remember(_ found: CanonicalIDs) {
            if found.isEmpty { return }
            if known.count + found.count > Export.knownLimit { known.removeAll() }
            known.merge(found) { $1 }
        }
    }

    package func makeAsyncIterator() -> Iterator { Iterator(self) }

    /// Canonical ids as of the export's sequence, of clusters whose canonical id changed since, by the key of the root
    /// that the cluster had then; where the cluster was revised since, by the key of each member.
    ///
    /// To find one, every member of the cluster is read (P 7.8).
    typealias CanonicalIDs = [NodeKey: [UInt8]]

    private struct Page: Sendable {
        var text: [UInt8] = []
        var count = 0
        var last: EventKey?
        let sequence: Int64
        /// The canonical ids that the page found out, and that were not known before.
        var found = CanonicalIDs()
    }

    /// Events after a key: at least one where there is one.
    private func page(
        _ snapshot: any StoreSnapshot, after: EventKey, most: Int, asOf sequence: Int64, _ known: CanonicalIDs
    ) throws(StoreError) -> Page {
        let deadline = ContinuousClock.now.advanced(by: Self.pageTimeLimit)
        let moment = try Moment(snapshot, of: project, asOf: sequence, known)
        let events = try snapshot.events(
            in: project, after: after, beforeMilliseconds: range.beforeMilliseconds, limit: Self.pageLimit,
            sizeLimitBytes: Self.pageSizeLimitBytes)
        var page = Page(sequence: sequence)
        var conditions = range.condition.map {
            ProfileConditions(condition: $0, project: project, system: system, rule: range.profileRule)
        }
        var json = JSONBuilder()
        for event in events {
            if page.last != nil, ContinuousClock.now >= deadline { break }
            page.last = event.key
            if let names = range.names, !names.contains(event.name) { continue }
            if event.sequence > 0, event.sequence <= range.afterSequence { continue }
            if let ids = range.filedIDs, !ids.contains(DistinctID(event.filedID)) { continue }
            let start = json.bytes.count
            let written = try write(event, moment, &page.found, to: &json)
            if let condition = range.condition {
                let isMet = condition.matches(
                    json.bytes, in: written.properties, timeMilliseconds: written.milliseconds,
                    profileValues: try conditions?.values(of: written.canonicalID, snapshot) ?? [])
                guard isMet else {
                    json.remove(from: start)
                    continue
                }
            }
            page.count += 1
            if page.count == most { break }
        }
        page.text = json.takeLines()
        return page
    }

    /// What the lines of one read go by.
    struct Moment {
        let snapshot: any StoreSnapshot
        let project: ProjectID
        let identity: IdentityView
        /// The last entry that counts.
        let sequence: Int64
        /// Canonical ids that earlier reads found out.
        let known: CanonicalIDs
        /// Whether any link was ever taken back.
        let isAmended: Bool

        init(
            _ snapshot: any StoreSnapshot, of project: ProjectID, asOf sequence: Int64, _ known: CanonicalIDs
        ) throws(StoreError) {
            self.snapshot = snapshot
            self.project = project
            self.sequence = sequence
            self.known = known
            identity = snapshot.identity(of: project)
            isAmended = try !snapshot.amendmentSequences(in: project, after: 0, limit: 1).isEmpty
        }
    }

    /// Writes the line of one event.
    ///
    /// - Parameters:
    ///   - event: the event.
    ///   - moment: what it goes by.
    ///   - found: canonical ids that are found out; added to.
    ///   - json: where the line is written to.
    /// - Returns: what was written.
    /// - Throws: `StoreError`.
    func write(
        _ event: StoredEvent, _ moment: Moment, _ found: inout CanonicalIDs, to json: inout JSONBuilder
    ) throws(StoreError) -> WrittenEvent {
        try event.check()
        let canonical = try canonicalID(
            of: event, moment.identity, asOf: moment.sequence, moment.known, &found)
        var text = try moment.text(of: event, canonicalID: canonical, system: system)
        text.marksEntry = !range.namesType
        text.namesType = range.namesType
        text.isTimeInMilliseconds = range.isTimeInMilliseconds
        let properties = text.write(to: &json)
        json.endLine()
        return WrittenEvent(properties: properties, milliseconds: text.writtenMilliseconds, canonicalID: canonical)
    }

    /// What a condition asks of an event that was written.
    struct WrittenEvent {
        /// Where its properties stand in what was written.
        let properties: Swift.Range<Int>
        /// Its time as it was written, in milliseconds.
        let milliseconds: Int64
        let canonicalID: [UInt8]
    }

    /// An event of nobody stays so; a Legacy event is where its alias map filed it (P 9-2).
    private func canonicalID(
        of event: StoredEvent, _ identity: IdentityView, asOf sequence: Int64, _ known: CanonicalIDs,
        _ found: inout CanonicalIDs
    ) throws(StoreError) -> [UInt8] {
        if event.filedID.isEmpty || system == .legacy { return event.filedID }
        guard let node = try identity.node(for: DistinctID(event.filedID)), node.firstSequence <= sequence else {
            return event.filedID
        }
        if node.revisedSequence > sequence {
            if let canonical = known[node.key] ?? found[node.key] { return canonical }
            // What it was is found out for all its members, from the links of that time.
            let cluster = try identity.cluster(of: node, asOf: sequence)
            for member in cluster.members { found[member.key] = cluster.canonical.id.bytes }
            return cluster.canonical.id.bytes
        }
        let root = try identity.root(of: node, asOf: sequence)
        if let canonical = known[root.key] ?? found[root.key] { return canonical }
        let canonical = try identity.canonicalNode(ofRoot: root, asOf: sequence).id.bytes
        if root.canonicalSince > sequence { found[root.key] = canonical }
        return canonical
    }
}
