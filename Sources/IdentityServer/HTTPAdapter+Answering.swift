import HTTPTypes
import Hummingbird
import HummingbirdCore
import IdentityStore
import Logging
import MixpanelWire
import NIOCore
import NIOHTTP1

extension HTTPAdapter {
    /// What is written at a time, in bytes: all that a client that reads nothing can have of an answer, beside what the
    /// connection's buffers hold.
    private static let pieceBytes = 16_384

    /// Answers a request and writes the answer.
    ///
    /// - Throws: what broke the connection off.
    @concurrent func serve(_ request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel) async throws
    {
        let origin = RequestOrigin(source: ApplicationRequestContextSource(channel: channel, logger: logger))
        let response = try await respond(to: request, context: origin)
        do {
            try await writer.write(response: response.head, body: response.body)
        } catch is HTTPParserError {
            // Thrown on, it would be answered a second time.
            throw AnswerBrokeOff()
        }
    }

    private struct AnswerBrokeOff: Error {}

    /// The answer whose body is there as a whole.
    ///
    /// A long one is copied and written piece by piece, as the client takes it.
    func response(to request: WireRequest, _ answer: WireResponse) -> Response {
        var fields = fields(answer.contentType, answer.headers)
        let status = HTTPResponse.Status(code: answer.status)
        if request.method == .head {
            fields[.contentLength] = String(answer.body.count)
            return Response(status: status, headers: fields)
        }
        let body = answer.body
        guard body.count > Self.pieceBytes else {
            return Response(status: status, headers: fields, body: .init(byteBuffer: ByteBuffer(bytes: body)))
        }
        return Response(
            status: status, headers: fields,
            body: ResponseBody(contentLength: body.count) { writer in
                try await Self.write(body, to: &writer)
                try await writer.finish(nil)
            })
    }

    /// The answer that is written while it is read from the store.
    func streamed(_ stream: StreamedReply, isHead: Bool, _ channel: any Channel) -> Response {
        let fields = fields(stream.contentType, stream.headers)
        if isHead { return Response(status: .ok, headers: fields) }
        let (logger, timeout) = (logger, streamWriteTimeout)
        if let whenGone = stream.whenGone { channel.closeFuture.whenComplete { _ in whenGone() } }
        return Response(
            status: .ok, headers: fields,
            body: ResponseBody { writer in
                do {
                    for try await piece in stream.pieces {
                        try await Self.write(piece, to: &writer) { channel.closing(after: timeout) }
                    }
                } catch {
                    // The status has gone out; a broken body is how the client learns of it. A client may leave at any
                    // time.
                    logger.log(
                        level: error is StoreError ? .error : .debug, "an answer broke off",
                        metadata: ["error": "\(error)"])
                    throw error
                }
                try await writer.finish(nil)
                withExtendedLifetime(stream.place) {}
            })
    }

    /// Writes bytes piece by piece; `cut` makes what ends the connection unless the piece is taken before.
    @concurrent private static func write(
        _ bytes: [UInt8], to writer: inout any ResponseBodyWriter, cut: () -> Scheduled<Void>? = { nil }
    ) async throws {
        for start in stride(from: 0, to: bytes.count, by: pieceBytes) {
            let deadline = cut()
            defer { deadline?.cancel() }
            try await writer.write(ByteBuffer(bytes: bytes[start..<min(start + pieceBytes, bytes.count)]))
        }
    }

    private func fields(_ contentType: String?, _ headers: [(name: String, value: String)]) -> HTTPFields {
        var fields = HTTPFields()
        if let contentType { fields[.contentType] = contentType }
        for (name, value) in headers {
            if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
        }
        fields[.date] = date.text
        fields[.server] = "selfsame"
        return fields
    }

    /// A connection whose request was not read to its end cannot carry another.
    static func closing(_ response: Response) -> Response {
        var response = response
        response.headers[.connection] = "close"
        return response
    }
}

extension Channel {
    /// Closes the connection after a while, unless that is cancelled: a write that waits for room ends then.
    fileprivate func closing(after time: Duration) -> Scheduled<Void> {
        eventLoop.scheduleTask(in: TimeAmount(time)) {
            self.close(promise: nil)
            // A stream of HTTP/2 cannot end while its connection takes nothing: then that is closed. What a connection
            // belongs to, and a stream's connection does, is the socket that listens.
            guard let connection = self.parent, connection.parent != nil else { return }
            let last = self.eventLoop.scheduleTask(in: .seconds(1)) { connection.close(promise: nil) }
            self.closeFuture.whenComplete { _ in last.cancel() }
        }
    }
}
