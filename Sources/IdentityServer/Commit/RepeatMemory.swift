package import IdentityEngine

/// What is stored of requests that had invalid records, so that their repeats are not stored (P 4.1-1b).
///
/// It lives in memory and is this process's own: a request that comes again after a restart is stored once more. Where
/// several processes write one store, it belongs into that store's transactions; everything that it is asked and told
/// is in `EventBatch.repeatMarks`.
package struct RepeatMemory: Sendable {
    /// How much is remembered, and for how long.
    package struct Limits: Sendable {
        /// Records of one project.
        package var records = 100_000
        /// Invalid records that those of one project are kept by.
        package var invalid = 400_000
        /// Bytes of all projects.
        package var sizeBytes: Int
        package var milliseconds: Int64 = 24 * 60 * 60 * 1000

        package init(sizeBytes: Int) { self.sizeBytes = sizeBytes }
    }

    private let limits: Limits
    private var projects: [ProjectID: ProjectRepeats] = [:]
    private var order: UInt64 = 0
    private var lastSweepMilliseconds: Int64?
    /// About how much memory it takes, in bytes.
    package private(set) var sizeBytes = 0

    /// A memory of nothing.
    package init(_ limits: Limits) { self.limits = limits }

    /// How many records of a project are remembered; one that stood beside different invalid records counts often.
    package func count(of project: ProjectID) -> Int { projects[project]?.count ?? 0 }

    /// How many of a request's records are stored already beside one of its invalid ones.
    ///
    /// - Parameters:
    ///   - counts: the request's records by project and hash.
    ///   - invalid: the request's invalid records, ascending.
    ///   - nowMilliseconds: the time.
    /// - Returns: the records that are stored, and how many of each, by project.
    package func stored(
        of counts: [ProjectID: [RecordHash: Int]], beside invalid: [RecordHash], nowMilliseconds: Int64
    ) -> [ProjectID: [RecordHash: Int]] {
        var found: [ProjectID: [RecordHash: Int]] = [:]
        for (project, counts) in counts {
            let stored = projects[project]?.stored(
                of: counts, beside: invalid, after: nowMilliseconds - limits.milliseconds)
            if let stored, !stored.isEmpty { found[project] = stored }
        }
        return found
    }

    /// Remembers what is stored of a request, and forgets what is old or too much.
    package mutating func note(
        _ counts: [ProjectID: [RecordHash: Int]], beside invalid: [RecordHash], nowMilliseconds: Int64
    ) {
        let limits = limits
        for (project, counts) in counts {
            change(project) { repeats, order in
                repeats.note(counts, beside: invalid, atMilliseconds: nowMilliseconds, order: &order)
                while repeats.count > limits.records || repeats.invalidCount > limits.invalid { repeats.removeOldest() }
            }
        }
        sweep(nowMilliseconds)
        while sizeBytes > limits.sizeBytes, !projects.isEmpty { removeOldest() }
    }

    /// Forgets what is known of a project, or of all.
    package mutating func forget(_ project: ProjectID? = nil) {
        guard let project else {
            projects = [:]
            sizeBytes = 0
            return
        }
        sizeBytes -= projects.removeValue(forKey: project)?.sizeBytes ?? 0
    }

    private mutating func change(_ project: ProjectID, _ body: (inout ProjectRepeats, inout UInt64) -> Void) {
        var repeats = projects.removeValue(forKey: project) ?? ProjectRepeats()
        let before = repeats.sizeBytes
        body(&repeats, &order)
        sizeBytes += repeats.sizeBytes - before
        if repeats.count > 0 { projects[project] = repeats }
    }

    /// Forgets what came last too long ago, a minute late at most.
    private mutating func sweep(_ nowMilliseconds: Int64) {
        if let lastSweep = lastSweepMilliseconds, (0..<60_000).contains(nowMilliseconds - lastSweep) { return }
        lastSweepMilliseconds = nowMilliseconds
        let last = nowMilliseconds - limits.milliseconds
        let expired = projects.filter { ($0.value.oldestMilliseconds ?? .max) <= last }.map(\.key)
        for project in expired {
            change(project) { repeats, _ in
                while let oldest = repeats.oldestMilliseconds, oldest <= last { repeats.removeOldest() }
            }
        }
    }

    /// Forgets the oldest notes of the project that has the oldest one, up to the oldest one of another.
    private mutating func removeOldest() {
        var oldest: (project: ProjectID, order: UInt64)?
        var second = UInt64.max
        for (project, repeats) in projects {
            guard let order = repeats.oldestOrder else { continue }
            if order < oldest?.order ?? .max {
                second = oldest?.order ?? .max
                oldest = (project, order)
            } else {
                second = min(second, order)
            }
        }
        guard let oldest else { return }
        let (excess, end) = (sizeBytes - limits.sizeBytes, second)
        change(oldest.project) { repeats, _ in
            let before = repeats.sizeBytes
            while let order = repeats.oldestOrder, order < end, before - repeats.sizeBytes < excess {
                repeats.removeOldest()
            }
        }
    }
}
