/// A request's method, as far as the wire tells methods apart.
package enum WireMethod: Sendable {
    case get
    case post
    case put
    case delete
    case options
    case head
    /// Any other: no path accepts it.
    case other
}

/// A request as every transport can give it: the parts that this module reads, and no others.
package struct WireRequest: Sendable {
    package var method: WireMethod
    /// The path, without query and fragment.
    package var path: String
    /// What follows the `?`, without a fragment, as sent.
    package var query: [UInt8]
    package var contentType: String?
    package var contentEncoding: String?
    package var acceptEncoding: String?
    package var authorization: String?
    package var origin: String?
    /// `Access-Control-Request-Method`.
    package var requestedMethod: String?
    /// `Access-Control-Request-Headers`.
    package var requestedHeaders: String?
    package var host: String?
    /// What links to this server begin with, for whoever sent the request: `https://example.com`.
    package var baseURL = ""
    /// `Last-Event-ID`.
    package var lastEventID: String?
    /// The body as sent: not inflated, not decoded.
    package var body: [UInt8]

    /// A request; whatever is not given is absent.
    package init(
        method: WireMethod = .get,
        path: String = "",
        query: [UInt8] = [],
        contentType: String? = nil,
        contentEncoding: String? = nil,
        acceptEncoding: String? = nil,
        authorization: String? = nil,
        origin: String? = nil,
        requestedMethod: String? = nil,
        requestedHeaders: String? = nil,
        host: String? = nil,
        lastEventID: String? = nil,
        body: [UInt8] = []
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.contentType = contentType
        self.contentEncoding = contentEncoding
        self.acceptEncoding = acceptEncoding
        self.authorization = authorization
        self.origin = origin
        self.requestedMethod = requestedMethod
        self.requestedHeaders = requestedHeaders
        self.host = host
        self.lastEventID = lastEventID
        self.body = body
    }
}
