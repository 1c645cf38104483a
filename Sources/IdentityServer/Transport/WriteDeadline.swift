import Foundation
import NIOCore

/// Cuts a connection off whose client takes nothing of what is written to it.
///
/// It stands nearest to the socket, so that it holds for whatever is spoken: plain HTTP/1, TLS, and HTTP/2, and whether
/// an answer is due or was written already. The system takes bytes in steps of some ten kilobytes as the client takes
/// them (`unsentLimitBytes`), so a client that takes a byte now and then does not count as one that takes something.
final class WriteDeadline: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    /// How much the system keeps of what it has not sent.
    ///
    /// Without a limit it is megabytes of a client that never reads, and whether a slow one takes something is seen
    /// only now and then.
    static let unsentLimitBytes = 65_536

    private let timeout: TimeAmount
    private let connections: OpenConnections
    private var writtenBytes = 0
    private var deadline: Scheduled<Void>?
    /// What the system had taken when the deadline was set.
    private var takenBytes = 0

    init(timeout: TimeAmount, connections: OpenConnections) {
        self.timeout = timeout
        self.connections = connections
    }

    func channelActive(context: ChannelHandlerContext) {
        connections.didArrive(context.channel)
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is OpenConnections.PlaceWanted { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = nil
        context.fireChannelInactive()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        writtenBytes += unwrapOutboundIn(data).readableBytes
        context.write(data, promise: promise)
    }

    func flush(context: ChannelHandlerContext) {
        context.flush()
        if deadline == nil, waitingBytes(context) > 0 { schedule(context) }
    }

    /// What was written and the system did not take yet.
    private func waitingBytes(_ context: ChannelHandlerContext) -> Int {
        (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    private func schedule(_ context: ChannelHandlerContext) {
        takenBytes = writtenBytes - waitingBytes(context)
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: timeout) { bound.value.handler.check(bound.value.context) }
    }

    private func check(_ context: ChannelHandlerContext) {
        deadline = nil
        let waiting = waitingBytes(context)
        if waiting == 0 { return }
        if writtenBytes - waiting > takenBytes { return schedule(context) }
        // What the system still has for this client is dropped too, instead of being offered for minutes.
        if let socket = context.channel as? any SocketOptionProvider {
            _ = socket.setSoLinger(linger(l_onoff: 1, l_linger: 0))
        }
        context.close(promise: nil)
    }
}
