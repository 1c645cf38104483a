import IdentityEngine

/// A set of node keys: a bit for each, since keys are dense.
struct NodeKeySet: Sendable {
    private static let chunkBits: Int64 = 4_096

    private var chunks: [Int64: [UInt64]] = [:]

    func contains(_ key: NodeKey) -> Bool {
        let (chunk, word, bit) = Self.place(of: key)
        return chunks[chunk].map { $0[word] & bit != 0 } ?? false
    }

    /// Puts a key in.
    ///
    /// - Returns: whether it was not in yet.
    mutating func insert(_ key: NodeKey) -> Bool {
        let (chunk, word, bit) = Self.place(of: key)
        if chunks[chunk] == nil { chunks[chunk] = Array(repeating: 0, count: Int(Self.chunkBits / 64)) }
        if contains(key) { return false }
        chunks[chunk]?[word] |= bit
        return true
    }

    private static func place(of key: NodeKey) -> (chunk: Int64, word: Int, bit: UInt64) {
        let (chunk, rest) = key.quotientAndRemainder(dividingBy: chunkBits)
        return (chunk, Int(rest / 64), 1 << UInt64(rest % 64))
    }
}
