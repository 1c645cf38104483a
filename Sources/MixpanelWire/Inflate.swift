import CZlib

/// Gzip, undone within a limit (P 2-1, 2-2).
enum Inflate {
    /// Why bytes could not be inflated.
    enum Failure: Error {
        case tooLarge
        case damaged
    }

    /// The most that deflate can make of a byte.
    private static let greatestRatio = 1032

    /// The bytes that gzip members, one after another, hold.
    ///
    /// Memory never goes beyond the limit and a little: the output is checked while it grows.
    ///
    /// - Parameters:
    ///   - body: One or more whole members and nothing else.
    ///   - limitBytes: The most bytes to make.
    /// - Returns: The inflated bytes.
    /// - Throws: `Failure.tooLarge` beyond the limit, `Failure.damaged` for anything that is not gzip.
    static func gunzip(_ body: [UInt8], limitBytes: Int) throws(Failure) -> [UInt8] {
        var stream = z_stream()
        // 15 bits of window, 16 for "gzip and nothing else".
        let size = Int32(MemoryLayout<z_stream>.size)
        guard inflateInit2_(&stream, 31, ZLIB_VERSION, size) == Z_OK else { throw .damaged }
        defer { inflateEnd(&stream) }

        var output: [UInt8] = []
        var consumed = 0
        var capacity = expectedCount(body, limitBytes)
        while true {
            let room = min(capacity, limitBytes + 1 - output.count)
            guard room > 0 else { throw .tooLarge }
            let step = inflateStep(&stream, body, &consumed, into: &output, room: room)
            guard output.count <= limitBytes else { throw .tooLarge }
            switch step {
            case Z_STREAM_END:
                guard consumed < body.count else { return output }
                guard inflateReset(&stream) == Z_OK else { throw .damaged }
            case Z_OK where consumed < body.count || stream.avail_out == 0:
                break
            case Z_BUF_ERROR where stream.avail_out == 0:
                break
            default:
                throw .damaged
            }
            capacity = max(16 * 1024, output.count)
        }
    }

    /// What the last member says that it holds, within reason: a first guess, never trusted.
    private static func expectedCount(_ body: [UInt8], _ limitBytes: Int) -> Int {
        guard body.count >= 18 else { return 1024 }
        let stated = body.suffix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        return max(64, min(stated + 1, limitBytes + 1, body.count * greatestRatio))
    }

    private static func inflateStep(
        _ stream: inout z_stream,
        _ body: [UInt8],
        _ consumed: inout Int,
        into output: inout [UInt8],
        room: Int
    ) -> Int32 {
        var code = Z_OK
        func run(_ target: UnsafeMutableBufferPointer<UInt8>) -> Int {
            body.withUnsafeBufferPointer { source in
                stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress.map { $0 + consumed })
                stream.avail_in = UInt32(source.count - consumed)
                stream.next_out = target.baseAddress
                stream.avail_out = UInt32(target.count)
                code = inflate(&stream, Z_NO_FLUSH)
                consumed = source.count - Int(stream.avail_in)
            }
            return target.count - Int(stream.avail_out)
        }
        if output.isEmpty {
            output = [UInt8](unsafeUninitializedCapacity: room) { target, count in
                count = run(UnsafeMutableBufferPointer(rebasing: target.prefix(room)))
            }
        } else {
            output += [UInt8](unsafeUninitializedCapacity: room) { target, count in
                count = run(UnsafeMutableBufferPointer(rebasing: target.prefix(room)))
            }
        }
        return code
    }
}
