import NIOCore

/// Lets the settings of an HTTP/2 connection count from its first request on.
///
/// They count only when the client has acknowledged them, and clients send requests before they do: a first request
/// with a long query would be an error of the connection. What is set here only allows more than before, so that it may
/// count at once: an acknowledgement is put in after the client's own settings, and its own is taken out.
final class EarlySettings: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private static let prefaceBytes = 24
    private static let headerBytes = 9
    private static let settingsType: UInt8 = 4
    private static let acknowledgement: [UInt8] = [0, 0, 0, settingsType, 1, 0, 0, 0, 0]

    private enum State {
        case preface(remaining: Int)
        case header
        case payload(remaining: Int)
        case done
    }

    private var state = State.preface(remaining: EarlySettings.prefaceBytes)
    private var frameCount = 0
    /// The beginning of a frame's header.
    private var header: [UInt8] = []

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .done = state else {
            var bytes = unwrapInboundIn(data)
            var passed = context.channel.allocator.buffer(capacity: bytes.readableBytes + Self.headerBytes)
            while bytes.readableBytes > 0 { step(&bytes, &passed) }
            if passed.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(passed)) }
            return
        }
        context.fireChannelRead(data)
    }

    private func step(_ bytes: inout ByteBuffer, _ passed: inout ByteBuffer) {
        switch state {
        case .preface(let remaining):
            let count = move(remaining, &bytes, &passed)
            state = count == remaining ? .header : .preface(remaining: remaining - count)
        case .payload(let remaining):
            let count = move(remaining, &bytes, &passed)
            if count < remaining { state = .payload(remaining: remaining - count) } else { endFrame(&passed) }
        case .header:
            header += bytes.readBytes(length: min(Self.headerBytes - header.count, bytes.readableBytes)) ?? []
            if header.count == Self.headerBytes { readHeader(&passed) }
        case .done:
            passed.writeBuffer(&bytes)
        }
    }

    private func move(_ most: Int, _ bytes: inout ByteBuffer, _ passed: inout ByteBuffer) -> Int {
        guard var slice = bytes.readSlice(length: min(most, bytes.readableBytes)) else { return 0 }
        return passed.writeBuffer(&slice)
    }

    private func readHeader(_ passed: inout ByteBuffer) {
        let size = Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2])
        let isAcknowledgement = frameCount > 0 && header.elementsEqual(Self.acknowledgement)
        if isAcknowledgement {
            state = .done
        } else {
            passed.writeBytes(header)
            state = .payload(remaining: size)
            if size == 0 { endFrame(&passed) }
        }
        header = []
    }

    private func endFrame(_ passed: inout ByteBuffer) {
        frameCount += 1
        if frameCount == 1 { passed.writeBytes(Self.acknowledgement) }
        state = .header
    }
}
