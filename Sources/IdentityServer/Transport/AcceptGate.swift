import Foundation
import Logging
import NIOCore

/// Accepts connections as long as there is room for them.
///
/// Beyond the limit they wait in the socket's queue, and connections that have had no request for a while give up their
/// places, the longest first: whoever only holds connections keeps nobody out.
///
/// Where the system has no descriptor or memory for one, the next attempt waits, longer each time up to a second: the
/// connection is still there, and to ask again at once would take all of a processor. Meanwhile the spare descriptors
/// are free for whatever else needs a file.
final class AcceptGate: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never

    private static let shortestPause = TimeAmount.milliseconds(20)
    private static let longestPause = TimeAmount.seconds(1)
    private static let warningInterval = TimeAmount.minutes(1)
    /// How often connections without a request are looked for while others wait.
    private static let evictionInterval = TimeAmount.milliseconds(100)

    private let connections: OpenConnections
    private let spares: SpareFiles
    private let logger: Logger
    private var pause = AcceptGate.shortestPause
    private var isPaused = false
    private var wantsRead = false
    private var isEvicting = false
    private var lastWarning: NIODeadline?

    init(connections: OpenConnections, spares: SpareFiles, logger: Logger) {
        self.connections = connections
        self.spares = spares
        self.logger = logger
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connections.add(unwrapInboundIn(data))
        context.fireChannelRead(data)
        if spares.take() { pause = Self.shortestPause } else { backOff("no file can be opened", context) }
    }

    func read(context: ChannelHandlerContext) {
        wantsRead = true
        readOn(context)
    }

    private func readOn(_ context: ChannelHandlerContext) {
        guard wantsRead, !isPaused else { return }
        let loop = context.eventLoop
        let bound = NIOLoopBound((gate: self, context: context), eventLoop: loop)
        let hasPlace = connections.hasPlace {
            loop.execute { bound.value.gate.readOn(bound.value.context) }
        }
        guard hasPlace else { return evict(context) }
        wantsRead = false
        context.read()
    }

    private func evict(_ context: ChannelHandlerContext) {
        guard !isEvicting, context.channel.isActive else { return }
        isEvicting = true
        connections.evict()
        let bound = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.evictionInterval) {
            let (gate, context) = bound.value
            gate.isEvicting = false
            if gate.wantsRead, !gate.isPaused { gate.evict(context) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The system fails an attempt for want of descriptors or memory, or because of what became of one connection.
        // Nobody beyond has to hear of it; where the socket itself is at an end, NIO closes it.
        backOff("\(error)", context)
    }

    private func backOff(_ reason: String, _ context: ChannelHandlerContext) {
        spares.release()
        warn(reason)
        guard !isPaused else { return }
        isPaused = true
        let bound = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: pause) {
            let (gate, context) = bound.value
            gate.isPaused = false
            if gate.spares.take() { gate.readOn(context) } else { gate.backOff("no file can be opened", context) }
        }
        pause = min(pause * 2, Self.longestPause)
    }

    private func warn(_ reason: String) {
        let now = NIODeadline.now()
        if let lastWarning, now - lastWarning < Self.warningInterval { return }
        lastWarning = now
        logger.warning("connections cannot be accepted for now; trying again", metadata: ["error": "\(reason)"])
    }
}
