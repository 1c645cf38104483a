import IdentityEngine
import IdentityStore

/// How far the reading of a page of profiles has come.
struct ProfileProgress: Sendable {
    /// The most profiles and bytes that are asked of the store at once.
    private static let readLimit = 100
    private static let readSizeLimitBytes = 1 << 20
    /// How much one step writes at most, and how long it may read.
    private static let stepSizeLimitBytes = 4 << 20
    private static let stepTimeLimit = Duration.milliseconds(200)

    private let query: ProfileQuery
    /// Whether what matches is counted to the end: for a first page, and where ids are named.
    private let isCounting: Bool
    /// The owner with which the page ends at the earliest, because the session's next page begins there.
    private let bound: DistinctID?
    /// Whether the page is the last of its session.
    private let isLast: Bool

    /// The owner of the last profile read, in a listing.
    private var after: DistinctID?
    /// How many of the named ids were looked up, and the clusters that they came to.
    private var namedCount = 0
    private var seen: Set<DistinctID> = []
    /// How many profiles that match lie before this point.
    private var matched: Int
    private var written = 0
    /// The owner of the page's last profile, once the page is full.
    private var pageEnd: DistinctID?
    private var places = PagePlaces()
    private(set) var isAtEnd = false

    /// The beginning of a page.
    init(_ query: ProfileQuery) {
        self.query = query
        isCounting = query.session == nil || query.ids != nil
        let places = query.ids == nil ? query.session?.places ?? [] : []
        let start = places.last { $0.page <= query.page }
        bound = places.first { $0.page == query.page + 1 }?.after
        isLast = (query.session?.total).map { (query.page + 1) * query.pageSize >= $0 } ?? false
        after = start?.after
        matched = (start?.page ?? 0) * query.pageSize
        if let total = query.session?.total, !isCounting, query.page > (start?.page ?? 0) {
            // Past the end there is nothing to look for.
            isAtEnd = query.page * query.pageSize >= total
        }
    }

    /// The session to answer with, once this is at its end.
    var session: ProfileSession {
        if isCounting {
            return ProfileSession(
                total: matched, places: places.places.filter { $0.page * query.pageSize < matched })
        }
        let total = query.session?.total ?? matched
        guard let pageEnd else { return ProfileSession(total: total, places: query.session?.places ?? []) }
        return ProfileSession(total: total, places: [.init(page: query.page + 1, after: pageEnd)])
    }

    /// Reads on for a while.
    ///
    /// - Parameter snapshot: the state to read.
    /// - Returns: what belongs into the list of results.
    /// - Throws: `StoreError`.
    mutating func step(_ snapshot: any StoreSnapshot) throws(StoreError) -> [UInt8] {
        let deadline = ContinuousClock.now.advanced(by: Self.stepTimeLimit)
        var text: [UInt8] = []
        repeat {
            let profiles = try read(snapshot, until: deadline)
            for profile in profiles where !isAtEnd { take(profile, &text) }
            if namedCount == query.ids?.count { isAtEnd = true }
        } while !isAtEnd && text.count < Self.stepSizeLimitBytes && ContinuousClock.now < deadline
        return text
    }

    /// The next profiles, at least one unless this is the end.
    private mutating func read(
        _ snapshot: any StoreSnapshot, until deadline: ContinuousClock.Instant
    ) throws(StoreError) -> [ClusterProfile] {
        guard let ids = query.ids else {
            let profiles = try snapshot.clusterProfiles(
                in: query.project, after: after, limit: Self.readLimit, sizeLimitBytes: Self.readSizeLimitBytes,
                system: query.system, rule: query.rule)
            if profiles.isEmpty { isAtEnd = true }
            return profiles
        }
        var profiles: [ClusterProfile] = []
        while namedCount < ids.count, profiles.count < Self.readLimit, ContinuousClock.now < deadline {
            let profile = try snapshot.clusterProfile(
                of: ids[namedCount], in: query.project, system: query.system, rule: query.rule)
            namedCount += 1
            if let profile, seen.insert(profile.canonicalID).inserted { profiles.append(profile) }
        }
        return profiles
    }

    private mutating func take(_ profile: ClusterProfile, _ text: inout [UInt8]) {
        after = profile.ownerID
        if let condition = query.condition, !condition.matches(profile.properties, in: profile.properties.indices) {
            return
        }
        matched += 1
        if matched > query.page * query.pageSize, pageEnd == nil {
            write(profile, to: &text)
            written += 1
            if isFull(endingWith: profile.ownerID) { pageEnd = profile.ownerID }
        }
        if isCounting {
            if query.ids == nil, matched % query.pageSize == 0 {
                places.add(.init(page: matched / query.pageSize, after: profile.ownerID))
            }
        } else if pageEnd != nil {
            isAtEnd = true
        }
    }

    /// Whether the page ends here.
    ///
    /// A client may fetch the pages of one session all at once, while profiles come and go. So a page has at least its
    /// size, and reaches the place where the next begins, or the end: then no profile falls between two pages.
    private func isFull(endingWith owner: DistinctID) -> Bool {
        if written >= 2 * query.pageSize { return true }
        guard written >= query.pageSize else { return false }
        if isCounting { return true }
        if let bound { return !(owner < bound) }
        return !isLast
    }

    private func write(_ profile: ClusterProfile, to text: inout [UInt8]) {
        if written > 0 { text.append(UInt8(ascii: ",")) }
        var json = JSONBuilder()
        json.object { json in
            json.field("$distinct_id", profile.canonicalID)
            json.field("$properties", json: selected(profile.properties))
        }
        text += json.bytes
    }

    /// The properties that the query wants.
    private func selected(_ properties: [UInt8]) -> [UInt8] {
        guard let outputs = query.outputs else { return properties }
        var kept: [UInt8] = [UInt8(ascii: "{")]
        MinifiedJSON.forEachMember(of: properties[...]) { key, value in
            guard outputs.contains(Array(key)) else { return }
            if kept.count > 1 { kept.append(UInt8(ascii: ",")) }
            kept += key
            kept.append(UInt8(ascii: ":"))
            kept += value
        }
        kept.append(UInt8(ascii: "}"))
        return kept
    }
}
