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

    /// Whether one of eight bytes is `+` or `%`.
    @inline(__always)
    static func hasEncoding(_ word: UInt64) -> Bool {
        hasZero(word ^ (UInt64(UInt8(ascii: "%")) &* ones)) || hasZero(word ^ (UInt64(UInt8(ascii: "+")) &* ones))
    }

    @inline(__always)
    private static func hasZero(_ word: UInt64) -> Bool { (word &- ones) & ~word & highs != 0 }
}
