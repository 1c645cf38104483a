import Foundation

/// A running server that takes what is imported, and the credential to send with it.
package struct ImportTarget: Sendable {
    package let isTLS: Bool
    package let host: String
    package let port: Int
    /// What the server's paths begin with; empty for none.
    package let basePath: String
    /// The value of `Authorization`.
    package let authorization: String
    /// The project's number, which an account must name.
    package let project: Int64?
    /// The project's token, which updates of profiles carry.
    package let token: String?
    /// A file of PEM certificates that vouch for the server's; nil for those that the system trusts.
    package let authorityPath: String?

    /// Reads an address.
    ///
    /// - Parameters:
    ///   - url: `https://host[:port][/path]`, with `account:secret@` before the host or not.
    ///   - credential: the project's secret, or an account's as `account:secret`; nil where the address has it.
    ///   - project: the project's number.
    ///   - token: the project's token.
    ///   - authorityPath: a file of PEM certificates that vouch for the server's.
    /// - Throws: `ConfigurationError` that says what is missing.
    package init(
        url: String, credential: String?, project: Int64?, token: String?, authorityPath: String?
    ) throws(ConfigurationError) {
        guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased(),
            let host = parts.host, !host.isEmpty, ["http", "https"].contains(scheme), parts.query == nil
        else { throw ConfigurationError("--url must be an address like https://id.example.com") }
        isTLS = scheme == "https"
        self.host = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        port = parts.port ?? (isTLS ? 443 : 80)
        var path = parts.percentEncodedPath
        while path.hasSuffix("/") { path.removeLast() }
        if path.hasSuffix("/import") { path.removeLast("/import".count) }
        basePath = path
        var given = credential
        if let name = parts.user, !name.isEmpty { given = "\(name):\(parts.password ?? "")" }
        guard let given, !given.isEmpty else {
            throw ConfigurationError(
                "a server takes imports with a credential only: give the project's secret in SELFSAME_SECRET, in a "
                    + "file with --secret-file, or an account's as account:secret")
        }
        // A secret is a name with an empty password (P 5.1).
        authorization = "Basic " + Data((given.contains(":") ? given : given + ":").utf8).base64EncodedString()
        self.project = project
        self.token = token
        self.authorityPath = authorityPath
        if let colon = given.firstIndex(of: ":"), given.index(after: colon) != given.endIndex, project == nil {
            throw ConfigurationError("an account must say which project it means: give its number with --project")
        }
    }

    /// The path and query of a request.
    func target(_ path: String, _ options: [(name: String, value: String)]) -> String {
        var options = options
        if let project { options.append(("project_id", String(project))) }
        let query = options.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
        return basePath + path + (query.isEmpty ? "" : "?" + query)
    }

    /// What `Host` says.
    var hostField: String {
        let shown = host.contains(":") ? "[\(host)]" : host
        return port == (isTLS ? 443 : 80) ? shown : "\(shown):\(port)"
    }
}
