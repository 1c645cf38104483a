package import IdentityEngine
package import IdentityStore
package import MixpanelWire

/// What an import of files would come to: every record is read and decided as an import would, over one snapshot, and
/// nothing is stored.
///
/// Memory is taken for what identity operations name, and for a few of each list that a summary shows.
package struct DryRun {
    /// The most of each list that is kept for the summary.
    package static let listLimit = 20
    /// The most refused records that are named for each reason.
    package static let refusalLimit = 5

    /// Where a record stands, and what it states.
    package struct Place: Sendable {
        package let path: String
        /// Where the record stands in it.
        package let place: RecordPlace
        package let event: IdentityEvent
    }

    /// Why records are refused, how often, and some of them.
    package struct Refusal: Sendable {
        package let reason: MergeRefusal
        /// Whether these are Simplified events whose device and user are not joined (P 8-3).
        package let isConflict: Bool
        package fileprivate(set) var count = 0
        package fileprivate(set) var places: [Place] = []

        /// What to do about it.
        package var hint: String { reason.hint(isConflict: isConflict) }
    }

    /// A record that joins two clusters which both hold an identified id.
    package struct Join: Sendable {
        package let place: Place
        /// The canonical ids of the two clusters before it.
        package let canonicalIDs: [DistinctID]
    }

    /// What a dry run came to.
    package struct Summary: Sendable {
        /// The last sequence that the snapshot has.
        package let sequence: Int64
        package let tally: Importer.Tally
        package let counts: Preview.Counts
        /// Records that state nothing about ids.
        package let plain: Int
        /// The largest of the clusters that would change, and how many would.
        package let changes: [Preview.Change]
        package let changeCount: Int
        package let largest: Preview.Summary?
        /// The first of the joins, and how many there are.
        package let joins: [Join]
        package let joinCount: Int
        /// In order of precedence.
        package let refusals: [Refusal]
        /// Lines of an export's log that are not events, and are not looked at.
        package let ownLines: Int
    }

    private let decoder: FileDecoder
    private var preview: Preview
    private var tally = Importer.Tally()
    private var plain = 0
    private var ownLines = 0
    private var joins: [Join] = []
    private var joinCount = 0
    private var refusals: [Refusal] = []

    /// A dry run before its first file.
    ///
    /// - Parameters:
    ///   - project: the project that all records belong to.
    ///   - snapshot: what is there; it must stay open until the summary is made.
    ///   - clock: the time of log entries.
    ///   - acceptsMissingTime: whether a record without time would be taken rather than rejected.
    ///   - reservedIDs: ids that join nobody (P 6.3-0).
    /// - Throws: `StoreError` where the snapshot cannot be read.
    package init(
        of project: ProjectRecord, on snapshot: any StoreSnapshot, clock: ServerClock, acceptsMissingTime: Bool,
        reservedIDs: ReservedIDs
    ) throws(StoreError) {
        decoder = FileDecoder(
            project: project, clock: clock, acceptsMissingTime: acceptsMissingTime, reservedIDs: reservedIDs)
        preview = try Preview(
            of: project.id, by: project.rules, on: snapshot, nowMilliseconds: clock.nowMilliseconds)
    }

    /// Goes through files, in the order in which an import takes their records.
    ///
    /// - Parameters:
    ///   - paths: the files: JSON or NDJSON, plain or gzip.
    ///   - progress: told after each batch.
    ///   - rejected: told of each record that would not be stored.
    ///   - warn: told what a reader should know beside that.
    /// - Throws: `ConfigurationError` for a file that cannot be read, `StoreError` for a snapshot that cannot.
    package mutating func read(
        _ paths: [String], progress: (Importer.Tally) -> Void, rejected: (Importer.Rejection) -> Void,
        warn: @escaping (String) -> Void
    ) throws {
        var sources: [OrderedRecords.Source] = []
        for path in paths {
            let stream = try decoder.open(path)
            sources.append(stream.isStream ? .stream(stream) : .file(path))
        }
        var records = OrderedRecords(sources, decoder: decoder, warn: warn)
        while let batch = try records.next() {
            batch.rejections.forEach(rejected)
            tally.count(batch)
            ownLines += batch.ownLineCount
            let statements = try preview.decide(batch.events)
            plain += batch.recordCount - batch.rejections.count - statements.count
            for statement in statements { note(statement, of: batch) }
            tally.readBytes = max(tally.readBytes, batch.offsetBytes)
            progress(tally)
        }
    }

    /// What all files came to.
    ///
    /// - Throws: `StoreError` where the snapshot cannot be read.
    package func summary() throws(StoreError) -> Summary {
        let limits = Preview.Limits(changes: Self.listLimit, parts: 4, members: 0, total: .max)
        let changes = try preview.changes(limits, largestFirst: true)
        return Summary(
            sequence: preview.sequence, tally: tally, counts: preview.counts, plain: plain, changes: changes.list,
            changeCount: changes.count, largest: try preview.largestCluster(), joins: joins, joinCount: joinCount,
            refusals: refusals.sorted { $0.reason.rawValue < $1.reason.rawValue }, ownLines: ownLines)
    }

    private mutating func note(_ statement: Preview.Statement, of batch: DecodedBatch) {
        let index = Int(batch.events.events[statement.position].recordIndex)
        let place = Place(path: batch.path, place: batch.places[index], event: statement.event)
        if !statement.joinedIdentified.isEmpty {
            joinCount += 1
            if joins.count < Self.listLimit {
                joins.append(Join(place: place, canonicalIDs: statement.joinedIdentified))
            }
        }
        guard let reason = statement.decision.refusal else { return }
        let isConflict = statement.decision.conflict != nil
        let known = refusals.firstIndex { $0.reason == reason && $0.isConflict == isConflict }
        if known == nil { refusals.append(Refusal(reason: reason, isConflict: isConflict)) }
        let slot = known ?? refusals.count - 1
        refusals[slot].count += 1
        if refusals[slot].places.count < Self.refusalLimit { refusals[slot].places.append(place) }
    }
}

extension MergeRefusal {
    /// What to do about it, also where it is about a Simplified event, whose device no statement can give away.
    func hint(isConflict: Bool) -> String {
        guard isConflict, self == .anonymousAssignedAlready else { return hint }
        return "The device already belongs to another user, who keeps it: most often a second login on one device "
            + "without reset(). The event is filed under its own user."
    }
}
