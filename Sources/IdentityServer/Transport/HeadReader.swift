import NIOCore

/// Finds where the head of a request ends, and whether it is longer than it may be.
struct HeadReader {
    /// What is too long.
    enum Excess {
        case line
        case fields
    }

    /// What a request line may have, and all header lines together, in bytes.
    let limitBytes: Int
    private var lineBytes = 0
    private var fieldBytes = 0
    private var isLineRead = false

    init(limitBytes: Int) { self.limitBytes = limitBytes }

    /// How much of a head has been read that does not end yet, without the lines that ended before the last.
    var sizeBytes: Int { lineBytes + fieldBytes }

    /// Reads on.
    ///
    /// - Parameter bytes: what came next.
    /// - Returns: how many bytes belong to the head, and whether it ends with them.
    mutating func read(_ bytes: ByteBufferView) -> (count: Int, excess: Excess?) {
        var rest = bytes
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            lineBytes += end - rest.startIndex
            let isBlank = lineBytes == 0 || lineBytes == 1 && endsInReturn(bytes, end)
            rest = rest[(end + 1)...]
            if let excess = take(isBlank: isBlank) { return (rest.startIndex - bytes.startIndex, excess) }
            if isBlank, isLineRead {
                self = HeadReader(limitBytes: limitBytes)
                return (rest.startIndex - bytes.startIndex, nil)
            }
        }
        lineBytes += rest.count
        return (bytes.count, excess)
    }

    /// Whether a line of one byte is a carriage return; where that byte came earlier, it is taken for one.
    private func endsInReturn(_ bytes: ByteBufferView, _ end: Int) -> Bool {
        end == bytes.startIndex || bytes[end - 1] == UInt8(ascii: "\r")
    }

    /// Counts a line that ended; blank lines before the request line belong to nothing.
    private mutating func take(isBlank: Bool) -> Excess? {
        defer { lineBytes = 0 }
        if let excess { return excess }
        if isLineRead { fieldBytes += lineBytes + 1 } else if !isBlank { isLineRead = true }
        return nil
    }

    /// What is too long by now.
    private var excess: Excess? {
        if !isLineRead { return lineBytes > limitBytes ? .line : nil }
        return fieldBytes + lineBytes > limitBytes ? .fields : nil
    }
}
