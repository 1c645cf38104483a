package import MixpanelWire

/// Our own endpoints, and the options of their queries.
///
/// An option that does not exist is refused there: one that is taken for nothing gives an answer to another question.
/// Mixpanel's paths ignore what they do not know (P 1.2), because SDKs and their users add options of their own.
package enum OwnPaths {
    private static let common = ["project_id", "min_sequence"]

    /// What /import has, so that a request to it can be sent to the preview as it is (P 1.2).
    private static let importing = [
        "strict", "verbose", "data", "ip", "img", "callback", "redirect", "test", "_", "api_key",
        "mp_lib", "$lib_version", "sdk_config",
    ]

    /// By path, and for each of its methods by the method; HEAD has what GET has.
    private static let options: [String: [WireMethod: [String]]] = [
        "/identity/resolve": [.get: ["distinct_id", "as_of"] + common, .post: ["as_of"] + common],
        "/identity/cluster": [.get: ["distinct_id", "after", "limit", "as_of"] + common],
        "/identity/log": [
            .get: ["distinct_id", "outcome", "verb", "after", "before", "latest", "limit"] + common, .post: common,
        ],
        "/identity/explain": [.get: ["from", "to", "after", "limit", "as_of"] + common],
        "/identity/unmerge": [.post: ["preview"] + common],
        "/identity/restore": [.post: ["preview"] + common],
        "/identity/blocks": [.get: ["after", "limit"] + common, .delete: ["distinct_id", "preview"] + common],
        "/identity/mappings": [.get: ["format", "after", "as_of"] + common],
        "/identity/preview": [.post: importing + common],
        "/identity/events": [.get: ["distinct_id", "limit", "before"] + common],
        "/identity/rejections": [.get: ["limit", "reason"] + common],
        "/identity/changes": [.get: ["after", "limit", "follow"] + common],
        "/health": [.get: []], "/health/live": [.get: []], "/health/ready": [.get: []],
        "/openapi.json": [.get: []],
        "/sandbox/reset": [.post: ["project_id"]],
        "/sandbox/clock": [.get: [], .put: []],
    ]

    /// Every path of ours.
    package static var all: [String] { options.keys.sorted() }

    /// Whether a path is ours rather than Mixpanel's.
    ///
    /// - Parameter path: a path whose doubled and last slashes are gone.
    /// - Returns: whether its answers are shaped by nobody but us.
    package static func contains(_ path: String) -> Bool { options[path] != nil }

    /// The options of a request's query; nil where the path is not ours, or does not have the method.
    ///
    /// - Parameters:
    ///   - path: a path whose doubled and last slashes are gone.
    ///   - method: the method.
    /// - Returns: the names.
    package static func options(of path: String, _ method: WireMethod) -> [String]? {
        options[path]?[method == .head ? .get : method]
    }

    /// Refuses an option that a request to a path of ours does not have.
    ///
    /// - Parameters:
    ///   - items: the query.
    ///   - path: a path whose doubled and last slashes are gone.
    ///   - method: the method.
    /// - Throws: `QueryFault` that names the option, the one that is nearest to it, and all there are.
    static func check(_ items: QueryItems, of path: String, _ method: WireMethod) throws(QueryFault) {
        guard let known = options(of: path, method) else { return }
        for name in items.names where !known.contains(where: { name.elementsEqual($0.utf8) }) {
            let text = String(decoding: name.prefix(40), as: UTF8.self)
            let allowed = known.isEmpty ? "it has none" : "allowed are \(known.sorted().joined(separator: ", "))"
            throw .badRequest(
                "\(text) is not an option of \(path)\(Spelling.question(text, among: known)); \(allowed)")
        }
    }
}
