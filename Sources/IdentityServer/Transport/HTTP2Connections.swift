import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2

/// HTTP/2: a stream of a connection is served as a connection of HTTP/1 with one request.
struct HTTP2Connections: ServerChildChannel {
    typealias Stream = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    /// A connection, with the streams that its client opens.
    struct Value: ServerChildChannelValue {
        let streams: NIOHTTP2Handler.AsyncStreamMultiplexer<Stream>
        let channel: any Channel
    }

    /// How long and how much.
    struct Limits: Sendable {
        /// What the headers of a request may have, its target among them, for the request to be answered at all.
        let headSizeBytes: Int
        /// How long a connection without a stream is left open, and a stream on which nothing moves.
        let idling: TimeAmount
        /// How long a client may take nothing of what is written to a stream.
        let writing: TimeAmount
    }

    /// What the frames of headers hold at least, but for the last of them.
    private static let frameSizeBytes = 16_384

    /// What answers the request of a stream.
    private let http1: HTTP1Channel
    private let limits: Limits
    private let connections: OpenConnections

    init(responder: @escaping HTTPChannelHandler.Responder, limits: Limits, connections: OpenConnections) {
        self.limits = limits
        self.connections = connections
        http1 = HTTP1Channel(responder: responder)
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        // Whether streams are open is for the connection itself to say: it closes where there are none for a while.
        connections.setBusy(channel, true)
        return channel.eventLoop.makeCompletedFuture {
            let manager = NIOHTTP2ServerConnectionManagementHandler(
                eventLoop: channel.eventLoop,
                configuration: .init(
                    maxIdleTime: limits.idling, maxAge: nil, maxGraceTime: limits.idling, keepalive: nil))
            var configuration = NIOHTTP2Handler.Configuration()
            configuration.connection.initialSettings = [
                HTTP2Setting(parameter: .maxConcurrentStreams, value: 100),
                HTTP2Setting(parameter: .maxHeaderListSize, value: limits.headSizeBytes),
            ]
            configuration.connection.maximumSequentialContinuationFrames =
                limits.headSizeBytes / Self.frameSizeBytes + 1
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(EarlySettings())
            let streams = try pipeline.configureAsyncHTTP2Pipeline(
                mode: .server, streamDelegate: manager.http2StreamDelegate, configuration: configuration
            ) { stream in setupStream(stream, logger) }
            try pipeline.addHandler(manager)
            try pipeline.addHandler(UnusedConnectionLimit(limits.idling))
            return Value(streams: streams, channel: channel)
        }
    }

    private func setupStream(_ stream: any Channel, _ logger: Logger) -> EventLoopFuture<Stream> {
        stream.eventLoop.makeCompletedFuture {
            let pipeline = stream.pipeline.syncOperations
            try pipeline.addHandler(HTTP2FramePayloadToHTTPServerCodec())
            try pipeline.addHandler(StreamWriteDeadline(timeout: limits.writing))
            try pipeline.addHandler(
                HTTPConnectionStateHandler(idleTimeout: .nanoseconds(limits.idling.nanoseconds), logger: logger))
            return try Stream(
                wrappingChannelSynchronously: stream, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }

    func handle(value: Value, logger: Logger) async {
        do {
            try await withThrowingDiscardingTaskGroup { group in
                for try await stream in value.streams.inbound {
                    group.addTask { await http1.handle(value: stream, logger: logger) }
                }
            }
        } catch {
            logger.debug("a connection of HTTP/2 broke off", metadata: ["error": "\(error)"])
        }
        value.channel.close(promise: nil)
    }
}

/// Closes a connection of HTTP/2 on which no stream is ever opened.
private final class UnusedConnectionLimit: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    private let timeout: TimeAmount
    private var deadline: Scheduled<Void>?

    init(_ timeout: TimeAmount) { self.timeout = timeout }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: timeout) {
            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { deadline?.cancel() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is NIOHTTP2StreamCreatedEvent { deadline?.cancel() }
        context.fireUserInboundEventTriggered(event)
    }
}
