import HTTPTypes
package import Hummingbird
import HummingbirdCore
import IdentityStore
package import Logging
import MixpanelWire

/// The thin layer between Hummingbird and the dispatcher: collects a body within its limits, and writes what is
/// answered.
package struct HTTPAdapter: HTTPResponder {
    package typealias Context = RequestOrigin

    private let dispatcher: Dispatcher
    let budget: BodyBudget
    private let bodySizeLimitBytes: Int
    private let bodyTimeoutSeconds: Int
    private let trustedProxies: TrustedProxies
    private let address: RequestAddress
    /// How long a client may take nothing of an answer that is written while it is read from the store.
    let streamWriteTimeout: Duration
    let date = HTTPDate()
    let logger: Logger

    package init(
        dispatcher: Dispatcher, budget: BodyBudget, bodySizeLimitBytes: Int, bodyTimeoutSeconds: Int,
        streamWriteTimeout: Duration, trustedProxies: TrustedProxies, address: RequestAddress, logger: Logger
    ) {
        self.trustedProxies = trustedProxies
        self.address = address
        self.streamWriteTimeout = streamWriteTimeout
        self.dispatcher = dispatcher
        self.budget = budget
        self.bodySizeLimitBytes = bodySizeLimitBytes
        self.bodyTimeoutSeconds = bodyTimeoutSeconds
        self.logger = logger
    }

    package func respond(to request: Request, context: Context) async throws -> Response {
        var response = try await answer(request, context)
        // A stream of HTTP/2 has no connection of its own to close, and may not bear the header.
        if context.isStream { response.headers[.connection] = nil }
        if logger.logLevel <= .debug { log(request.head, response, context) }
        return response
    }

    /// The only place where the address of a client is used.
    private func log(_ head: HTTPRequest, _ response: Response, _ origin: RequestOrigin) {
        let forwarded = HTTPField.Name("X-Forwarded-For").map { head.headerFields[values: $0] } ?? []
        let client = trustedProxies.client(peer: origin.peer, forwardedFor: forwarded)
        logger.debug(
            "a request was answered",
            metadata: [
                "request.method": "\(head.method.rawValue)",
                "request.path": "\(head.path?.prefix { $0 != "?" } ?? "")",
                "response.status": "\(response.status.code)",
                "client.address": "\(client?.description ?? "unknown")",
            ])
    }

    private func answer(_ request: Request, _ origin: RequestOrigin) async throws -> Response {
        var wire = Self.wireRequest(request.head)
        if let fault = address.fault(in: request.head, isStream: origin.isStream) {
            return response(to: wire, Answer.failure(fault.status, fault.message).endingItsLine())
        }
        wire.baseURL = address.base(of: request.head, from: origin.peer)
        var share = budget.share()
        let bodyUse = dispatcher.bodyUse(wire.path, wire.method)
        if bodyUse != .ignored {
            if isTooLargeToSend(request.head) { return Self.closing(response(to: wire, dispatcher.tooLarge(wire))) }
            switch try await collect(request.body, &share, isKept: bodyUse == .kept) {
            case .whole(let body): wire.body = body
            case .tooLarge:
                return Self.closing(response(to: wire, dispatcher.tooLarge(wire)))
            case .overloaded:
                return Self.closing(response(to: wire, dispatcher.overloaded(wire)))
            case .tooSlow:
                return Self.closing(response(to: wire, dispatcher.tooSlow(wire)))
            }
        }
        switch await dispatcher.answer(wire) {
        case .whole(let answer): return response(to: wire, answer)
        case .stream(let stream): return streamed(stream, isHead: wire.method == .head, origin.channel)
        }
    }

    /// Whether a client waits to be told to send a body that would be refused anyway.
    private func isTooLargeToSend(_ head: HTTPRequest) -> Bool {
        guard head.headerFields[.expect] != nil, let length = head.headerFields[.contentLength] else { return false }
        return Int(length).map { $0 > bodySizeLimitBytes } ?? true
    }

    private enum Collected {
        case whole([UInt8])
        case tooLarge
        case overloaded
        case tooSlow
    }

    /// Reads a body that is still compressed, so that its limit is the same as that of what it inflates to.
    private func collect(
        _ body: RequestBody, _ share: inout BodyBudget.Share, isKept: Bool
    ) async throws -> Collected {
        var bytes: [UInt8] = []
        var sizeBytes = 0
        let deadline = ContinuousClock.now.advanced(by: .seconds(bodyTimeoutSeconds))
        for try await buffer in body {
            // A client that sends a byte now and then would hold its share of memory for ever.
            guard ContinuousClock.now < deadline else { return .tooSlow }
            sizeBytes += buffer.readableBytes
            guard sizeBytes <= bodySizeLimitBytes else { return .tooLarge }
            guard isKept else { continue }
            guard share.grow(by: buffer.readableBytes) else { return .overloaded }
            bytes.append(contentsOf: buffer.readableBytesView)
        }
        return .whole(bytes)
    }

    private static func wireRequest(_ head: HTTPRequest) -> WireRequest {
        let target = (head.path ?? "/").utf8.prefix { $0 != UInt8(ascii: "#") }
        let path = target.prefix { $0 != UInt8(ascii: "?") }
        let fields = head.headerFields
        var request = WireRequest(method: method(head.method), path: String(Substring(path)))
        request.query = Array(target[path.endIndex...].dropFirst())
        request.contentType = fields[.contentType]
        request.contentEncoding = fields[.contentEncoding]
        request.acceptEncoding = fields[.acceptEncoding]
        request.authorization = fields[.authorization]
        request.origin = fields[.origin]
        request.requestedMethod = fields[.accessControlRequestMethod]
        request.requestedHeaders = fields[.accessControlRequestHeaders]
        request.lastEventID = HTTPField.Name.lastEventID.flatMap { fields[$0] }
        request.host = head.authority ?? ""
        return request
    }

    private static func method(_ method: HTTPRequest.Method) -> WireMethod {
        switch method {
        case .get: .get
        case .post: .post
        case .put: .put
        case .delete: .delete
        case .options: .options
        case .head: .head
        default: .other
        }
    }
}

extension HTTPField.Name {
    /// Where an event source says which event it saw last.
    fileprivate static var lastEventID: HTTPField.Name? { HTTPField.Name("Last-Event-ID") }
}
