import ArgumentParser
import IdentityEngine
import IdentityServer
import IdentityStore

extension ImportCommand {
    /// Tells what an import would come to.
    func runDry() async throws {
        let directory = try store.open(for: .reading)
        let project = try await directory.project(project.project)
        let (files, acceptsMissingTime, reservedIDs) = (files, timeNow, try store.configuration().reservedIDs)
        var total: Int64 = 0
        for path in files where path != RecordFile.standardInput { total += try RecordFile(path: path).sizeBytes }
        let totalBytes = total
        // One read of the store for all files, so that all are decided over one state of it.
        let (summary, failure) = try await directory.store.read {
            (snapshot: any StoreSnapshot) throws(StoreError) -> (DryRun.Summary, (any Error)?) in
            var run = try DryRun(
                of: project, on: snapshot, clock: ServerClock(), acceptsMissingTime: acceptsMissingTime,
                reservedIDs: reservedIDs)
            let failure = Self.read(files, totalBytes: totalBytes, into: &run)
            return (try run.summary(), failure)
        }
        try await directory.store.close()
        for line in DryRunText.lines(of: summary) { Console.write(line) }
        if let failure { throw failure }
        if summary.tally.rejected > 0 { throw ExitCode(1) }
    }

    /// Goes through the files up to the first that cannot be read.
    ///
    /// - Returns: what is wrong with that one.
    private static func read(_ files: [String], totalBytes: Int64, into run: inout DryRun) -> (any Error)? {
        let progress = ImportProgress(totalBytes: totalBytes)
        var named = 0
        defer {
            progress.finish()
            if named > namedRejectionLimit { Console.note("and \(named - namedRejectionLimit) more rejected records") }
        }
        do {
            try run.read(
                files, progress: { progress.show($0) },
                rejected: { rejection in
                    named += 1
                    guard named <= namedRejectionLimit else { return }
                    progress.note(rejection.line)
                }, warn: { Console.note($0) })
            return nil
        } catch {
            return error
        }
    }
}

/// What a dry run came to, for people.
private enum DryRunText {
    static func lines(of summary: DryRun.Summary) -> [String] {
        let counts = summary.counts
        let conflicts = counts.conflicts > 0 ? ", conflicts=\(counts.conflicts)" : ""
        var lines = [
            "Dry run at sequence \(summary.sequence): nothing was stored.",
            "\(summary.tally.read) records read, \(summary.tally.rejected) rejected; merged=\(counts.merged), "
                + "unchanged=\(counts.unchanged), refused=\(counts.refused)\(conflicts), plain=\(summary.plain)",
        ]
        if summary.ownLines > 0 {
            lines.append(
                "\(summary.ownLines) lines of an export's log are not looked at: an import makes amendments and "
                    + "changes of rules again, which no dry run does")
        }
        if summary.changeCount > 0 {
            lines += ["", "Clusters that would change: \(summary.changeCount)"]
            lines += summary.changes.map { "  \(shown($0.after)) from \(parts(of: $0))" }
            lines += more(summary.changeCount - summary.changes.count)
        }
        if let largest = summary.largest { lines.append("Largest cluster: \(shown(largest))") }
        if summary.joinCount > 0 {
            lines += ["", "Would be joined though both are identified: \(summary.joinCount)"]
            lines += summary.joins.map { join in
                "  \(join.canonicalIDs.map(shown).joined(separator: " and ")): \(shown(join.place))"
            }
            lines += more(summary.joinCount - summary.joins.count)
        }
        for refusal in summary.refusals {
            let what = refusal.isConflict ? "In conflict" : "Refused, \(refusal.reason.failureReason)"
            lines += ["", "\(what): \(refusal.count)", "  \(refusal.hint)"]
            lines += refusal.places.map { "  \(shown($0))" }
            lines += more(refusal.count - refusal.places.count)
        }
        return lines
    }

    private static func more(_ count: Int) -> [String] { count > 0 ? ["  and \(count) more"] : [] }

    private static func shown(_ summary: Preview.Summary) -> String {
        "\(shown(summary.canonicalID)) (\(summary.size))"
    }

    private static func parts(of change: Preview.Change) -> String {
        let parts = change.before.map { shown($0) }.joined(separator: ", ")
        // Of each change only the first clusters are there.
        let size = change.before.reduce(0) { $0 + $1.size }
        return size < change.after.size ? parts + ", and others" : parts
    }

    private static func shown(_ place: DryRun.Place) -> String {
        let ids = [place.event.primary, place.event.secondary].map(shown).joined(separator: ", ")
        return "\(place.path), record \(place.place.ordinal), \(place.event.verb.name): \(ids)"
    }

    /// An id without what a terminal would obey.
    private static func shown(_ id: DistinctID) -> String {
        String(
            String.UnicodeScalarView(
                id.description.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
    }
}
