import IdentityEngine
import IdentityStore
import MixpanelWire

/// Answers what data connectors ask before they read: which cohorts, funnels and annotations there are, which is none,
/// and which properties profiles and events have (P 10-8).
struct ConnectorQueries: Sendable {
    /// The most names of one answer, and their number where the query does not say.
    private static let limitRange: ClosedRange<Int64> = 1...10_000

    let store: any Store
    let clock: ServerClock
    let profileRule: ProfileMergeRule
    let places: StreamPlaces

    /// The answer to a request.
    ///
    /// - Throws: `QueryFault`, or `StoreError`.
    func answer(_ query: QueryRequest, _ route: ConnectorRoute) async throws -> WireResponse {
        switch route {
        case .emptyList: return Answer.json(Array("[]".utf8))
        case .annotations(nil): return Answer.json(Array(#"{"annotations":[],"status":"ok"}"#.utf8))
        case .annotations: return Answer.json(Array(#"{"results":[],"status":"ok"}"#.utf8))
        case .profileProperties, .eventProperties: break
        }
        let limit = Int(try query.number("limit", default: Self.limitRange.upperBound, in: Self.limitRange))
        let survey = PropertySurvey(
            store: store, project: query.project, system: query.access.project.rules.system, rule: profileRule)
        guard let place = places.take() else { throw QueryFault.tooManyStreams }
        defer { withExtendedLifetime(place) {} }
        let isOfProfiles = route == .profileProperties
        let found =
            isOfProfiles
            ? try await survey.profiles()
            : try await survey.events(named: try Self.names(query), nowMilliseconds: clock.nowMilliseconds)
        var answer = Answer.json(isOfProfiles ? found.typesJSON(limit) : found.countsJSON(limit))
        if found.isSample { answer.headers.append(("X-Selfsame-Sampled", String(found.readCount))) }
        return answer
    }

    /// The names that `event` asks for, one as it is or several as a JSON array; nil for all.
    private static func names(_ query: QueryRequest) throws(QueryFault) -> Set<[UInt8]>? {
        guard let event = query.first("event").map(LooseUTF8.joined), !event.isEmpty else { return nil }
        guard event.first == UInt8(ascii: "[") else { return [event] }
        return Set((try query.strings("event", of: "event names") ?? []).map { Array($0.utf8) })
    }
}

extension QueryFault {
    static let tooManyStreams = QueryFault(
        status: 429, message: "too many exports, mappings and profiles are being written; try again in a moment",
        retryAfterSeconds: 5)
}
