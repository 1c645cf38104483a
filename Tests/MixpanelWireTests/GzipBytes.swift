#if canImport(Glibc)
import Glibc
#endif

/// Gzip made by hand, since the library only takes it apart.
enum GzipBytes {
    private static let header: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3]

    /// A member that holds bytes as they are.
    static func stored(_ bytes: [UInt8]) -> [UInt8] {
        var output = header
        var rest = bytes[...]
        repeat {
            let block = rest.prefix(0xFFFF)
            rest = rest.dropFirst(block.count)
            let length = UInt16(block.count)
            output.append(rest.isEmpty ? 1 : 0)
            for word in [length, ~length] { output += [UInt8(word & 0xFF), UInt8(word >> 8)] }
            output += block
        } while !rest.isEmpty
        return output + word(crc(bytes)) + word(UInt32(bytes.count))
    }

    /// The start of a member that holds zeros without end: one zero, then copies of 258 bytes at distance 1.
    ///
    /// A copy takes 13 bits, so eight take 13 bytes that repeat. The trailer is never reached.
    static func zeros(count: Int) -> [UInt8] {
        var bits: [Bool] = [true, true, false]  // The last block, with fixed codes.
        bits += [false, false, true, true, false, false, false, false]  // The byte 0.
        let copy = [true, true, false, false, false, true, false, true] + [Bool](repeating: false, count: 5)
        while bits.count % 8 != 0 { bits += copy }
        let lead = packed(bits)
        let group = packed((0..<8).flatMap { _ in copy })
        var output = header + lead
        output.reserveCapacity(count / 2064 * 13 + 64)
        for _ in 0..<(count / 2064) { output += group }
        return output
    }

    private static func packed(_ bits: [Bool]) -> [UInt8] {
        stride(from: 0, to: bits.count, by: 8).map { start in
            (0..<8).reduce(0) { $0 | (bits[start + $1] ? 1 << $1 : 0) }
        }
    }

    private static func word(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        var crc: UInt32 = .max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return ~crc
    }
}

/// The most memory that this program ever had, in kilobytes.
func peakKilobytes() -> Int {
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss
}
