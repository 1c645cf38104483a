import NIOCore
import NIOHTTPTypes

/// Ends a stream of HTTP/2 whose client takes nothing of what is written to it.
///
/// A client may take everything else from its connection and give one stream no room, which `WriteDeadline` does not
/// see.
final class StreamWriteDeadline: ChannelOutboundHandler {
    typealias OutboundIn = HTTPResponsePart

    private let timeout: TimeAmount
    private var deadline: Scheduled<Void>?
    /// Writes that were not taken yet.
    private var waiting = 0
    private var taken = 0

    init(timeout: TimeAmount) { self.timeout = timeout }

    func handlerRemoved(context: ChannelHandlerContext) { deadline?.cancel() }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        waiting += 1
        let promise = promise ?? context.eventLoop.makePromise()
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { _ in bound.value.didTake() }
        context.write(data, promise: promise)
        if deadline == nil { schedule(context) }
    }

    private func didTake() {
        waiting -= 1
        taken += 1
        guard waiting == 0 else { return }
        deadline?.cancel()
        deadline = nil
    }

    private func schedule(_ context: ChannelHandlerContext) {
        let before = taken
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: timeout) {
            let (handler, context) = bound.value
            handler.deadline = nil
            if handler.waiting == 0 { return }
            if handler.taken > before { return handler.schedule(context) }
            context.close(promise: nil)
        }
    }
}
