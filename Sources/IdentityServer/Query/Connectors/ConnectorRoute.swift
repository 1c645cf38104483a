/// An endpoint of Mixpanel's query API that data connectors ask beside events and profiles (P 10-8).
enum ConnectorRoute: Hashable, Sendable {
    /// Cohorts or funnels: of both there are none.
    case emptyList
    /// Annotations, of which there are none; a project may stand in the path.
    case annotations(projectID: String?)
    case profileProperties
    case eventProperties

    /// The endpoint of a path without doubled slashes and without one at its end; nil where there is none.
    init?(path: String) {
        switch path {
        case "/api/2.0/cohorts/list", "/api/query/cohorts/list": self = .emptyList
        case "/api/2.0/funnels/list", "/api/query/funnels/list": self = .emptyList
        case "/api/2.0/annotations", "/api/query/annotations": self = .annotations(projectID: nil)
        case "/api/2.0/engage/properties", "/api/query/engage/properties": self = .profileProperties
        case "/api/2.0/events/properties/top", "/api/query/events/properties/top": self = .eventProperties
        default:
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 6, parts[1] == "api", parts[2] == "app", parts[3] == "projects",
                parts[5] == "annotations"
            else { return nil }
            self = .annotations(projectID: String(parts[4]))
        }
    }

    /// The project that the path names; nil where it names none.
    var projectID: String? {
        if case .annotations(let projectID) = self { projectID } else { nil }
    }
}
