import NIOCore

/// Lets the bytes of one request at a time reach the parser, and refuses heads that are too long.
///
/// Without it the parser makes requests of all that one read brings, a thousand of some bytes each, and they are held
/// until those before them are answered. With it the next request is held and what follows stays as it came: one read,
/// and no more is read meanwhile.
final class RequestGate: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = NIOAny

    /// How much of a body of unknown length is passed before a blank line is looked for, which may end it.
    private static let chunkedSliceBytes = 1024

    /// What a head may have without a share of the budget.
    private static let freeHeadBytes = 8192
    /// How many bytes a long head takes in memory for each of its own, as text and in the parser's buffer.
    private static let headCost = 4

    private let rules: HTTP1Rules
    private let budget: BodyBudget
    private var reader: HeadReader
    /// What was read and not passed on.
    private var waiting = ByteBuffer()
    private var wantsRead = false
    private var isPassing = false
    /// The end of what the client sends, which must not overtake what it sent.
    private var heldEvent: (any Sendable)?

    init(rules: HTTP1Rules, headLimitBytes: Int, budget: BodyBudget) {
        self.rules = rules
        self.budget = budget
        reader = HeadReader(limitBytes: headLimitBytes)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
        rules.resume = { bound.value.gate.pass(bound.value.context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { rules.resume = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if waiting.readableBytes == 0 { waiting = bytes } else { waiting.writeBuffer(&bytes) }
        pass(context)
    }

    func read(context: ChannelHandlerContext) {
        if isHolding { wantsRead = true } else { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if isHolding, let event = event as? ChannelEvent {
            heldEvent = event
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        waiting = ByteBuffer()
        context.fireChannelInactive()
    }

    private var isHolding: Bool { waiting.readableBytes > 0 }

    /// Passes on what may be passed now.
    private func pass(_ context: ChannelHandlerContext) {
        guard !isPassing else { return }
        isPassing = true
        while isHolding, rules.isReady {
            if rules.isClosing {
                // Nothing is taken after the last answer; the client may still be sending.
                waiting = ByteBuffer()
            } else {
                passSlice(context)
            }
        }
        isPassing = false
        guard !isHolding else { return }
        waiting = ByteBuffer()
        if let event = heldEvent {
            heldEvent = nil
            context.fireUserInboundEventTriggered(event)
        }
        if wantsRead {
            wantsRead = false
            context.fireChannelReadComplete()
            context.read()
        }
    }

    private func passSlice(_ context: ChannelHandlerContext) {
        let size: Int
        switch rules.body {
        case .none:
            let (count, excess) = reader.read(waiting.readableBytesView)
            if let excess { return rules.refuse(excess) }
            size = count
            if count > Self.freeHeadBytes || reader.sizeBytes > Self.freeHeadBytes {
                guard rules.takeLongHead(budget, sizeBytes: Self.headCost * reader.limitBytes) else { return }
            }
        case .counted(let remaining): size = min(remaining, waiting.readableBytes)
        case .chunked: size = chunkedSliceSize()
        }
        if let slice = waiting.readSlice(length: size) { context.fireChannelRead(wrapInboundOut(slice)) }
    }

    /// Up to a blank line, which may be the end of a body, so that few requests behind it are passed along.
    private func chunkedSliceSize() -> Int {
        let view = waiting.readableBytesView
        var lastNewline: Int?
        for index in view.dropFirst(Self.chunkedSliceBytes).indices where view[index] == UInt8(ascii: "\n") {
            if let lastNewline, index - lastNewline <= 2 { return index + 1 - view.startIndex }
            lastNewline = index
        }
        return view.count
    }
}
