import IdentityEngine
import IdentityStore
import MixpanelWire

/// Brings the log of an exported project into another: the same operations in the same order, decided again under the
/// rules of their time (P 7.1-8).
///
/// Each entry that it makes says which entry of which log it stands for, so that a replay that was stopped goes on
/// where it ended, and an amendment finds the links that its own log's numbers mean.
struct LogReplay {
    /// What became of entries so far.
    struct Tally: Sendable {
        /// Amendments that were made again.
        var amendments = 0
        /// Entries that an earlier import brought.
        var repeated = 0
        /// Entries that could not be made again, as where a deletion took what they were about.
        var lost = 0
        /// Changes of rules that were left out, because the project has a log of its own.
        var skippedRules = 0
    }

    /// The most statements of one commit, and the bytes at which it is made.
    private static let groupLimit = 500
    private static let groupSizeLimitBytes = 8 << 20

    private(set) var tally = Tally()
    /// Events that were stored with their statements.
    private(set) var storedEvents = 0
    /// The project, with the rules that are in force by now.
    private(set) var project: ProjectRecord
    let header: LogLine.Header

    private let store: any Store
    private let clock: ServerClock
    private var map = SequenceMap()
    /// Whether the project takes the rules of the export: its log is empty, or began with this export's.
    private let takesRules: Bool
    private var group: [EventBatch] = []
    private var groupSequences: [Int64] = []
    private var groupSizeBytes = 0

