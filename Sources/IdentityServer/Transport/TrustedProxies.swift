/// The proxies whose word on where a request comes from is taken (P 3.2-4).
package struct TrustedProxies: Sendable {
    private let ranges: [AddressRange]

    /// - Parameter texts: addresses and ranges of addresses.
    /// - Throws: `ConfigurationError` that quotes the first text that is neither.
    package init(_ texts: [String]) throws(ConfigurationError) {
        var ranges: [AddressRange] = []
        for text in texts {
            guard let range = AddressRange(text) else {
                throw ConfigurationError(
                    "server.trustedProxies has \"\(text)\", but must be addresses or ranges like 10.0.0.0/8, with "
                        + "commas between them", key: "server.trustedProxies")
            }
            ranges.append(range)
        }
        self.ranges = ranges
    }

    /// Where a request comes from: the peer, unless that is one of the proxies.
    ///
    /// Then `X-Forwarded-For` is read from its end, where the nearest proxy wrote, as far as proxies of ours wrote it:
    /// what stands before is the client's own word.
    ///
    /// - Parameters:
    ///   - peer: the address that the connection comes from.
    ///   - forwardedFor: the values of `X-Forwarded-For`, in order.
    /// - Returns: the client's address.
    func client(peer: IPAddress?, forwardedFor: [String]) -> IPAddress? {
        guard var client = peer, isTrusted(client) else { return peer }
        for entry in forwardedFor.joined(separator: ",").split(separator: ",").reversed() {
            guard let next = Self.address(entry) else { return client }
            client = next
            if !isTrusted(client) { return client }
        }
        return client
    }

    /// Whether an address is that of a proxy.
    func isTrusted(_ address: IPAddress) -> Bool { ranges.contains { $0.contains(address) } }

    /// The address of an entry, which some proxies write with brackets and a port.
    private static func address(_ entry: Substring) -> IPAddress? {
        let text = entry.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" }
        if text.hasPrefix("[") { return IPAddress(text.dropFirst().prefix { $0 != "]" }) }
        return IPAddress(text) ?? IPAddress(text.prefix { $0 != ":" })
    }
}
