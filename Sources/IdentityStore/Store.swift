package import IdentityEngine

/// Durable state: events, the log of identity operations, and the index of clusters that follows from it.
///
/// The contract, which `StoreContract` in the tests runs against every implementation:
/// - `commit` is all or nothing, and returns only when what it wrote survives a loss of power (Memory: of the call).
/// - Submissions of a group are decided in order, events of a submission in order (P 7.9-3). Each logged operation gets
///   the next sequence of its project: from 1, without gaps, in the order of decisions, the same on every
///   implementation.
/// - Entry times of a project never go back.
/// - Updates of profiles are applied after the events of their submission, in order (P 7.10-1).
/// - An event whose (time, name, id as sent, insert id) is there already replaces it (P 6.5); where its statement is
///   `unchanged` without a link, and what was there shows an entry of it that is no refusal, there is no new entry.
/// - Sequences and node keys are never given twice, whatever was deleted.
/// - A snapshot sees whole commits only, and the same ones for as long as it is open.
package protocol Store: Sendable {
    /// Decides and writes a group of requests as one transaction.
    ///
    /// - Parameters:
    ///   - group: the requests, in order of arrival. May be empty.
    ///   - rules: the rules of every project that the group names.
    ///   - nowMilliseconds: the time that log entries get, in milliseconds since 1970.
    /// - Returns: one result for each submission, in the same order.
    /// - Throws: `StoreError`; nothing of the group is stored then.
    func commit(
        _ group: [EventBatch], by rules: [ProjectID: MergeRules], nowMilliseconds: Int64
    ) async throws(StoreError) -> [CommitResult]

    /// Makes an amendment as one transaction: its entry of the log, what it switches, and the clusters that follow.
    ///
    /// - Parameters:
    ///   - request: what is asked for.
    ///   - project: the project.
    ///   - rules: the project's rules.
    ///   - origin: who asks.
    ///   - nowMilliseconds: the time that the entry gets, unless the entry before it is later.
    /// - Returns: what was done, or why nothing was.
    /// - Throws: `StoreError`; nothing is changed then.
    func amend(
        _ request: AmendmentRequest, in project: ProjectID, by rules: MergeRules, origin: EventBatch.Origin,
        nowMilliseconds: Int64
    ) async throws(StoreError) -> Result<AmendmentReport, AmendmentRefusal>

    /// Sees to it that no entry of a project gets a time up to some time any more, whatever a clock says: what is then
    /// told of that time stays true.
    ///
    /// - Throws: `StoreError`.
    func settle(_ project: ProjectID, atMilliseconds time: Int64) async throws(StoreError)

    /// Reads committed state, the same for the whole call. Long reads belong in several calls: a snapshot that stays
    /// open keeps the log of writes from being folded in.
    ///
    /// - Throws: `StoreError`, or what the body throws as one.
    func read<Value: Sendable>(
        _ body: @escaping @Sendable (any StoreSnapshot) throws(StoreError) -> Value
    ) async throws(StoreError) -> Value

    /// Whether reading is possible, found out beside all reads that run or wait.
    ///
    /// - Throws: `StoreError` where it is not.
    func probe() async throws(StoreError)

    /// Every project, in the order of its number.
    func projects() async throws(StoreError) -> [ProjectRecord]

    /// Adds a project, or replaces the one with its number.
    ///
    /// Where its rules change after its log has begun, that is an entry of the log.
    ///
    /// - Parameters:
    ///   - project: the project as it is to be.
    ///   - nowMilliseconds: the time that such an entry gets, unless the entry before it is later.
    /// - Throws: `StoreError.conflict` where the token or the secret belongs to another project, or where the identity
    ///   system differs and the project holds data (P 9-6).
    func save(_ project: ProjectRecord, nowMilliseconds: Int64) async throws(StoreError)

    /// Every service account, in the order of the bytes of its name.
    func accounts() async throws(StoreError) -> [AccountRecord]

    /// Adds a service account, or replaces the one with its name, byte for byte: nothing is normalised.
    func save(_ account: AccountRecord) async throws(StoreError)

    /// Adds a privacy task.
    ///
    /// - Parameters:
    ///   - task: the task, which waits to be begun.
    ///   - openLimit: the most tasks of its project that may be open or, where it is a retrieval, hold a file.
    /// - Returns: whether there was room; nothing is added where there was none.
    /// - Throws: `StoreError`.
    func add(_ task: PrivacyTask, openLimit: Int) async throws(StoreError) -> Bool

    /// The privacy task with a tracking id; nil where there is none.
    func privacyTask(_ trackingID: String) async throws(StoreError) -> PrivacyTask?

    /// The privacy tasks in some states, oldest first.
    func privacyTasks(in states: Set<PrivacyTask.State>) async throws(StoreError) -> [PrivacyTask]

    /// Replaces a privacy task if its state is still the one given.
    ///
    /// - Parameters:
    ///   - task: the task as it is to be.
    ///   - state: the state that it must have in the store.
    /// - Returns: whether it was replaced.
    /// - Throws: `StoreError`.
    func replace(_ task: PrivacyTask, in state: PrivacyTask.State) async throws(StoreError) -> Bool

    /// Deletes the clusters that a started deletion names: every event, log entry, link, profile and id of their
    /// members, and leaves the task `erasing`, without ids.
    ///
    /// Each cluster stays whole until all its events are gone, and then goes in one transaction; the transactions are
    /// bounded, so that commits go on between them. What is committed about an id after its cluster went is as of an
    /// id never seen before. Log entries that name a deleted id become tombstones, and events of other clusters that
    /// name one keep everything but the id. To be called again after a crash, or where it was cut short.
    ///
    /// - Parameter trackingID: the task, `started`; otherwise nothing is done.
    /// - Returns: false where the calling task was cancelled before the end.
    /// - Throws: `StoreError`.
    func deleteClusters(of trackingID: String) async throws(StoreError) -> Bool

    /// Takes what was deleted out of the store's files, in bounded steps beside commits.
    ///
    /// - Returns: false where the calling task was cancelled before the end.
    /// - Throws: `StoreError`.
    func eraseTraces() async throws(StoreError) -> Bool

    /// Why a commit would fail now for a reason that lies in the disk, in memory or in another process; nil where none
    /// did since the last that went through.
    ///
    /// It finds out for itself whether commits go through again.
    func writeFault() async -> StoreError?

    /// Deletes every event, profile, log entry, id and privacy task, and keeps projects and accounts. For the sandbox
    /// only.
    func reset() async throws(StoreError)

    /// Deletes the same of one project, whose sequences then begin anew; node keys do not. For the sandbox only.
    func reset(_ project: ProjectID) async throws(StoreError)

    /// Finishes what runs and gives up the files. Every later call throws `StoreError.closed`.
    func close() async throws(StoreError)
}

