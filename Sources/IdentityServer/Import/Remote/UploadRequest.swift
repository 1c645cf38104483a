import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// One request on a connection of its own: an import sends few and large ones.
///
/// Through SwiftNIO, which the server links anyway: a client library would add a second TLS or a longer build.
struct UploadRequest: Sendable {
    private static let timeout = TimeAmount.minutes(5)
    /// The most bytes of an answer that are read.
    fileprivate static let answerLimitBytes = 4 << 20

    let to: ImportTarget
    let target: String
    let contentType: String
    /// What is posted; nil for a GET.
    let body: [UInt8]?

    /// What the server answered.
    struct Reply: Sendable {
        var status = 0
        var headers: [(name: String, value: String)] = []
        var body: [UInt8] = []

        func header(_ name: String) -> String? {
            headers.first { $0.name.lowercased() == name }?.value
        }
    }

    /// Sends it, and waits for the whole answer.
    ///
    /// - Throws: where the connection cannot be made, breaks, or is silent for too long.
    func send() async throws -> Reply {
        let tls = to.isTLS ? try Self.tls(to) : nil
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let promise = loop.makePromise(of: Reply.self)
        let bootstrap = ClientBootstrap(group: loop).connectTimeout(.seconds(20)).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                if let tls {
                    // An address is no name that a certificate could be asked for.
                    let name = (try? SocketAddress(ipAddress: self.to.host, port: 0)) == nil ? self.to.host : nil
                    try channel.pipeline.syncOperations.addHandler(
                        NIOSSLClientHandler(context: tls, serverHostname: name))
                }
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                try channel.pipeline.syncOperations.addHandler(UploadExchange(self, promise))
            }
        }
        let timer = loop.scheduleTask(in: Self.timeout) { promise.fail(UploadError("the server does not answer")) }
        defer { timer.cancel() }
        let channel: any Channel
        do {
            channel = try await bootstrap.connect(host: to.host, port: to.port).get()
        } catch {
            promise.fail(error)
            throw UploadError("\(to.hostField) cannot be reached: \(error)")
        }
        defer { channel.close(promise: nil) }
        return try await promise.futureResult.get()
    }

    private static func tls(_ target: ImportTarget) throws(ConfigurationError) -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let path = target.authorityPath { configuration.trustRoots = .file(path) }
        do { return try NIOSSLContext(configuration: configuration) } catch {
            throw ConfigurationError("\(target.authorityPath ?? "the system's certificates") cannot be used: \(error)")
        }
    }
}

/// Why a request came to nothing.
struct UploadError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Writes the request once the connection is there, and collects the answer.
private final class UploadExchange: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let request: UploadRequest
    private let promise: EventLoopPromise<UploadRequest.Reply>
    private var reply = UploadRequest.Reply()

    init(_ request: UploadRequest, _ promise: EventLoopPromise<UploadRequest.Reply>) {
        self.request = request
        self.promise = promise
    }

    func channelActive(context: ChannelHandlerContext) {
        var head = HTTPRequestHead(version: .http1_1, method: request.body == nil ? .GET : .POST, uri: request.target)
        head.headers.add(name: "Host", value: request.to.hostField)
        head.headers.add(name: "Authorization", value: request.to.authorization)
        if let body = request.body {
            head.headers.add(name: "Content-Type", value: request.contentType)
            head.headers.add(name: "Content-Length", value: String(body.count))
        }
        head.headers.add(name: "User-Agent", value: "selfsame")
        head.headers.add(name: "Connection", value: "close")
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if let body = request.body {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            // What follows 100 Continue is the answer.
            if head.status.code < 200 { return }
            reply.status = Int(head.status.code)
            reply.headers = head.headers.map { ($0.name, $0.value) }
        case .body(let bytes):
            if reply.body.count < UploadRequest.answerLimitBytes { reply.body += bytes.readableBytesView }
        case .end:
            promise.succeed(reply)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(UploadError("the connection failed: \(error)"))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(UploadError("the connection was closed before the answer"))
    }
}
