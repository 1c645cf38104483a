import IdentityEngine
import IdentityStore

/// Counts which properties a project's profiles or events have: of all where they are few, of a sample otherwise.
struct PropertySurvey {
    /// How many are read one after another before what is left is only sampled, and the most of one read.
    private static let countedLimit = 20_000
    private static let pageLimit = 500
    private static let pageSizeLimitBytes = 4 << 20
    /// How far back the events of a sample go, by powers of two of a minute; the last is over 500 years.
    private static let sampleReach = 28

    let store: any Store
    let project: ProjectID
    let system: IdentitySystem
    let rule: ProfileMergeRule

    /// Counts the properties of profiles: of a sample, of those that come first by their ids.
    ///
    /// - Returns: what was counted.
    /// - Throws: `StoreError`.
    func profiles() async throws -> PropertyCounts {
        var counts = PropertyCounts()
        var after: DistinctID?
        while counts.readCount < Self.countedLimit {
            let from = after
            let page = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> [ClusterProfile] in
                try snapshot.clusterProfiles(
                    in: project, after: from, limit: Self.pageLimit, sizeLimitBytes: Self.pageSizeLimitBytes,
                    system: system, rule: rule)
            }
            guard let last = page.last else { return counts }
            after = last.ownerID
            for profile in page { counts.add(profile.properties[...]) }
        }
        counts.isSample = true
        return counts
    }

    /// Counts the properties of events as the export writes them: of a sample, of the first, and of some after moments
    /// that lie ever further back, so that new names are among them.
    ///
    /// - Parameters:
    ///   - names: the names of the events; nil for all.
    ///   - nowMilliseconds: the time by the server's clock.
    /// - Returns: what was counted.
    /// - Throws: `StoreError`.
    func events(named names: Set<[UInt8]>?, nowMilliseconds: Int64) async throws -> PropertyCounts {
        var counts = PropertyCounts()
        var after = EventKey.before(.min + 1)
        while counts.readCount < Self.countedLimit {
            guard let last = try await addEvents(after: after, before: .max, names, to: &counts) else { return counts }
            after = last
        }
        counts.isSample = true
        let first = after.timeMilliseconds
        var end = Int64.max
        for power in 0..<Self.sampleReach {
            let start = nowMilliseconds - 60_000 << Int64(power)
            guard start > first else { break }
            _ = try await addEvents(after: .before(start), before: end, names, to: &counts)
            end = start
        }
        return counts
    }

    /// Reads a page of events.
    ///
    /// - Returns: the key of the last; nil where there was none.
    private func addEvents(
        after: EventKey, before: Int64, _ names: Set<[UInt8]>?, to counts: inout PropertyCounts
    ) async throws -> EventKey? {
        let counted = counts
        let (found, last) = try await store.read {
            (snapshot: any StoreSnapshot) throws(StoreError) -> (PropertyCounts, EventKey?) in
            var counts = counted
            let events = try snapshot.events(
                in: project, after: after, beforeMilliseconds: before, limit: Self.pageLimit,
                sizeLimitBytes: Self.pageSizeLimitBytes)
            var canonicalIDs: [[UInt8]: [UInt8]] = [:]
            for event in events {
                guard names?.contains(event.name) ?? true else {
                    counts.pass()
                    continue
                }
                var canonical = event.filedID
                if !canonical.isEmpty, system != .legacy {
                    if let known = canonicalIDs[canonical] {
                        canonical = known
                    } else {
                        canonical = try snapshot.identity(of: project).canonicalID(of: DistinctID(canonical)).bytes
                        canonicalIDs[event.filedID] = canonical
                    }
                }
                let entry = event.sequence == 0 ? nil : try snapshot.logEntry(event.sequence, in: project)
                var json = JSONBuilder()
                let range = EventText(event: event, canonicalID: canonical, entry: entry).write(to: &json)
                counts.add(json.bytes[range])
            }
            return (counts, events.last?.key)
        }
        counts = found
        return last
    }
}
