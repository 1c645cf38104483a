import NIOHTTP1

/// What a request head of HTTP/1 must not have: two readers of it could take it for different requests, or for one of
/// another host (RFC 9112, sections 3.2, 6.1 and 6.3).
enum RequestHead {
    /// What is wrong with a head; nil where nothing is.
    static func fault(in head: HTTPRequestHead) -> String? {
        let hosts = head.headers["host"]
        if hosts.count > 1 { return "a request has one Host header, not \(hosts.count)" }
        if hosts.isEmpty, head.version != .http1_0 { return "a request of HTTP/1.1 has a Host header" }
        if let host = hosts.first, !HostName.isValid(host) { return "the Host header names no host" }
        return lengthFault(in: head)
    }

    /// How long the body is must be said once, in one of the two ways.
    private static func lengthFault(in head: HTTPRequestHead) -> String? {
        let codings = head.headers["transfer-encoding"]
        let lengths = head.headers["content-length"]
        if !codings.isEmpty {
            guard codings.count == 1, codings[0].lowercased() == "chunked" else {
                return "Transfer-Encoding must be chunked"
            }
            if head.version == .http1_0 { return "HTTP/1.0 has no Transfer-Encoding" }
            if !lengths.isEmpty { return "a request has Content-Length or Transfer-Encoding, not both" }
        }
        if lengths.count > 1 { return "a request has one Content-Length header, not \(lengths.count)" }
        if let length = lengths.first {
            guard !length.isEmpty, length.utf8.allSatisfy({ (0x30...0x39).contains($0) }), Int(length) != nil else {
                return "Content-Length must be a number"
            }
        }
        return nil
    }
}
