import CZlib
import MixpanelWire

extension StreamedReply {
    /// The size from which on a body is worth compressing, in bytes (P 10-5).
    private static let worthwhileBytes = 1400

    /// The same answer in gzip, where the client takes that and the body is long enough.
    ///
    /// Reads the first pieces to know how long the body is at least.
    func compressed(for request: WireRequest) async throws -> StreamedReply {
        guard acceptsGzip(request.acceptEncoding ?? "") else { return self }
        return try await compressed(pieces)
    }

    private func compressed(
        _ pieces: some AsyncSequence<[UInt8], any Error> & Sendable
    ) async throws -> StreamedReply {
        var size = 0
        for try await piece in pieces {
            size += piece.count
            guard size <= Self.worthwhileBytes else {
                return StreamedReply(
                    contentType: contentType,
                    headers: headers + [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")],
                    pieces: GzipPieces(plain: pieces))
            }
        }
        return self
    }

    /// Whether `gzip` is among the codings, and not with a weight of zero.
    private func acceptsGzip(_ header: String) -> Bool {
        header.lowercased().split(separator: ",").contains { coding in
            let parts = coding.split(separator: ";").map { $0.filter { !$0.isWhitespace } }
            let isRefused = parts.dropFirst().contains { $0.hasPrefix("q=") && (Double($0.dropFirst(2)) ?? 1) == 0 }
            return parts.first == "gzip" && !isRefused
        }
    }
}

/// Pieces of a body, compressed as they come.
private struct GzipPieces<Plain: AsyncSequence & Sendable>: AsyncSequence, Sendable
where Plain.Element == [UInt8], Plain.Failure == any Error {
    let plain: Plain

    struct Iterator: AsyncIteratorProtocol {
        var plain: Plain.AsyncIterator
        let stream = DeflateStream()
        var hasEnded = false

        mutating func next() async throws -> [UInt8]? { try await next(isolation: #isolation) }

        mutating func next(isolation actor: isolated (any Actor)?) async throws -> [UInt8]? {
            while !hasEnded {
                let piece = try await plain.next(isolation: actor)
                hasEnded = piece == nil
                let output = stream.compress(piece ?? [], isLast: hasEnded)
                if !output.isEmpty { return output }
            }
            return nil
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(plain: plain.makeAsyncIterator()) }
}

/// zlib's compressor, set to write gzip.
@safe private final class DeflateStream {
    private var stream = unsafe z_stream()

    init() {
        // 15 bits of window, and 16 for a gzip header; level 1, because the reader is waiting.
        let status = unsafe deflateInit2_(
            &stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        precondition(status == Z_OK, "zlib could not be set up: \(status)")
    }

    deinit { unsafe deflateEnd(&stream) }

    func compress(_ input: [UInt8], isLast: Bool) -> [UInt8] {
        var input = input
        var output: [UInt8] = []
        unsafe input.withUnsafeMutableBufferPointer { plain in
            unsafe stream.next_in = plain.baseAddress
            unsafe stream.avail_in = UInt32(plain.count)
            var room: UInt32 = 0
            repeat {
                let chunk = unsafe [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, filled in
                    unsafe stream.next_out = buffer.baseAddress
                    unsafe stream.avail_out = UInt32(buffer.count)
                    unsafe deflate(&stream, isLast ? Z_FINISH : Z_NO_FLUSH)
                    room = unsafe stream.avail_out
                    filled = buffer.count - Int(room)
                }
                output += chunk
            } while room == 0
        }
        return output
    }
}
