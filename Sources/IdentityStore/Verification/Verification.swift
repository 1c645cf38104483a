package import IdentityEngine

extension Store {
    /// Applies the log of a project in memory, and compares what follows with what the store has.
    ///
    /// One snapshot is read from beginning to end. Takes memory in proportion to the project's ids and links.
    ///
    /// - Parameters:
    ///   - project: the project.
    ///   - rules: its present rules.
    ///   - decides: whether every entry is also decided anew.
    ///   - checksEvents: whether every event is asked for its log entry.
    ///   - progress: told after each page.
    /// - Returns: what was found.
    /// - Throws: `StoreError`: `corrupt` where a row cannot even be read.
    package func verify(
        _ project: ProjectID, by rules: MergeRules, decides: Bool, checksEvents: Bool,
        progress: @escaping @Sendable (VerificationProgress) -> Void
    ) async throws(StoreError) -> VerificationReport {
        try await read { snapshot throws(StoreError) in
            guard let rows = snapshot as? any StoreRows else {
                throw StoreError(.unexpected, "This store cannot be read as a whole, so that it cannot be verified.")
            }
            var verification = try Verification(
                rows, project, rules, decides: decides, checksEvents: checksEvents, progress: progress)
            return try verification.run()
        }
    }

    /// What is wrong with the store beside its projects.
    ///
    /// - Parameter checksFiles: whether the store checks its files, every page and index of them.
    /// - Returns: a line for each fault.
    /// - Throws: `StoreError`.
    package func faults(checksFiles: Bool) async throws(StoreError) -> [String] {
        let (found, faults) = try await read { snapshot throws(StoreError) -> ([ProjectID], [String]) in
            guard let rows = snapshot as? any StoreRows else { return ([], []) }
            let faults = checksFiles ? try rows.fileFaults(limit: 20) : []
            return (try rows.projectsWithRows(), try rows.rowFaults() + faults)
        }
        // No project is ever taken away, and one that was made meanwhile is known by now.
        let known = Set(try await projects().map(\.id))
        return found.filter { !known.contains($0) }.map {
            "there are rows of project \($0), but there is no such project"
        } + faults
    }

    /// The same for a project as it is recorded, whose rules are compared with the last that its log says.
    package func verify(
        _ project: ProjectRecord, decides: Bool, checksEvents: Bool,
        progress: @escaping @Sendable (VerificationProgress) -> Void
    ) async throws(StoreError) -> VerificationReport {
        var report = try await verify(
            project.id, by: project.rules, decides: decides, checksEvents: checksEvents, progress: progress)
        guard let logged = report.rules, logged.rules != project.rules else { return report }
        // They may have been changed since the project was read.
        guard try await projects().contains(where: { $0.id == project.id && $0.rules == project.rules }) else {
            return report
        }
        report.tally.add(at: logged.sequence, "the project's rules") { ("\(logged.rules)", "\(project.rules)") }
        return report
    }
}

/// Applies the log of a project, and compares what follows with the rows of the store.
struct Verification {
    /// Few enough rows that pages come and go within memory that stays.
    static let pageSize = 512

    let rows: any StoreRows
    let project: ProjectID
    let progress: @Sendable (VerificationProgress) -> Void
    private let checksEvents: Bool
    private let survivors: [Int64: [NodeKey]]
    var replay: Replay
    var report = VerificationReport()
    var tally = DifferenceTally()
    /// What clusters profiles say they were in, in the order of the clusters' links.
    var clusterMarks: [ClusterMark] = []
    /// The key that the store has for the node with each place of the replay; 0 where it has no row.
    var keys: [NodeKey] = []
    /// The rows of frayed nodes.
    var frayedRows: [Node] = []
    /// What stands in `linked_sequence` of clusters that are older than that column.
    var carriedSequences: Set<Int64> = []
    /// Links of the log that the store does not have.
    var missingLinks: Set<Int64> = []
    private var amendments: Set<Int64> = []

    init(
        _ rows: any StoreRows, _ project: ProjectID, _ rules: MergeRules, decides: Bool, checksEvents: Bool,
        progress: @escaping @Sendable (VerificationProgress) -> Void
    ) throws(StoreError) {
        self.rows = rows
        self.project = project
        self.progress = progress
        self.checksEvents = checksEvents
        var first = rules
        let changes = try rows.logRecords(LogQuery(limit: 1, verb: .rules), in: project)
        if case .amendment(let entry) = changes.first, case .rules(let from, _) = entry.amendment { first = from }
        replay = Replay(rules: first)
        survivors = try Verification.survivors(rows, project)
        if decides { report.verdicts = DecidedAnew() }
    }