/// Committed state at one moment.
package protocol StoreSnapshot {
    func node(for id: DistinctID, in project: ProjectID) throws(StoreError) -> Node?

    func node(_ key: NodeKey, in project: ProjectID) throws(StoreError) -> Node?

    /// Nodes of a project in the order of their keys, after a key (0 for the first).
    func nodes(in project: ProjectID, after key: NodeKey, limit: Int) throws(StoreError) -> [Node]

    /// The project's last log sequence; 0 where nothing is logged.
    func lastSequence(of project: ProjectID) throws(StoreError) -> Int64

    /// The earliest time that the project's next log entry may get; `.min` where any will do.
    func leastEntryMilliseconds(of project: ProjectID) throws(StoreError) -> Int64

    /// The links that have a node at either end, in order of sequence.
    func links(of key: NodeKey, in project: ProjectID) throws(StoreError) -> [Link]

    /// The links that begin at a node, in order of sequence: each link begins at one node, so no link comes twice.
    func links(from key: NodeKey, in project: ProjectID) throws(StoreError) -> [Link]

    /// The link that the entry with a sequence made; nil where there is none.
    func link(_ sequence: Int64, in project: ProjectID) throws(StoreError) -> Link?

    /// The links at either end of a node that were active as of a sequence (`.max` for now), in order of sequence.
    func links(
        of key: NodeKey, activeAsOf sequence: Int64, in project: ProjectID
    ) throws(StoreError) -> [Link]

    /// What amendments switched a link to, in their order; nothing for a link that was always active.
    func linkStates(of link: Int64, in project: ProjectID) throws(StoreError) -> [LinkState]

    /// Whether there is an active link that makes a statement.
    func hasActiveLink(_ statement: LinkStatement, in project: ProjectID) throws(StoreError) -> Bool

    /// The block of a pair; nil where it is not blocked.
    func block(of pair: NodePair, in project: ProjectID) throws(StoreError) -> Block?

    /// Blocked pairs in the order of their keys, after a pair (nil for the first).
    func blocks(in project: ProjectID, after pair: NodePair?, limit: Int) throws(StoreError) -> [Block]

    /// The sequences of amendments that switched links, after a sequence, ascending.
    func amendmentSequences(
        in project: ProjectID, after sequence: Int64, limit: Int
    ) throws(StoreError) -> [Int64]

    /// The links that may have changed canonical ids, in a range of sequences, with what is recorded of that.
    ///
    /// - Parameters:
    ///   - project: the project.
    ///   - sequence: only links after it.
    ///   - last: only links up to it.
    ///   - isLatestFirst: whether they come from the last to the first.
    ///   - limit: the most links.
    /// - Returns: the links in order of sequence. Links that certainly changed nothing are left out.
    /// - Throws: `StoreError`.
    func linkChanges(
        in project: ProjectID, after sequence: Int64, upTo last: Int64, isLatestFirst: Bool, limit: Int
    ) throws(StoreError) -> [LinkChange]

    /// What the log has at a sequence; nil where there is nothing.
    func logRecord(_ sequence: Int64, in project: ProjectID) throws(StoreError) -> LogRecord?

    /// Log entries, and what deletions left of some, in order of sequence, or the other way round where the query says
    /// so.
    func logRecords(_ query: LogQuery, in project: ProjectID) throws(StoreError) -> [LogRecord]

    /// Events of a project in the order of their keys, after a key, up to a time, which is excluded.
    ///
    /// Ends early, but never before the first event, where the properties read so far reach `sizeLimitBytes`.
    func events(
        in project: ProjectID, after key: EventKey, beforeMilliseconds: Int64, limit: Int, sizeLimitBytes: Int
    ) throws(StoreError) -> [StoredEvent]

    /// Events that are filed under any of some ids, newest first, before a key, which is excluded (`EventKey.last` for
    /// all).
    ///
    /// Ends early, but never before the first event, where the properties read so far reach `sizeLimitBytes`.
    func activity(
        of ids: [DistinctID], in project: ProjectID, before key: EventKey, limit: Int, sizeLimitBytes: Int
    ) throws(StoreError) -> [StoredEvent]

    /// How many events are filed under an id, counted up to a limit.
    func eventCount(filedUnder id: DistinctID, in project: ProjectID, limit: Int) throws(StoreError) -> Int

    /// The profile of one id alone, whatever cluster it is in; nil where it was sent no update that is kept.
    func profile(of id: DistinctID, in project: ProjectID) throws(StoreError) -> StoredProfile?

    /// Profiles of single ids in byte order of the id, after an id (nil for the first).
    ///
    /// Ends early, but never before the first, where the ledgers read so far reach `sizeLimitBytes`.
    func profiles(
        in project: ProjectID, after id: DistinctID?, limit: Int, sizeLimitBytes: Int
    ) throws(StoreError) -> [StoredProfile]

    /// The profile of a group; nil where it was sent no update that is kept.
    func group(_ name: GroupName, in project: ProjectID) throws(StoreError) -> StoredGroup?
}

