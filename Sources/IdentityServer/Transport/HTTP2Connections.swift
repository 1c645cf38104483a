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
        channel.eventLoop.makeCompletedFuture {
            let manager = NIOHTTP2ServerConnectionManagementHandler(
                eventLoop: channel.eventLoop,
                configuration: .init(
                    maxIdleTime: limits.idling, maxAge: nil, maxGraceTime: limits.idling, keepalive: nil))
            let openStreams = OpenStreams(
                manager.http2StreamDelegate, of: channel, connections, timeout: limits.idling)
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
                mode: .server, streamDelegate: openStreams, configuration: configuration
            ) { stream in setupStream(stream, logger) }
            try pipeline.addHandler(manager)
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

/// Follows the streams of a connection: it closes where none is ever opened, and its place may be wanted for another
/// where none is open.
///
/// Of streams nothing but a delegate hears: the events of the pipeline are for streams that it makes itself.
private struct OpenStreams: NIOHTTP2StreamDelegate {
    private struct State {
        /// Those that are open; the settings of the connection bound their number.
        var streams: Set<HTTP2StreamID> = []
        /// When the connection closes if none is opened.
        var deadline: Scheduled<Void>?
    }

    private let management: NIOHTTP2ServerConnectionManagementHandler.HTTP2StreamDelegate
    private let connection: any Channel
    private let connections: OpenConnections
    private let state: NIOLoopBoundBox<State>

    /// - Parameters:
    ///   - management: ends the connection where there have been no streams for a while; it hears of them too.
    ///   - connection: the connection, on whose event loop this is called.
    ///   - connections: hears whether there are streams.
    ///   - timeout: how long the connection is left open before its first stream.
    init(
        _ management: NIOHTTP2ServerConnectionManagementHandler.HTTP2StreamDelegate, of connection: any Channel,
        _ connections: OpenConnections, timeout: TimeAmount
    ) {
        self.management = management
        self.connection = connection
        self.connections = connections
        let deadline = connection.eventLoop.scheduleTask(in: timeout) {
            connection.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
        state = NIOLoopBoundBox(State(deadline: deadline), eventLoop: connection.eventLoop)
        connection.closeFuture.whenComplete { _ in deadline.cancel() }
    }

    func streamCreated(_ id: HTTP2StreamID, channel: any Channel) {
        management.streamCreated(id, channel: channel)
        state.value.deadline?.cancel()
        state.value.deadline = nil
        if state.value.streams.isEmpty { connections.setBusy(connection, true) }
        state.value.streams.insert(id)
    }

    func streamClosed(_ id: HTTP2StreamID, channel: any Channel) {
        management.streamClosed(id, channel: channel)
        let wasOpen = state.value.streams.remove(id) != nil
        if wasOpen, state.value.streams.isEmpty { connections.setBusy(connection, false) }
    }
}
