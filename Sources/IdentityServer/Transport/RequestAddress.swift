import HTTPTypes

/// Under which address a request was sent, and what links in its answer begin with.
package struct RequestAddress: Sendable {
    private let publicURL: String?
    private let isEncrypted: Bool
    private let trustedProxies: TrustedProxies
    private let headSizeLimitBytes: Int

    /// - Parameters:
    ///   - publicURL: what links begin with, whatever the request says; nil where it counts.
    ///   - isEncrypted: whether connections to this server are.
    ///   - trustedProxies: who is believed about how it was asked.
    ///   - headSizeLimitBytes: what a request line may have, and all headers together.
    package init(
        publicURL: String?, isEncrypted: Bool, trustedProxies: TrustedProxies, headSizeLimitBytes: Int
    ) {
        self.publicURL = publicURL
        self.isEncrypted = isEncrypted
        self.trustedProxies = trustedProxies
        self.headSizeLimitBytes = headSizeLimitBytes
    }

    /// What links to this server begin with.
    func base(of head: HTTPRequest, from peer: IPAddress?) -> String {
        if let publicURL { return publicURL }
        guard let host = head.authority, !host.isEmpty else { return "" }
        return "\(scheme(of: head, from: peer))://\(host)"
    }

    /// How the client spoke to the outermost proxy, where one is believed, or to this server.
    private func scheme(of head: HTTPRequest, from peer: IPAddress?) -> String {
        let own = isEncrypted ? "https" : "http"
        guard let peer, trustedProxies.isTrusted(peer), let name = HTTPField.Name("X-Forwarded-Proto"),
            let told = head.headerFields[name]?.split(separator: ",").first
        else { return own }
        let scheme = told.filter { $0 != " " }.lowercased()
        return scheme == "http" || scheme == "https" ? scheme : own
    }

    /// Why a request cannot be answered: its host, or the size of its head; nil where it can.
    ///
    /// A connection of HTTP/1 has refused such a request already; streams of HTTP/2 come here.
    ///
    /// - Returns: the status and what is wrong.
    func fault(in head: HTTPRequest, isStream: Bool) -> (status: Int, message: String)? {
        guard isStream else { return nil }
        if (head.path ?? "").utf8.count > headSizeLimitBytes {
            return (
                414,
                "the path and query are longer than \(headSizeLimitBytes) bytes (server.headSizeLimitBytes); send data "
                    + "by POST"
            )
        }
        let size = head.headerFields.reduce(0) { $0 + $1.name.rawName.utf8.count + $1.value.utf8.count + 2 }
        if size > headSizeLimitBytes {
            return (431, "the headers are longer than \(headSizeLimitBytes) bytes (server.headSizeLimitBytes)")
        }
        let hosts = HTTPField.Name("Host").map { head.headerFields[values: $0] } ?? []
        guard let host = head.authority ?? hosts.first, hosts.allSatisfy({ $0 == host }) else {
            return (400, "a request has one host")
        }
        return HostName.isValid(host) ? nil : (400, "the host of the request is none")
    }
}
