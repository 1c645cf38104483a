import MixpanelWire
import NIOCore
import NIOHTTP1

/// What HTTP/1 asks of a server about its connections, beyond reading requests and writing answers.
///
/// - A client of HTTP/1.0 that does not ask for `keep-alive` has its connection closed after the answer, and never gets
///   chunks, which it could not read.
/// - A client that waits with its body for `100 Continue` is told at once, unless its body is over the limit.
/// - After an answer with `Connection: close` nothing more is taken from the connection. For that, a request is passed
///   on only when the one before it is answered.
/// - What is no request is answered here, with what is wrong, and the connection is closed.
/// - When the server ends, each answer says `Connection: close`, and a connection without a request is left open for a
///   while: one may be on its way.
final class HTTP1Rules: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// How long and how much.
    struct Limits: Sendable {
        /// A client that announces a larger body is not told to go on.
        let bodySizeBytes: Int
        /// What a request line may have, and all header lines together.
        let headSizeBytes: Int
        /// How long a connection that is being closed may go on sending a body.
        let lingering: TimeAmount
        /// How long a connection without a request stays open when the server ends.
        let draining: TimeAmount
    }

    /// How a body ends that is being read.
    enum Body {
        /// A head is being read.
        case none
        case counted(remaining: Int)
        case chunked
    }

    /// What came before the last answer was written; `RequestGate` passes nothing on while there is any.
    private enum Held {
        case part(HTTPServerRequestPart)
        case event(any Sendable)
        case error(any Error)
        case refusal(WireResponse)
    }

    /// The request that is being answered.
    private struct Current {
        var version: HTTPVersion
        var isKeptAlive: Bool
        var isRead = false
        var isAnswered = false
    }

    /// How long a client has to take the last answer where it has sent all that it announced.
    private static let farewell = TimeAmount.seconds(2)

    private let limits: Limits
    private let connections: OpenConnections
    private var current: Current?
    private var held: [Held] = []
    private var wantsRead = false
    /// Whether the parts that come belong to a request that was not passed on.
    private var isDropping = false
    /// Whether what is written on is dropped, because the request was answered here.
    private var isMuted = false
    private var context: ChannelHandlerContext?
    /// What a long head has of the budget, until its request is answered.
    private var longHead: BodyBudget.Share?

    /// Whether an answer said that it is the last one.
    private(set) var isClosing = false
    private(set) var body = Body.none
    /// Lets the gate pass on what it has.
    var resume: (() -> Void)?

    init(limits: Limits, connections: OpenConnections) {
        self.limits = limits
        self.connections = connections
    }

    /// Whether more may be passed on to the parser.
    var isReady: Bool { held.isEmpty }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if connections.isDraining { drain(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        longHead = nil
        resume = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        follow(part)
        if !held.isEmpty { held.append(.part(part)) } else { take(part, context) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent { return drain(context) }
        // The end of what the client sends must not overtake what it sent.
        if !held.isEmpty, let event = event as? ChannelEvent {
            held.append(.event(event))
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let fault = error as? HTTPParserError else {
            if held.isEmpty { context.fireErrorCaught(error) } else { held.append(.error(error)) }
            return
        }
        refuse(MalformedRequest.answer(to: fault), error: fault, context)
    }

    func read(context: ChannelHandlerContext) {
        if held.isEmpty { context.read() } else { wantsRead = true }
    }

    /// Answers a request whose head is too long.
    func refuse(_ excess: HeadReader.Excess) {
        guard let context else { return }
        refuse(MalformedRequest.answer(to: excess, limitBytes: limits.headSizeBytes), error: nil, context)
    }

    /// Makes room for a long head, or refuses its request.
    ///
    /// - Parameters:
    ///   - budget: what bodies and long heads may take together.
    ///   - sizeBytes: what this head may take.
    /// - Returns: whether there is room.
    func takeLongHead(_ budget: BodyBudget, sizeBytes: Int) -> Bool {
        if longHead != nil { return true }
        var share = budget.share()
        guard share.grow(by: sizeBytes) else {
            if let context { refuse(Answer.tooMany(retryAfterSeconds: 1), error: nil, context) }
            return false
        }
        longHead = consume share
        return true
    }

    /// Keeps in mind how the body ends that comes now.
    private func follow(_ part: HTTPServerRequestPart) {
        switch part {
        case .head(let head):
            if head.headers.contains(name: "transfer-encoding") {
                body = .chunked
            } else if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }), length > 0 {
                body = .counted(remaining: length)
            } else {
                body = .none
            }
        case .body(let bytes):
            if case .counted(let remaining) = body {
                body = .counted(remaining: max(1, remaining - bytes.readableBytes))
            }
        case .end: body = .none
        }
    }

    private func take(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        guard case .head(var head) = part else {
            if case .end = part, !isDropping { current?.isRead = true }
            if !isDropping { context.fireChannelRead(wrapInboundOut(part)) }
            return
        }
        isDropping = isClosing
        if isDropping { return }
        guard current == nil else {
            held.append(.part(part))
            return
        }
        if let fault = RequestHead.fault(in: head) {
            isDropping = true
            return refuse(Answer.failure(400, fault), error: nil, context)
        }
        // Nothing is upgraded to here, and the parser takes what follows for another protocol.
        let isKeptAlive = head.isKeepAlive && head.method != .CONNECT && !head.headers.contains(name: "upgrade")
        current = Current(version: head.version, isKeptAlive: isKeptAlive)
        connections.setBusy(context.channel, true)
        // Whoever looks at the head sees one spelling of it, whatever the version.
        if !isKeptAlive { head.headers.replaceOrAdd(name: "connection", value: "close") }
        if waitsForContinue(head) {
            let told = HTTPResponseHead(version: .http1_1, status: .continue)
            context.writeAndFlush(wrapOutboundOut(.head(told)), promise: nil)
        }
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    /// Passes on what came while the last request was being answered, up to the request after the next.
    private func release(_ context: ChannelHandlerContext) {
        var waiting = held[...]
        held = []
        while held.isEmpty, let next = waiting.popFirst() {
            switch next {
            case .part(let part): take(part, context)
            case .event(let event): context.fireUserInboundEventTriggered(event)
            case .error(let error): context.fireErrorCaught(error)
            case .refusal(let answer): refuse(answer, error: nil, context)
            }
        }
        held += waiting
        if held.isEmpty { resume?() }
        // What was passed on is looked at only then.
        context.fireChannelReadComplete()
        if held.isEmpty, wantsRead {
            wantsRead = false
            context.read()
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if isMuted {
            promise?.succeed()
            return
        }
        switch unwrapOutboundIn(data) {
        case .head(var head):
            if let current { settle(&head, current) }
            if head.headers["connection"].contains("close") { isClosing = true }
            current?.isAnswered = true
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            let isRead = current?.isRead ?? true
            current = nil
            longHead = nil
            connections.setBusy(context.channel, false)
            if isClosing {
                context.writeAndFlush(data, promise: promise)
                close(context, isRead: isRead)
            } else {
                context.write(data, promise: promise)
            }
            release(context)
        }
    }

    /// Says in an answer's head what becomes of the connection.
    private func settle(_ head: inout HTTPResponseHead, _ request: Current) {
        let isLast = !request.isKeptAlive || connections.isDraining
        if request.version == .http1_0 {
            head.version = .http1_0
            let isMeasured = head.headers.contains(name: "content-length") || !head.status.mayHaveResponseBody
            if !isLast, isMeasured, !head.headers.contains(name: "connection") {
                head.headers.add(name: "connection", value: "keep-alive")
                return
            }
        }
        if isLast || request.version == .http1_0 {
            head.headers.replaceOrAdd(name: "connection", value: "close")
        }
    }

    private func waitsForContinue(_ head: HTTPRequestHead) -> Bool {
        guard head.version != .http1_0, head.headers["expect"].contains(where: { $0.lowercased() == "100-continue" })
        else { return false }
        guard let length = head.headers.first(name: "content-length") else { return true }
        return Int(length).map { $0 <= limits.bodySizeBytes } ?? false
    }

    /// Answers what is no request, or no longer one, and closes the connection.
    ///
    /// Who reads the request gets to know `error`.
    private func refuse(_ answer: WireResponse, error: (any Error)?, _ context: ChannelHandlerContext) {
        guard held.isEmpty, current == nil || current?.isRead == false else {
            held.append(.refusal(answer))
            return
        }
        if isClosing { return }
        longHead = nil
        let isBegun = current?.isAnswered == true
        isClosing = true
        isMuted = true
        if !isBegun { write(answer, context) }
        current = nil
        connections.setBusy(context.channel, false)
        close(context, isRead: false)
        if let error { context.fireErrorCaught(error) }
    }

    private func write(_ refusal: WireResponse, _ context: ChannelHandlerContext) {
        let answer = refusal.endingItsLine()
        var head = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: answer.status))
        head.headers.add(name: "content-type", value: answer.contentType ?? "text/plain")
        head.headers.add(name: "content-length", value: String(answer.body.count))
        head.headers.add(name: "connection", value: "close")
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answer.body)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    /// Closes our half, and lets the client see that before its own is closed: with bytes of it unread, the answer
    /// would be lost in a reset.
    private func close(_ context: ChannelHandlerContext, isRead: Bool) {
        context.close(mode: .output, promise: nil)
        let channel = context.channel
        context.eventLoop.scheduleTask(in: isRead ? Self.farewell : limits.lingering) { channel.close(promise: nil) }
    }

    /// Closes the connection in a while, unless there is a request on it by then.
    private func drain(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound((rules: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: limits.draining) {
            let (rules, context) = bound.value
            if rules.current == nil, !rules.isClosing { context.close(promise: nil) }
        }
    }
}
