package import IdentityEngine
package import IdentityStore
package import MixpanelWire

/// Brings files of records into a store, through the decoder and the commit of /import.
///
/// Run again over the same file it adds nothing twice: a record without a usable insert id is told apart by the hash of
/// what it says, whatever the white space between, and its ordinal among identical records of the file. A record
/// without time gets that of the file's last change. The log that an export of ours begins with is replayed, and goes
/// on where an earlier import ended.
package struct Importer: Sendable {
    /// What has become of the records so far.
    package struct Tally: Sendable {
        package var read = 0
        /// Records that were not there before.
        package var stored = 0
        /// Records that were there already.
        package var repeated = 0
        package var rejected = 0
        package var merged = 0
        package var unchanged = 0
        package var refused = 0
        /// Amendments of an export's log that were made again.
        package var amendments = 0
        /// Lines of an export's log that could not be made again.
        package var lost = 0
        /// Changes of rules that were left out, since the project has a log of its own.
        package var skippedRules = 0
        /// Bytes of the files that were read.
        package var readBytes: Int64 = 0

        package init() {}
    }

    /// A record that was not stored.
    package struct Rejection: Sendable {
        package let path: String
        package let place: RecordPlace
        package let message: String
    }

    /// Who is told of what happens.
    package struct Listener {
        /// After each commit.
        package var progress: (Tally) -> Void
        /// Of each record that is not stored.
        package var rejected: (Rejection) -> Void
        /// Of what a reader should know beside that.
        package var warned: (String) -> Void
        /// Asked before each commit whether to stop there.
        package var isStopped: () -> Bool

        package init(
            progress: @escaping (Tally) -> Void, rejected: @escaping (Rejection) -> Void,
            warned: @escaping (String) -> Void, isStopped: @escaping () -> Bool
        ) {
            self.progress = progress
            self.rejected = rejected
            self.warned = warned
            self.isStopped = isStopped
        }
    }

    private let store: any Store
    private let project: ProjectRecord
    private let clock: ServerClock
    private let acceptsMissingTime: Bool
    private let heldLimitBytes: Int
    private let reservedIDs: ReservedIDs

    /// - Parameters:
    ///   - store: where the events go.
    ///   - project: the project that they belong to, whatever token they carry.
    ///   - clock: the time of log entries.
    ///   - acceptsMissingTime: whether a record without time is taken rather than rejected.
    ///   - reservedIDs: ids that join nobody (P 6.3-0).
    ///   - heldLimitBytes: the bytes of identity operations that are held at a time, to be sorted.
    package init(
        store: any Store, project: ProjectRecord, clock: ServerClock, acceptsMissingTime: Bool,
        reservedIDs: ReservedIDs = .standard, heldLimitBytes: Int = 256 << 20
    ) {
        self.reservedIDs = reservedIDs
        self.heldLimitBytes = heldLimitBytes
        self.store = store
        self.project = project
        self.clock = clock
        self.acceptsMissingTime = acceptsMissingTime
    }

    /// Imports files: first those that begin with the log of an export, then the others as one.
    ///
    /// - Parameters:
    ///   - paths: the files: JSON or NDJSON, plain or gzip; `-` for standard input.
    ///   - tally: what they come to; added to.
    ///   - listener: who is told.
    /// - Throws: `ConfigurationError` for a file that cannot be read, `StoreError` for a store that cannot write.
    package func run(_ paths: [String], tally: inout Tally, listener: Listener) async throws {
        var project = project
        var others: [OrderedRecords.Source] = []
        for path in paths {
            let decoder = decoder(of: project)
            let stream = try decoder.open(path)
            guard let header = try stream.header() else {
                others.append(stream.isStream ? .stream(stream) : .file(path))
                continue
            }
            let replay = try await LogReplay(header, into: project, in: store, clock: clock)
            var moving = ExportImport(replay, store: store, decoder: decoder, listener: listener, tally: tally)
            do {
                try await moving.run(stream)
            } catch {
                tally = moving.tally
                throw error
            }
            tally = moving.tally
            project = moving.project
            if listener.isStopped() { return }
        }
        let decoder = decoder(of: project)
        var records = OrderedRecords(
            others, decoder: decoder, heldLimitBytes: heldLimitBytes, warn: listener.warned)
        try await commit(&records, of: project, &tally, listener)
    }

    /// The rules in force at the beginning of the first of some files that begins with a log of ours; nil without one.
    ///
    /// - Throws: `ConfigurationError` for a file that cannot be read.
    package static func rules(of paths: [String]) throws(ConfigurationError) -> MergeRules? {
        for path in paths {
            let file = try RecordFile(path: path)
            if file.isStream { continue }
            let stream = try RecordStream(path: path, recordSizeLimitBytes: 1 << 20, nowMilliseconds: 0)
            if let rules = (try? stream.header())?.rules { return rules }
        }
        return nil
    }

    private func decoder(of project: ProjectRecord) -> FileDecoder {
        FileDecoder(
            project: project, clock: clock, acceptsMissingTime: acceptsMissingTime, reservedIDs: reservedIDs)
    }

    private func commit(
        _ records: inout OrderedRecords, of project: ProjectRecord, _ tally: inout Tally, _ listener: Listener
    ) async throws {
        let before = tally.readBytes
        var ordinals: [String: ContentOrdinals] = [:]
        while !listener.isStopped(), let batch = try records.next() {
            batch.rejections.forEach(listener.rejected)
            var events = batch.events
            try ordinals[batch.path, default: ContentOrdinals()].fillDedupKeys(of: &events, path: batch.path)
            let results = try await store.commit(
                [events], by: [project.id: project.rules], nowMilliseconds: clock.nowMilliseconds)
            tally.count(batch)
            tally.count(results, of: events.events.count)
            tally.lost += batch.ownLineCount
            tally.readBytes = before + batch.offsetBytes
            listener.progress(tally)
        }
    }
}

extension Importer.Tally {
    /// Counts the records of a batch, whatever became of those that are in order.
    mutating func count(_ batch: DecodedBatch) {
        read += batch.recordCount
        rejected += batch.rejections.count
    }

    /// Counts what became of events.
    mutating func count(_ results: [CommitResult], of events: Int) {
        let known = results.reduce(0) { $0 + $1.repeated }
        repeated += known
        stored += events - known
        for result in results {
            merged += result.merged
            unchanged += result.unchanged
            refused += result.refused
        }
    }
}