extension StoreSnapshot {
    /// The identity state of one project.
    package func identity(of project: ProjectID) -> IdentityView { IdentityView(snapshot: self, project: project) }

    /// The sequence of the last record whose time is not after a time; 0 where there is none.
    ///
    /// Times never go back, so that it is found in as many steps as the log's length has binary digits.
    package func lastSequence(
        of project: ProjectID, atMilliseconds time: Int64
    ) throws(StoreError) -> Int64 {
        var (low, high) = (Int64(0), try lastSequence(of: project))
        while low < high {
            let middle = low + (high - low + 1) / 2
            guard let record = try logRecord(middle, in: project), record.timeMilliseconds > time else {
                low = middle
                continue
            }
            high = middle - 1
        }
        return low
    }

    /// The log entry with a sequence; nil where there is none, or only its tombstone.
    package func logEntry(_ sequence: Int64, in project: ProjectID) throws(StoreError) -> LogEntry? {
        try logRecord(sequence, in: project)?.entry
    }

    /// Log entries in order of sequence, without tombstones: fewer than the limit, where some were among them.
    package func logEntries(_ query: LogQuery, in project: ProjectID) throws(StoreError) -> [LogEntry] {
        try logRecords(query, in: project).compactMap(\.entry)
    }

    /// Every member of the clusters of some ids, each once; an id that took part in no identity operation is alone.
    package func members(of ids: [DistinctID], in project: ProjectID) throws(StoreError) -> Set<DistinctID> {
        let identity = identity(of: project)
        var members: Set<DistinctID> = []
        for id in ids where !members.contains(id) {
            members.insert(id)
            guard let node = try identity.node(for: id) else { continue }
            try identity.forEachMember(ofRoot: try identity.root(of: node)) { member in
                members.insert(member.id)
                return true
            }
        }
        return members
    }
}
