/// Names in `Host` headers, and in `:authority`.
enum HostName {
    private static let lengthLimit = 255

    /// The name in a `Host` header, without port and brackets, in lower case; any other text in lower case.
    static func name(in host: String) -> String { parts(of: host)?.name ?? host.lowercased() }

    /// Whether a text names a host, perhaps with a port: a name, an address of IPv4, or one of IPv6 in brackets.
    ///
    /// A name that ends with a dot is the same host to the network, and another name to whoever compares it: nothing
    /// here is reached by it.
    static func isValid(_ host: String) -> Bool { parts(of: host) != nil }

    private static func parts(of host: String) -> (name: String, port: Substring)? {
        guard host.utf8.count <= lengthLimit else { return nil }
        let text = host.lowercased()
        var name: Substring
        let rest: Substring
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            name = text[text.index(after: text.startIndex)..<end]
            rest = text[text.index(after: end)...]
            guard name.contains(":"), IPAddress(name) != nil else { return nil }
        } else {
            name = text.prefix { $0 != ":" }
            rest = text[name.endIndex...]
            guard isName(name) else { return nil }
        }
        if rest.isEmpty { return (String(name), "") }
        let port = rest.dropFirst()
        guard rest.hasPrefix(":"), UInt16(port) != nil, port.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return (String(name), port)
    }

    /// Labels with dots between them.
    private static func isName(_ text: Substring) -> Bool {
        text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty
                && label.utf8.allSatisfy { byte in
                    (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == UInt8(ascii: "-")
                        || byte == UInt8(ascii: "_")
                }
        }
    }
}
