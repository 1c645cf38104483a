/// What browsers of other origins may do (P 4.9): send events and ask for flags, and nothing else.
package struct CORS: Sendable {
    /// Headers for every answer to the request, errors included; none where the path has no CORS or no `Origin` was
    /// sent.
    package let headers: [(name: String, value: String)]
    private let preflightHeaders: [(name: String, value: String)]

    private static let paths: Set<String> = [
        "/track", "/engage", "/groups", "/flags", "/settings", "/record", "/decide",
    ]
    private static let allowedHeaders = [
        "authorization", "content-type", "content-encoding", "traceparent", "x-requested-with",
    ]
    /// The most header names of a request that are granted beyond ours.
    private static let requestedHeaderLimit = 32

    /// The rules for a request.
    ///
    /// - Parameter request: The request.
    package init(_ request: WireRequest) {
        guard let origin = request.origin, Self.applies(to: request.path), Self.isSafeOrigin(origin) else {
            headers = []
            preflightHeaders = []
            return
        }
        headers = [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Expose-Headers", "Retry-After"),
            ("Vary", "Origin"),
        ]
        preflightHeaders = [
            ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
            ("Access-Control-Allow-Headers", Self.granted(request.requestedHeaders ?? "").joined(separator: ", ")),
            ("Access-Control-Max-Age", "86400"),
        ]
    }

    /// The answer to OPTIONS: 204, with CORS headers only where the path has CORS.
    ///
    /// - Returns: The answer, the headers of `headers` included.
    package func preflight() -> WireResponse { WireResponse(status: 204, headers: headers + preflightHeaders) }

    /// Whether a path has CORS.
    ///
    /// - Parameter path: A path, with or without a slash at its end, in which a doubled slash counts as one (P 1.1-3).
    /// - Returns: Whether it has.
    package static func applies(to path: String) -> Bool {
        let parts = path.split(separator: "/")
        guard let first = parts.first, path.hasPrefix("/") else { return false }
        return paths.contains("/" + first) && (parts.count == 1 || first == "flags")
    }

    /// Ours, then those that were asked for.
    private static func granted(_ requested: String) -> [String] {
        var names = allowedHeaders
        for part in requested.split(separator: ",").prefix(requestedHeaderLimit) {
            let name = part.filter { $0 != " " && $0 != "\t" }.lowercased()
            guard !name.isEmpty, name.utf8.allSatisfy(isTokenByte), !names.contains(name) else { continue }
            names.append(name)
        }
        return names
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }

    /// An origin is written back, so it must not be able to end the header.
    private static func isSafeOrigin(_ origin: String) -> Bool {
        !origin.isEmpty && origin.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}
