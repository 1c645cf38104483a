/// Base64 as the SDKs send it (P 2-5): either alphabet, with or without padding, spaces where `+` was meant.
enum Base64 {
    /// 0…63 a digit, 64 to be left out, 65 padding, 66 anything else.
    private static let digits: [UInt8] = {
        var table = [UInt8](repeating: 66, count: 256)
        for (value, byte) in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8.enumerated() {
            table[Int(byte)] = UInt8(value)
        }
        table[Int(UInt8(ascii: "-"))] = 62
        table[Int(UInt8(ascii: " "))] = 62
        table[Int(UInt8(ascii: "_"))] = 63
        for byte in [UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t")] { table[Int(byte)] = 64 }
        table[Int(UInt8(ascii: "="))] = 65
        return table
    }()

    /// The bytes that a text encodes; nil where it is not base64.
    ///
    /// - Parameter text: The encoded bytes, without white space at either end.
    /// - Returns: The decoded bytes.
    static func decoded(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var isValid = true
        let bytes = text.withUnsafeBufferPointer { source in
            digits.withUnsafeBufferPointer { table in
                [UInt8](unsafeUninitializedCapacity: source.count / 4 * 3 + 3) { target, count in
                    isValid = decode(source, table, into: target, &count)
                }
            }
        }
        return isValid ? bytes : nil
    }

    private static func decode(
        _ source: UnsafeBufferPointer<UInt8>,
        _ table: UnsafeBufferPointer<UInt8>,
        into target: UnsafeMutableBufferPointer<UInt8>,
        _ count: inout Int
    ) -> Bool {
        var word: UInt32 = 0
        var held = 0
        var padding = 0
        var read = 0
        while read < source.count {
            // Four digits in a row are the rule, and everything else is above 63.
            while held == 0, padding == 0, source.count &- read >= 4 {
                let (a, b) = (table[Int(source[read])], table[Int(source[read &+ 1])])
                let (c, d) = (table[Int(source[read &+ 2])], table[Int(source[read &+ 3])])
                guard a | b | c | d < 64 else { break }
                write(UInt32(a) << 18 | UInt32(b) << 12 | UInt32(c) << 6 | UInt32(d), to: target, &count)
                read &+= 4
            }
            guard read < source.count else { break }
            let digit = table[Int(source[read])]
            read &+= 1
            if digit < 64 {
                guard padding == 0 else { return false }
                word = word << 6 | UInt32(digit)
                held += 1
                if held == 4 {
                    write(word, to: target, &count)
                    held = 0
                }
            } else if digit == 65 {
                padding += 1
            } else if digit == 66 {
                return false
            }
        }
        // One digit alone is six bits, which are no byte. Padding is not counted: whether it was kept tells nothing.
        guard held != 1, padding <= 2 else { return false }
        if held >= 2 {
            word <<= held == 2 ? 12 : 6
            target[count] = UInt8(truncatingIfNeeded: word >> 16)
            count += 1
            if held == 3 {
                target[count] = UInt8(truncatingIfNeeded: word >> 8)
                count += 1
            }
        }
        return true
    }

    /// Writes the three bytes of four digits, and one more that does not count: there is room for three past the last.
    @inline(__always)
    private static func write(_ word: UInt32, to target: UnsafeMutableBufferPointer<UInt8>, _ count: inout Int) {
        let bytes = (word << 8).bigEndian
        UnsafeMutableRawBufferPointer(target).storeBytes(of: bytes, toByteOffset: count, as: UInt32.self)
        count &+= 3
    }
}
