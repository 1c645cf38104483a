import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1

/// HTTP/1 as Hummingbird serves it, with the rules of `HTTP1Rules`.
struct HTTP1Connections: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    private let base: HTTP1Channel
    private let limits: HTTP1Rules.Limits
    private let connections: OpenConnections
    private let budget: BodyBudget

    /// - Parameters:
    ///   - responder: what answers requests.
    ///   - limits: how long and how much.
    ///   - idling: how long nothing may move on a connection.
    ///   - connections: says when the server ends.
    ///   - budget: what bodies and long heads may take together.
    init(
        responder: @escaping HTTPChannelHandler.Responder, limits: HTTP1Rules.Limits, idling: TimeAmount,
        connections: OpenConnections, budget: BodyBudget
    ) {
        self.budget = budget
        // The gate looks at both sizes; the parser has the last word on the number of headers.
        let parsing = HTTP1Channel.Configuration.DecoderConfiguration(
            maxHeaderFieldSize: limits.headSizeBytes, maxHeaderListSize: 2 * limits.headSizeBytes)
        base = HTTP1Channel(
            responder: responder,
            configuration: HTTP1Channel.Configuration(idleTimeout: idling, httpDecoderConfiguration: parsing))
        self.limits = limits
        self.connections = connections
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        base.setup(channel: channel, logger: logger).flatMapThrowing { value in
            // Only here, before the parts become Hummingbird's, is the version of the request known.
            let pipeline = channel.pipeline.syncOperations
            let decoder = try pipeline.context(handlerType: ByteToMessageHandler<HTTPRequestDecoder>.self).handler
            let rules = HTTP1Rules(limits: limits, connections: connections)
            try pipeline.addHandler(rules, position: .after(decoder))
            try pipeline.addHandler(
                RequestGate(rules: rules, headLimitBytes: limits.headSizeBytes, budget: budget),
                position: .before(decoder))
            return value
        }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}
