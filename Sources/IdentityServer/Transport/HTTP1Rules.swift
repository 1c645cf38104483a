import NIOCore
import NIOHTTP1

/// What HTTP/1 asks of a server about its connections, beyond reading requests and writing answers.
///
/// - A client of HTTP/1.0 that does not ask for `keep-alive` has its connection closed after the answer, and never gets
///   chunks, which it could not read.
/// - A client that waits with its body for `100 Continue` is told at once, unless its body is over the limit.
/// - After an answer with `Connection: close` nothing more is taken from the connection. For that, a request is passed
///   on only when the one before it is answered.
final class HTTP1Rules: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// What came before the last answer was written; no more is read while there is any, so one read bounds it.
    private enum Held {
        case part(HTTPServerRequestPart)
        case event(any Sendable)
        case error(any Error)
    }

    /// The request that is being answered.
    private struct Current {
        var version: HTTPVersion
        var isKeptAlive: Bool
    }

    private let bodySizeLimitBytes: Int
    private let lingering: TimeAmount
    private var current: Current?
    private var held: [Held] = []
    private var wantsRead = false
    /// Whether an answer said that it is the last one.
    private var isClosing = false
    /// Whether the parts that come belong to a request that was not passed on.
    private var isDropping = false

    init(bodySizeLimitBytes: Int, lingering: TimeAmount) {
        self.bodySizeLimitBytes = bodySizeLimitBytes
        self.lingering = lingering
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if !held.isEmpty { held.append(.part(part)) } else { take(part, context) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // The end of what the client sends must not overtake what it sent.
        if !held.isEmpty, let event = event as? ChannelEvent {
            held.append(.event(event))
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if held.isEmpty { context.fireErrorCaught(error) } else { held.append(.error(error)) }
    }

    func read(context: ChannelHandlerContext) {
        if held.isEmpty { context.read() } else { wantsRead = true }
    }

    private func take(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        guard case .head(var head) = part else {
            if !isDropping { context.fireChannelRead(wrapInboundOut(part)) }
            return
        }
        isDropping = isClosing
        if isDropping { return }
        guard current == nil else {
            held.append(.part(part))
            return
        }
        current = Current(version: head.version, isKeptAlive: head.isKeepAlive)
        // Whoever looks at the head sees one spelling of it, whatever the version.
        if !head.isKeepAlive { head.headers.replaceOrAdd(name: "connection", value: "close") }
        if waitsForContinue(head) {
            let told = HTTPResponseHead(version: .http1_1, status: .continue)
            context.writeAndFlush(wrapOutboundOut(.head(told)), promise: nil)
        }
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    /// Passes on what came while the last request was being answered, up to the request after the next.
    private func release(_ context: ChannelHandlerContext) {
        guard !held.isEmpty else { return }
        var waiting = held[...]
        held = []
        while held.isEmpty, let next = waiting.popFirst() {
            switch next {
            case .part(let part): take(part, context)
            case .event(let event): context.fireUserInboundEventTriggered(event)
            case .error(let error): context.fireErrorCaught(error)
            }
        }
        held += waiting
        context.fireChannelReadComplete()
        if held.isEmpty, wantsRead {
            wantsRead = false
            context.read()
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head):
            if let current { settle(&head, current) }
            if head.headers["connection"].contains("close") { isClosing = true }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            current = nil
            if isClosing {
                context.writeAndFlush(data, promise: promise)
                close(context)
            } else {
                context.write(data, promise: promise)
            }
            release(context)
        }
    }

    /// Says in an answer's head what becomes of the connection.
    private func settle(_ head: inout HTTPResponseHead, _ request: Current) {
        if request.version == .http1_0 {
            head.version = .http1_0
            let isMeasured = head.headers.contains(name: "content-length") || !head.status.mayHaveResponseBody
            if request.isKeptAlive, isMeasured, !head.headers.contains(name: "connection") {
                head.headers.add(name: "connection", value: "keep-alive")
                return
            }
        }
        if !request.isKeptAlive || request.version == .http1_0 {
            head.headers.replaceOrAdd(name: "connection", value: "close")
        }
    }

    private func waitsForContinue(_ head: HTTPRequestHead) -> Bool {
        guard head.version != .http1_0, head.headers["expect"].contains(where: { $0.lowercased() == "100-continue" })
        else { return false }
        guard let length = head.headers.first(name: "content-length") else { return true }
        return Int(length).map { $0 <= bodySizeLimitBytes } ?? false
    }

    /// Closes our half, and lets the client see that before its own is closed: with bytes of it unread, the answer
    /// would be lost in a reset.
    private func close(_ context: ChannelHandlerContext) {
        context.close(mode: .output, promise: nil)
        let channel = context.channel
        context.eventLoop.scheduleTask(in: lingering) { channel.close(promise: nil) }
    }
}
