import IdentityEngine
package import Logging
import MixpanelWire
import Synchronization

/// What was rejected, by project: SDKs drop such records without a word, so nobody else can tell (P 10-11).
///
/// It lives in memory and is this process's own. What names no project of this server is in a list of the operator's.
package final class RejectionLog: Sendable {
    /// What the lists of all projects take at most, in bytes.
    static let sizeLimitBytes = 64 << 20
    /// The most counts that one warning names.
    private static let namedLimit = 5

    /// What was rejected since the last warning.
    fileprivate struct Untold {
        var counts: [Count: Int] = [:]
        var example: String?
        var lastWarning: ContinuousClock.Instant?
    }

    fileprivate struct Count: Hashable {
        let project: ProjectID?
        let reason: RejectionReason
    }

    fileprivate struct State {
        var lists: [ProjectID: RejectionList] = [:]
        var operatorList = RejectionList()
        var sizeBytes = 0
        var sinceMilliseconds: Int64
        var untold = Untold()
    }

    private let clock: ServerClock
    private let logger: Logger
    private let state: Mutex<State>

    package init(clock: ServerClock, logger: Logger) {
        self.clock = clock
        self.logger = logger
        state = Mutex(State(sinceMilliseconds: clock.nowMilliseconds))
    }

    /// What became of one request.
    struct Request {
        let endpoint: EventBatch.Endpoint
        let result: DecodeResult
        /// The projects that its other records belong to.
        let projects: Set<ProjectID>
        /// The beginning of what it carried, for a request that cannot be read.
        let payload: [UInt8]
    }

    /// Notes what was rejected of a request, and warns where that is due.
    ///
    /// A record that names no project is the request's, where all others are of one.
    ///
    /// - Parameters:
    ///   - request: the request.
    ///   - isKept: whether records of a project may be kept here.
    func note(_ request: Request, isKept: (ProjectID) -> Bool) {
        let now = clock.nowMilliseconds
        var noted: [(project: ProjectID?, record: RejectedRecord)] = []
        let named = request.projects.union(request.result.rejections.compactMap(\.project))
        let only = named.count == 1 ? named.first : nil
        if let record = Self.whole(request, now) { noted.append((only, record)) }
        for rejection in request.result.rejections {
            // Whoever sent an unknown token may have sent a secret of somewhere else.
            let isStrange = rejection.reason == .tokenUnknown
            let excerpt = RecordExcerpt(
                isStrange ? [] : rejection.record, isWhole: rejection.recordBytes <= rejection.record.count)
            let record = RejectedRecord(
                milliseconds: now, endpoint: request.endpoint, reason: rejection.reason, index: rejection.index,
                field: String(rejection.field.prefix(300)), message: String(rejection.message.prefix(500)),
                excerpt: excerpt, recordBytes: rejection.recordBytes)
            noted.append((isStrange ? nil : rejection.project ?? only, record))
        }
        noted.removeAll { noted in noted.project.map { !isKept($0) } ?? false }
        guard !noted.isEmpty else { return }
        state.withLock { state in
            for (project, record) in noted {
                state.change(project) { $0.append(record) }
                state.untold.counts[Count(project: project, reason: record.reason), default: 0] += 1
                if state.untold.example == nil { state.untold.example = Self.example(record) }
            }
            while state.sizeBytes > Self.sizeLimitBytes, state.removeOldest() {}
        }
        warn()
    }

    /// The rejection of a request as a whole; nil where its records were read, or there is nothing in it.
    private static func whole(_ request: Request, _ now: Int64) -> RejectedRecord? {
        let reason: RejectionReason
        switch request.result.failure {
        case .unreadable?: reason = .requestUnreadable
        case .tooManyRecords?: reason = .tooManyRecords
        case .empty?, .tooLarge?, nil: return nil
        }
        let limit = EventRejection.excerptBytes
        return RejectedRecord(
            milliseconds: now, endpoint: request.endpoint, reason: reason, index: nil, field: "",
            message: Answer.plainError(of: request.result) ?? "",
            excerpt: RecordExcerpt(
                reason == .requestUnreadable ? Array(request.payload.prefix(limit)) : [],
                isWhole: request.payload.count <= limit),
            recordBytes: request.payload.count)
    }

    /// Counts records that were left out because they are stored already.
    func noteLeftOut(_ counts: [ProjectID: Int]) {
        state.withLock { state in
            for (project, count) in counts { state.change(project) { $0.leftOut += count } }
        }
    }

    /// A project's list, or the operator's, and since when it counts.
    func list(of project: ProjectID?) -> (list: RejectionList, sinceMilliseconds: Int64) {
        state.withLock { state in
            let list = project.map { state.lists[$0] ?? RejectionList() } ?? state.operatorList
            return (list, state.sinceMilliseconds)
        }
    }

    /// Whether a deletion of a project's ids has anything to look through.
    func mayName(idsOf project: ProjectID) -> Bool {
        state.withLock { $0.operatorList.sizeBytes > 0 || ($0.lists[project]?.sizeBytes ?? 0) > 0 }
    }

    /// Forgets what names deleted ids of a project.
    func remove(naming ids: Set<DistinctID>, of project: ProjectID) {
        state.withLock { state in
            state.change(project) { $0.remove(naming: ids) }
            state.change(nil) { $0.remove(naming: ids) }
        }
    }

    /// Forgets a project's list with its counts, or everything.
    func forget(_ project: ProjectID?) {
        state.withLock { state in
            if let project {
                state.change(project) { $0 = RejectionList() }
            } else {
                state = State(sinceMilliseconds: clock.nowMilliseconds, untold: state.untold)
            }
        }
    }

    /// Warns of what was rejected since the last warning, where that is a minute old.
    ///
    /// - Parameter isLast: whether to do so at once: nothing more will be rejected.
    func warn(isLast: Bool = false) {
        let now = ContinuousClock.now
        let due = state.withLock { state -> Untold? in
            guard !state.untold.counts.isEmpty else { return nil }
            if !isLast, let last = state.untold.lastWarning, last.duration(to: now) < .seconds(60) { return nil }
            defer { state.untold = Untold(lastWarning: now) }
            return state.untold
        }
        guard let due else { return }
        let most = due.counts.sorted {
            ($0.value, $1.key.reason.rawValue) > ($1.value, $0.key.reason.rawValue)
        }
        let named = most.prefix(Self.namedLimit).map { count, records in
            "\(count.project.map { "project \($0)" } ?? "no project"), \(count.reason.rawValue): \(records)"
        }
        logger.warning(
            "records were rejected; GET /identity/rejections shows them",
            metadata: [
                "records": "\(due.counts.values.reduce(0, +))", "reasons": "\(named.joined(separator: "; "))",
                "example": "\(due.example ?? "")",
            ])
    }

    /// A rejection without anything that a client chose: the names of properties may be ids.
    private static func example(_ record: RejectedRecord) -> String {
        let place = record.index.map { ", record \($0)" } ?? ""
        return "\(record.endpoint.path)\(place): \(record.reason.hasOwnWords ? record.message : record.reason.rawValue)"
    }
}

extension RejectionLog.State {
    /// Changes a list, and keeps count of what all of them take.
    fileprivate mutating func change(_ project: ProjectID?, _ body: (inout RejectionList) -> Void) {
        guard let project else {
            sizeBytes -= operatorList.sizeBytes
            body(&operatorList)
            sizeBytes += operatorList.sizeBytes
            return
        }
        var list = lists.removeValue(forKey: project) ?? RejectionList()
        sizeBytes -= list.sizeBytes
        body(&list)
        sizeBytes += list.sizeBytes
        if !list.isEmpty { lists[project] = list }
    }

    /// Makes room in the longest list.
    ///
    /// - Returns: false where there is nothing left.
    fileprivate mutating func removeOldest() -> Bool {
        guard let longest = lists.max(by: { $0.value.sizeBytes < $1.value.sizeBytes }), longest.value.sizeBytes > 0
        else { return false }
        change(longest.key) { $0.removeOldest() }
        return true
    }
}
