#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Searches over raw bytes: what bodies of a megabyte are split and unescaped with.
enum ByteSearch {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// The offset of the first byte of a value.
    ///
    /// - Parameters:
    ///   - byte: The value.
    ///   - base: The bytes.
    ///   - start: Where to begin.
    ///   - end: Where to stop.
    /// - Returns: The offset; `end` where there is none.
    static func offset(of byte: UInt8, in base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        guard start < end, let found = memchr(base + start, Int32(byte), end &- start) else { return end }
        return UnsafeRawPointer(base).distance(to: found)
    }

    /// How many of eight bytes, as they were loaded, stand before the first `+` or `%`.
    @inline(__always)
    static func plainCount(_ word: UInt64) -> Int {
        // Bytes are counted from the least, which is the first where numbers are little-endian.
        let word = word.littleEndian
        let special =
            zeros(word ^ (UInt64(UInt8(ascii: "%")) &* ones)) | zeros(word ^ (UInt64(UInt8(ascii: "+")) &* ones))
        return special.trailingZeroBitCount / 8
    }

    /// Nonzero where one of eight bytes is zero; exact in the lowest such byte and below.
    @inline(__always)
    private static func zeros(_ word: UInt64) -> UInt64 { (word &- ones) & ~word & highs }
}