    /// Begins a replay, or goes on with one.
    ///
    /// - Parameters:
    ///   - header: what the export says of its log.
    ///   - project: the project that takes it.
    ///   - store: where that is.
    ///   - clock: the time of log entries.
    /// - Throws: `ConfigurationError` where the project joins ids in another way, `StoreError`.
    init(_ header: LogLine.Header, into project: ProjectRecord, in store: any Store, clock: ServerClock) async throws {
        guard header.rules.system == project.rules.system else {
            throw ConfigurationError(
                "the export is of a project whose identity system is \(header.rules.system.rawValue), but that of "
                    + "project \(project.id) is \(project.rules.system.rawValue); make one with `selfsame project "
                    + "create --system \(header.rules.system.rawValue)`")
        }
        self.header = header
        self.store = store
        self.clock = clock
        var (map, isEmpty, beganHere) = (SequenceMap(), true, false)
        var after: Int64 = 0
        while true {
            let (from, id) = (after, project.id)
            let records = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> [LogRecord] in
                try snapshot.logRecords(LogQuery(after: from, limit: 1000), in: id)
            }
            guard let last = records.last else { break }
            for record in records {
                guard let source = record.origin.flatMap({ ReplayOrigin.sequence(in: $0, of: header.log) }) else {
                    continue
                }
                if isEmpty, record.sequence == records[0].sequence { beganHere = true }
                map.append(source: source, target: record.sequence)
            }
            isEmpty = false
            after = last.sequence
        }
        self.map = map
        takesRules = isEmpty || beganHere
        self.project = project
        if map.lastSource > 0 { return }
        if takesRules { try await take(header.rules) } else if header.rules != project.rules { tally.skippedRules += 1 }
    }

    /// Whether an earlier import brought an entry, and all before it.
    func hasReplayed(_ sequence: Int64) -> Bool { sequence <= map.lastSource }

    /// Notes that an entry was there already.
    mutating func skip() { tally.repeated += 1 }

    /// Takes a statement; it is decided with the next ones, at the latest at `flush`.
    ///
    /// - Parameters:
    ///   - batch: one event, or one statement without an event.
    ///   - sequence: its entry in the log that it comes from.
    /// - Returns: what became of the statements that were decided now, if any were.
    /// - Throws: `StoreError`; none of them is decided then.
    mutating func add(_ batch: EventBatch, sequence: Int64) async throws(StoreError) -> [CommitResult] {
        var batch = batch
        batch.origin = origin(of: sequence)
        group.append(batch)
        groupSequences.append(sequence)
        groupSizeBytes += batch.sizeBytes
        guard group.count >= Self.groupLimit || groupSizeBytes >= Self.groupSizeLimitBytes else { return [] }
        return try await flush()
    }

    /// Decides what waits.
    mutating func flush() async throws(StoreError) -> [CommitResult] {
        if group.isEmpty { return [] }
        let results = try await store.commit(
            group, by: [project.id: project.rules], nowMilliseconds: clock.nowMilliseconds)
        storedEvents += group.reduce(0) { $0 + ($1.storesEvents ? $1.events.count : 0) }
        // The entries of one commit follow one another, and the last of them is the last that it can see.
        var target = results.last?.lastSequences[project.id] ?? 0
        for (index, result) in results.enumerated().reversed() where result.entries == 0 {
            groupSequences.remove(at: index)
        }
        target -= Int64(groupSequences.count)
        for source in groupSequences {
            target += 1
            map.append(source: source, target: target)
        }
        (group, groupSequences, groupSizeBytes) = ([], [], 0)
        return results
    }

    /// Takes an entry that no event tells.
    ///
    /// - Returns: what became of the statements that were decided now, and why the entry could not be made again.
    mutating func apply(_ entry: LogLine.Entry) async throws -> (results: [CommitResult], refusal: String?) {
        if let fault = Self.fault(of: entry.operation) {
            tally.lost += 1
            return ([], "an id that it names \(fault)")
        }
        if case .statement(let event) = entry.operation {
            return (try await add(batch(of: event), sequence: entry.sequence), nil)
        }
        let results = try await flush()
        guard let request = request(entry.operation) else {
            if case .rules(let rules) = entry.operation {
                if takesRules { try await take(rules) } else { tally.skippedRules += 1 }
                return (results, nil)
            }
            tally.lost += 1
            return (results, "what it is about did not come along")
        }
        let result = try await store.amend(
            request, in: project.id, by: project.rules, origin: origin(of: entry.sequence),
            nowMilliseconds: clock.nowMilliseconds)
        switch result {
        case .success(let report):
            map.append(source: entry.sequence, target: report.entry.sequence)
            tally.amendments += 1
            return (results, nil)
        case .failure(let refusal):
            tally.lost += 1
            return (results, refusal.description)
        }
    }

    /// What an amendment asks for, in the numbers of this project's log; nil where they stand for nothing here.
    private func request(_ operation: LogLine.Operation) -> AmendmentRequest? {
        switch operation {
        case .statement, .rules: return nil
        case .unmerge(let links, let target, let named, let keepsApart):
            let own = links.compactMap { map[$0] }
            if own.isEmpty { return nil }
            return .unmergeLinks(own, target: target.flatMap { map[$0] }, named: named, keepsApart: keepsApart)
        case .restore(let unmerge): return map[unmerge].map { .restore($0) }
        case .unblock(let one, let other): return .unblock(one, other)
        }
    }

    private mutating func take(_ rules: MergeRules) async throws {
        // As it is stored by now: what else changed since the import began stays.
        let id = project.id
        var changed = try await store.projects().first { $0.id == id } ?? project
        defer { project = changed }
        if changed.rules == rules { return }
        changed.rules = rules
        try await store.save(changed, nowMilliseconds: clock.nowMilliseconds)
    }

    /// The rule that an id of an operation breaks; nil where all are in order (P 6.3, 7.6-5).
    ///
    /// What a setting adds to the reserved ids is not asked: it was decided where the log comes from.
    private static func fault(of operation: LogLine.Operation) -> String? {
        let always = ReservedIDs(text: "")
        switch operation {
        case .statement(let event):
            guard event.verb == .device else {
                return always.fault(of: event.primary.bytes) ?? always.fault(of: event.secondary.bytes)
            }
            guard event.secondary.bytes.starts(with: DeviceID.prefix) else { return "must be that of a device" }
            return always.fault(of: event.primary.bytes)
                ?? always.fault(of: Array(event.secondary.bytes.dropFirst(DeviceID.prefix.count)))
        case .unmerge(_, _, let named, _):
            return named.lazy.compactMap { tooLong($0) }.first
        case .unblock(let one, let other): return tooLong(one) ?? tooLong(other)
        case .restore, .rules: return nil
        }
    }

    private static func tooLong(_ id: DistinctID) -> String? {
        id.bytes.count > DistinctID.sizeLimitBytes + DeviceID.prefix.count
            ? "must be at most \(DistinctID.sizeLimitBytes) bytes" : nil
    }

    private func origin(of sequence: Int64) -> EventBatch.Origin {
        EventBatch.Origin(
            endpoint: .import, principal: ReplayOrigin.principal(sequence: sequence, log: header.log))
    }

    private func batch(of event: IdentityEvent) -> EventBatch {
        var batch = EventBatch(origin: .command, receivedMilliseconds: clock.nowMilliseconds)
        batch.storesEvents = false
        var row = EventBatch.Event(project: project.id)
        row.verb = event.verb
        row.primaryID = batch.append(event.primary.bytes)
        row.secondaryID = batch.append(event.secondary.bytes)
        batch.events.append(row)
        return batch
    }
}

/// How an entry says which entry of another log it stands for: by the principal of its origin.
enum ReplayOrigin {
    private static let prefix = "command, entry "

    static func principal(sequence: Int64, log: String) -> String { "\(prefix)\(sequence) of \(log)" }

    /// The entry of a log that an entry with this origin stands for.
    static func sequence(in origin: EventBatch.Origin, of log: String) -> Int64? {
        let suffix = " of \(log)"
        guard origin.principal.hasPrefix(prefix), origin.principal.hasSuffix(suffix) else { return nil }
        return Int64(origin.principal.dropFirst(prefix.count).dropLast(suffix.count))
            .flatMap { LogLine.sequences.contains($0) ? $0 : nil }
    }
}

extension LogRecord {
    /// Who made the entry; nil where a deletion left nothing of it.
    fileprivate var origin: EventBatch.Origin? {
        switch self {
        case .entry(let entry): entry.origin
        case .amendment(let entry): entry.origin
        case .tombstone: nil
        }
    }
}
