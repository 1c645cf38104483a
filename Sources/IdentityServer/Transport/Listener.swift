import Foundation
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// Listens, and serves the connections that come, until the server ends.
///
/// At the end it accepts nothing more and lets what was accepted be answered. A socket that was inherited is not closed
/// for that: whoever passed it has it too, and what comes meanwhile waits in its queue for the next process.
struct Listener<ChildChannel: ServerChildChannel>: Service {
    /// Where to listen.
    enum Place: Sendable {
        case address(host: String, port: Int)
        case inherited([CInt])
    }

    /// What is read of a connection at a time, and what is written of an answer before it waits, in bytes.
    private static var bufferBytes: Int { 16_384 }

    private let place: Place
    private let childChannel: ChildChannel
    private let connections: OpenConnections
    private let writing: TimeAmount
    private let onListening: @Sendable (Int) async -> Void
    private let logger: Logger

    /// - Parameters:
    ///   - place: where to listen.
    ///   - childChannel: what serves a connection.
    ///   - connections: counts them.
    ///   - writing: how long a client may take nothing of what is written to it.
    ///   - onListening: called once with the first port, or 0 where there are Unix sockets only, when requests are
    ///     answered.
    ///   - logger: hears of what goes wrong.
    init(
        place: Place, childChannel: ChildChannel, connections: OpenConnections, writing: TimeAmount,
        onListening: @escaping @Sendable (Int) async -> Void, logger: Logger
    ) {
        self.place = place
        self.childChannel = childChannel
        self.connections = connections
        self.writing = writing
        self.onListening = onListening
        self.logger = logger
    }

    func run() async throws {
        let (accepted, continuation) = AsyncStream.makeStream(of: ChildChannel.Value.self)
        let sockets = try await open { value in
            guard case .terminated = continuation.yield(value) else { return }
            // The server was cut off a moment ago; a connection that was set up has to be ended in its own way.
            value.channel.close(promise: nil)
            Task { await childChannel.handle(value: value, logger: logger) }
        }
        for socket in sockets {
            // A socket that fails cannot be listened on again, so that the server ends.
            socket.closeFuture.whenComplete { _ in continuation.finish() }
        }
        await onListening(sockets.lazy.compactMap { $0.localAddress?.port }.first ?? 0)
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                for await connection in accepted {
                    group.addTask { await childChannel.handle(value: connection, logger: logger) }
                }
            }
        } onGracefulShutdown: {
            Task {
                await end(sockets)
                continuation.finish()
            }
        }
    }

    /// Accepts nothing more, and returns when the last connection is closed.
    private func end(_ sockets: [any Channel]) async {
        for socket in sockets { try? await socket.setOption(.autoRead, value: false).get() }
        await connections.drain()
        for socket in sockets { try? await socket.close() }
        await connections.quiesce()
    }

    private func open(_ serve: @escaping @Sendable (ChildChannel.Value) -> Void) async throws -> [any Channel] {
        let spares = SpareFiles()
        _ = spares.take()
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 2048, maximum: Self.bufferBytes)
            )
            .childChannelOption(
                .writeBufferWaterMark, value: .init(low: Self.bufferBytes / 2, high: Self.bufferBytes)
            )
            .serverChannelInitializer { [connections, logger] socket in
                socket.eventLoop.makeCompletedFuture {
                    try socket.pipeline.syncOperations.addHandler(
                        AcceptGate(connections: connections, spares: spares, logger: logger))
                }
            }
            .childChannelInitializer { [connections, childChannel, writing, logger] channel in
                channel.eventLoop.makeCompletedFuture {
                    Self.limitUnsent(channel)
                    try channel.pipeline.syncOperations.addHandler(
                        WriteDeadline(timeout: writing, connections: connections))
                }.flatMap {
                    childChannel.setup(channel: channel, logger: logger).map(serve)
                }
            }
        switch place {
        case .address(let host, let port):
            return [try await bootstrap.bind(host: host, port: port).get()]
        case .inherited(let descriptors):
            var sockets: [any Channel] = []
            for descriptor in descriptors {
                // A copy is closed at the end, so that the socket itself stays open.
                let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
                sockets.append(try await bootstrap.withBoundSocket(copy).get())
                // NIO has cut the queue to a length of its own; the system has the last word on this one.
                guard listen(descriptor, CInt.max) == 0 else { throw IOError(errnoCode: errno, reason: "listen") }
            }
            return sockets
        }
    }

    /// Sockets of other families have no such option, and no such buffer.
    private static func limitUnsent(_ channel: any Channel) {
        #if os(Linux)
        guard channel.remoteAddress?.protocol == .inet || channel.remoteAddress?.protocol == .inet6 else { return }
        let option = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: TCP_NOTSENT_LOWAT))
        try? channel.syncOptions?.setOption(option, value: WriteDeadline.unsentLimitBytes)
        #endif
    }
}