    mutating func run() throws(StoreError) -> VerificationReport {
        report.lastSequence = try rows.lastSequence(of: project)
        try readProfiles()
        try replayLog()
        try compareNodes()
        try compareFrayedClusters()
        try compareLinks()
        try compareChanges()
        try compareSwitches()
        try compareBlocks()
        try compareNamings()
        try compareProfiles()
        if checksEvents { try checkEvents() }
        report.tally = tally
        report.ids = replay.count
        report.clusters = (0..<replay.count).count { replay.node(at: $0).isRoot }
        report.links = replay.links.count
        report.frayed = replay.frayed.count
        report.tombstones = replay.tombstones.count
        return report
    }

    /// The nodes that are still there of those that tombstones named.
    private static func survivors(
        _ rows: any StoreRows, _ project: ProjectID
    ) throws(StoreError) -> [Int64: [NodeKey]] {
        let tombstones = Set(try rows.tombstones(in: project))
        guard !tombstones.isEmpty else { return [:] }
        var survivors: [Int64: [NodeKey]] = [:]
        var last: Naming?
        repeat {
            let page = try rows.namings(in: project, after: last, limit: pageSize)
            last = page.last
            for naming in page where tombstones.contains(naming.sequence) {
                survivors[naming.sequence, default: []].append(naming.node)
            }
        } while last != nil
        return survivors
    }

    private mutating func replayLog() throws(StoreError) {
        var after: Int64 = 0
        var nextMark = 0
        while true {
            let page = try rows.logRecords(LogQuery(after: after, limit: Self.pageSize), in: project)
            guard let end = page.last?.sequence else { break }
            for record in page {
                var named: [DistinctID] = []
                switch record {
                case .entry(let entry):
                    if report.verdicts != nil {
                        report.verdicts?.compare(entry, with: replay.decision(anew: entry))
                    }
                case .amendment(let entry):
                    amendments.insert(entry.sequence)
                    if case .rules(_, let to) = entry.amendment { report.rules = (entry.sequence, to) }
                case .tombstone:
                    for key in survivors[record.sequence] ?? [] {
                        if let node = try rows.node(key, in: project) { named.append(node.id) }
                    }
                }
                replay.apply(record, survivors: named, noting: &tally)
                while nextMark < clusterMarks.count, clusterMarks[nextMark].linkedSequence <= record.sequence {
                    look(at: nextMark)
                    nextMark += 1
                }
            }
            after = end
            tell(.log, Int(end), of: Int(report.lastSequence))
        }
        for mark in clusterMarks[nextMark...] {
            tally.add(at: report.lastSequence, "the profile of \(mark.id)") {
                ("a last update by sequence \(report.lastSequence)", "one after link \(mark.linkedSequence)")
            }
        }
    }

    /// Every event that a log entry was made for names an entry that is there, and is of a record.
    private mutating func checkEvents() throws(StoreError) {
        var after: EventKey? = .before(.min + 1)
        var count = 0
        while let key = after {
            let page = try rows.eventSequences(in: project, after: key, limit: Self.pageSize)
            for sequence in page.sequences where sequence != 0 {
                guard sequence < 0 || sequence > replay.lastSequence || amendments.contains(sequence) else { continue }
                tally.add(at: min(max(sequence, 0), replay.lastSequence), "an event") {
                    ("a statement of the log", "entry \(sequence)")
                }
            }
            count += page.sequences.count
            after = page.last
            tell(.events, count)
        }
        report.events = count
    }

    /// Counts a difference whose texts are read from the store.
    mutating func note(
        at sequence: Int64, _ subject: String,
        _ texts: (Verification) throws(StoreError) -> (expected: String, found: String)
    ) throws(StoreError) {
        let (expected, found) = tally.isFirst(sequence) ? try texts(self) : ("", "")
        tally.add(at: sequence, subject) { (expected, found) }
    }

    func tell(_ stage: VerificationProgress.Stage, _ done: Int, of total: Int? = nil) {
        progress(VerificationProgress(stage: stage, done: done, total: total))
    }

    /// The id of a node of the replay.
    func id(_ key: NodeKey) -> DistinctID { replay.node(at: Int(key) - 1).id }

    /// The name of a node of the store, for a message.
    func name(ofStored key: NodeKey) throws(StoreError) -> String {
        try rows.node(key, in: project)?.id.description ?? "key \(key), which is not there"
    }

    /// The key that the store has for a node of the replay.
    func stored(_ key: NodeKey) -> NodeKey { keys[Int(key) - 1] }
}
