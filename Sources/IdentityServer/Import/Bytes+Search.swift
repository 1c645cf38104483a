#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

extension [UInt8] {
    /// Whether the bytes hold others, one behind the other.
    func holds(_ wanted: [UInt8]) -> Bool {
        guard let first = wanted.first else { return true }
        return unsafe withUnsafeBytes { text in
            var from = 0
            while let base = text.baseAddress, from + wanted.count <= text.count {
                let rest = text.count - wanted.count - from + 1
                guard let found = unsafe memchr(base + from, Int32(first), rest) else { return false }
                let offset = unsafe found - UnsafeMutableRawPointer(mutating: base)
                if unsafe text[offset..<offset + wanted.count].elementsEqual(wanted) { return true }
                from = offset + 1
            }
            return false
        }
    }
}
