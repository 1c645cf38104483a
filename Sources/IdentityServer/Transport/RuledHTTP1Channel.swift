import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1

/// HTTP/1 as Hummingbird serves it, with the rules of `HTTP1Rules`.
struct RuledHTTP1Channel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    private let base: HTTP1Channel
    private let bodySizeLimitBytes: Int
    private let lingering: TimeAmount

    /// - Parameters:
    ///   - base: what reads and answers requests.
    ///   - bodySizeLimitBytes: a client that announces more is not told to go on.
    ///   - lingering: how long a connection that is being closed may go on sending.
    init(_ base: HTTP1Channel, bodySizeLimitBytes: Int, lingering: TimeAmount) {
        self.base = base
        self.bodySizeLimitBytes = bodySizeLimitBytes
        self.lingering = lingering
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        base.setup(channel: channel, logger: logger).flatMapThrowing { value in
            // Only here, before the parts become Hummingbird's, is the version of the request known.
            let pipeline = channel.pipeline.syncOperations
            let decoder = try pipeline.context(handlerType: ByteToMessageHandler<HTTPRequestDecoder>.self).handler
            try pipeline.addHandler(
                HTTP1Rules(bodySizeLimitBytes: bodySizeLimitBytes, lingering: lingering), position: .after(decoder))
            return value
        }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}
