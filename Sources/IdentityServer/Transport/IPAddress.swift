import Foundation
import NIOCore

/// An address, as its bytes: 4 of IPv4 or 16 of IPv6.
struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    let bytes: [UInt8]
    let description: String

    /// The address that a text is, without brackets or port; nil for any other text.
    init?(_ text: some StringProtocol) {
        guard let address = try? SocketAddress(ipAddress: String(text), port: 0) else { return nil }
        self.init(address)
    }

    init?(_ address: SocketAddress) {
        switch address {
        case .v4(let found): bytes = unsafe withUnsafeBytes(of: found.address.sin_addr) { unsafe Array($0) }
        case .v6(let found):
            let all = unsafe withUnsafeBytes(of: found.address.sin6_addr) { unsafe Array($0) }
            // A socket for both families shows IPv4 as ::ffff:a.b.c.d.
            let isMapped = all.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
            bytes = isMapped ? Array(all.dropFirst(12)) : all
        case .unixDomainSocket: return nil
        }
        description = bytes.count == 4 ? bytes.map(String.init).joined(separator: ".") : address.ipAddress ?? ""
    }

    static func == (one: IPAddress, other: IPAddress) -> Bool { one.bytes == other.bytes }

    func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}

/// The addresses that share their first bits: `10.0.0.0/8`.
struct AddressRange: Sendable {
    private let bytes: [UInt8]
    private let bits: Int

    /// The range that a text names, or the one address; nil for any other text.
    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        bytes = address.bytes
        guard parts.count == 2 else {
            bits = bytes.count * 8
            return
        }
        guard let given = Int(parts[1]), (0...bytes.count * 8).contains(given) else { return nil }
        bits = given
    }

    func contains(_ address: IPAddress) -> Bool {
        guard address.bytes.count == bytes.count else { return false }
        let whole = bits / 8
        guard address.bytes.prefix(whole) == bytes.prefix(whole) else { return false }
        let rest = bits % 8
        return rest == 0 || (address.bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0
    }
}
