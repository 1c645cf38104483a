import HummingbirdCore
import Logging
import NIOCore
import NIOSSL
import NIOTLS

/// A connection over TLS, on which HTTP/2 or HTTP/1 is spoken, as the client chose in the handshake.
struct TLSChannel: ServerChildChannel {
    /// What was agreed on.
    enum Agreed: Sendable {
        case http1(HTTP1Connections.Value)
        case http2(HTTP2Connections.Value)
    }

    /// A connection whose handshake may not have ended.
    struct Value: ServerChildChannelValue {
        let agreed: EventLoopFuture<Agreed>
        let channel: any Channel
    }

    private let identity: TLSIdentity
    private let http1: HTTP1Connections
    private let http2: HTTP2Connections
    private let idling: TimeAmount
    private let draining: TimeAmount
    private let connections: OpenConnections

    /// - Parameters:
    ///   - identity: the certificate.
    ///   - http1: what serves HTTP/1.
    ///   - http2: what serves HTTP/2.
    ///   - idling: how long a handshake may take.
    ///   - draining: how long a handshake may take when the server ends.
    ///   - connections: says when the server ends.
    init(
        identity: TLSIdentity, http1: HTTP1Connections, http2: HTTP2Connections, idling: TimeAmount,
        draining: TimeAmount, connections: OpenConnections
    ) {
        self.identity = identity
        self.http1 = http1
        self.http2 = http2
        self.idling = idling
        self.draining = draining
        self.connections = connections
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(IdleStateHandler(allTimeout: idling + TLSLimits.silence))
            try pipeline.addHandler(NIOSSLServerHandler(context: identity.context))
            try pipeline.addHandler(TLSLimits(handshakeTimeout: idling, draining: draining))
            let negotiation = NIOTypedApplicationProtocolNegotiationHandler<Agreed> { result in
                switch result {
                case .negotiated("h2"):
                    http2.setup(channel: channel, logger: logger).map { value in
                        // The handshake may have ended after the event that tells of the end.
                        if connections.isDraining {
                            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
                        }
                        return .http2(value)
                    }
                case .negotiated, .fallback: http1.setup(channel: channel, logger: logger).map { .http1($0) }
                }
            }
            try pipeline.addHandler(negotiation)
            return Value(agreed: negotiation.protocolNegotiationResult, channel: channel)
        }
    }

    func handle(value: Value, logger: Logger) async {
        do {
            switch try await value.agreed.get() {
            case .http1(let connection): await http1.handle(value: connection, logger: logger)
            case .http2(let connection): await http2.handle(value: connection, logger: logger)
            }
        } catch {
            logger.debug("a TLS handshake failed", metadata: ["error": "\(error)"])
        }
    }
}

/// Closes connections whose handshake does not end, and those on which nothing moves at all.
///
/// What is spoken on a connection has limits of its own; HTTP/2 leaves open those whose client has vanished.
final class TLSLimits: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    /// What a connection may be silent for beyond the idle timeout: longer than any answer takes to begin.
    static let silence = TimeAmount.seconds(120)

    private let handshakeTimeout: TimeAmount
    private let draining: TimeAmount
    private var deadline: Scheduled<Void>?
    private var isHandshakeDone = false

    init(handshakeTimeout: TimeAmount, draining: TimeAmount) {
        self.handshakeTimeout = handshakeTimeout
        self.draining = draining
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: handshakeTimeout) { channel.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { deadline?.cancel() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case TLSUserEvent.handshakeCompleted(_):
            isHandshakeDone = true
            deadline?.cancel()
        case is IdleStateHandler.IdleStateEvent: context.close(promise: nil)
        case is ChannelShouldQuiesceEvent where !isHandshakeDone:
            deadline?.cancel()
            let channel = context.channel
            deadline = context.eventLoop.scheduleTask(in: draining) { channel.close(promise: nil) }
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Nobody beyond would close a connection whose handshake went wrong.
        if !isHandshakeDone { context.close(promise: nil) }
        context.fireErrorCaught(error)
    }
}
