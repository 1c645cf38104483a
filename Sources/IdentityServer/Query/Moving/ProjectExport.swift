import IdentityEngine
package import IdentityStore

/// A project's events as `selfsame import` takes them to another: the log first, then the other events (P 7.1-8).
///
/// The log is the events that its entries made, in the order of their sequences, with lines of our own for what no
/// event tells: amendments, and statements whose event a later copy replaced. The first row says under which rules the
/// log began. Where the rows of events tell it all, there is nothing of ours; and where the log lies in part outside
/// of the range, neither, for a part of it cannot be replayed.
package struct ProjectExport: AsyncSequence, Sendable {
    /// The most entries of one read, the size at which it ends, and how long it may take.
    private static let pageLimit = 500
    private static let pageSizeLimitBytes = 4 << 20
    private static let pageTimeLimit = Duration.milliseconds(200)

    private let store: any Store
    private let project: ProjectRecord
    private let range: Export.Range
    private let survey: LogSurvey
    /// Whether the first line says whose log follows.
    private let hasHeader: Bool
    /// Whether what no event tells has lines of its own.
    private let hasOwnLines: Bool

    /// - Parameters:
    ///   - store: where the project is.
    ///   - project: the project.
    ///   - range: which events are wanted.
    ///   - survey: what its log is like.
    package init(store: any Store, project: ProjectRecord, range: Export.Range, survey: LogSurvey) {
        self.store = store
        self.project = project
        self.range = range
        self.survey = survey
        hasHeader = survey.sequence > 0 && !survey.isPartial && !survey.isToldByRowsAlone(of: project)
        hasOwnLines = hasHeader && !survey.isToldByRows
    }

    /// Whole lines, a page each time.
    package struct Iterator: AsyncIteratorProtocol {
        private let export: ProjectExport
        private let lines: Export
        private var window: LogSurvey.Window
        private var after: Int64 = 0
        private var hasBegun = false
        private var known = Export.CanonicalIDs()
        private var others: Export.Iterator

        fileprivate init(_ export: ProjectExport) {
            self.export = export
            window = export.survey.firstWindow
            var range = export.range
            range.afterSequence = export.survey.sequence
            lines = Export(
                store: export.store, project: export.project.id, system: export.project.rules.system, range: range,
                asOf: export.survey.sequence)
            others = lines.makeAsyncIterator()
        }

        /// The next lines; nil at the end.
        ///
        /// - Throws: `StoreError`.
        package mutating func next() async throws -> [UInt8]? {
            while after < export.survey.sequence {
                if !window.contains(after + 1) {
                    window = try await LogSurvey.window(
                        from: after + 1, upTo: export.survey.sequence, of: export.project.id, in: export.store,
                        export.range)
                }
                let (from, known, window, export, lines) = (after, known, window, export, lines)
                let page = try await export.store.read {
                    (snapshot: any StoreSnapshot) throws(StoreError) -> Page in
                    try export.page(snapshot, after: from, window, lines, known)
                }
                after = page.last
                self.known.merge(page.found) { $1 }
                if self.known.count > 10_000 { self.known.removeAll() }
                if page.text.isEmpty { continue }
                defer { hasBegun = true }
                return hasBegun || !export.hasHeader ? page.text : export.withHeader(page.text)
            }
            return try await others.next()
        }
    }

    package func makeAsyncIterator() -> Iterator { Iterator(self) }

    private struct Page: Sendable {
        var text: [UInt8] = []
        var last: Int64
        var found = Export.CanonicalIDs()
    }

    /// The first lines, with what says whose log they are and under which rules it began: a member of the first row, or
    /// a line before one of our own.
    private func withHeader(_ lines: [UInt8]) -> [UInt8] {
        let header = LogLine.Header(log: project.logName, sequence: survey.sequence, rules: survey.initialRules)
        guard !LogLine.begins(lines), let end = lines.firstIndex(of: UInt8(ascii: "\n")) else {
            return LogLine.text(of: header, isLine: true) + [UInt8(ascii: "\n")] + lines
        }
        return lines[..<(end - 1)] + Array(",\"\(LogLine.headerMember)\":".utf8)
            + LogLine.text(of: header, isLine: false) + lines[(end - 1)...]
    }

    /// The lines of some entries of the log: at least one entry is passed.
    private func page(
        _ snapshot: any StoreSnapshot, after: Int64, _ window: LogSurvey.Window, _ lines: Export,
        _ known: Export.CanonicalIDs
    ) throws(StoreError) -> Page {
        let deadline = ContinuousClock.now.advanced(by: Self.pageTimeLimit)
        var page = Page(last: survey.sequence)
        var json = JSONBuilder()
        let moment = try Export.Moment(snapshot, of: project.id, asOf: survey.sequence, known)
        let records = try snapshot.logRecords(LogQuery(after: after, limit: Self.pageLimit), in: project.id)
        for record in records where record.sequence <= survey.sequence {
            guard window.contains(record.sequence) else {
                page.last = record.sequence - 1
                break
            }
            page.last = record.sequence
            try write(record, window, lines, moment, &page.found, to: &json)
            if json.bytes.count >= Self.pageSizeLimitBytes || ContinuousClock.now >= deadline { break }
        }
        if records.isEmpty { page.last = survey.sequence }
        page.text = json.takeLines()
        return page
    }

    private func write(
        _ record: LogRecord, _ window: LogSurvey.Window, _ lines: Export, _ moment: Export.Moment,
        _ found: inout Export.CanonicalIDs, to json: inout JSONBuilder
    ) throws(StoreError) {
        switch record {
        case .tombstone: return
        case .amendment: break
        case .entry:
            if let key = window.key(of: record.sequence),
                let event = try moment.snapshot.events(
                    in: project.id, after: key.predecessor, beforeMilliseconds: .max, limit: 1, sizeLimitBytes: 1
                ).first, event.key == key, event.sequence == record.sequence
            {
                _ = try lines.write(event, moment, &found, to: &json)
                return
            }
        }
        guard hasOwnLines else { return }
        LogRecordText.write(record, type: LogLine.entryType, to: &json)
        json.endLine()
    }
}

extension ProjectRecord {
    /// What the log of the project is called in exports, so that an import finds what it took from it before.
    var logName: String {
        var hash = StableHash()
        hash.update(UInt64(bitPattern: createdMilliseconds))
        unsafe Array(token.utf8).withUnsafeBytes { unsafe hash.update($0) }
        let digits = String(hash.finish().low, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
