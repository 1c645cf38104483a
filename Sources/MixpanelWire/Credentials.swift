/// What an `Authorization` header says, which nobody has checked yet (P 5.1, 5.2).
package enum Credentials: Hashable, Sendable {
    /// There is no header.
    case none
    /// A name and a password: a token or a secret with an empty password, or a service account.
    case basic(name: String, password: String)
    /// Another scheme, OAuth bearer among them, or a Basic value that cannot be read.
    case unsupported

    /// Reads a header.
    ///
    /// The value after `Basic` is base64, or plain text where it contains a colon, which base64 never does. It is
    /// split at the first colon; without one it is a name with an empty password, as data connectors send a secret.
    ///
    /// - Parameter header: The header's value; nil where there is none.
    package init(authorization header: String?) {
        guard let header else {
            self = .none
            return
        }
        let bytes = Array(header.utf8)
        let rest = bytes.drop(while: isJSONSpace)
        let scheme = rest.prefix { !isJSONSpace($0) }
        var value = rest.dropFirst(scheme.count).drop(while: isJSONSpace)
        while let last = value.last, isJSONSpace(last) { value.removeLast() }
        guard scheme.count == 5, zip(scheme, "basic".utf8).allSatisfy({ $0 | 0x20 == $1 }), !value.isEmpty else {
            self = .unsupported
            return
        }
        let isPlain = value.contains(UInt8(ascii: ":"))
        guard let pair = isPlain ? Array(value) : Base64.decoded(value),
            let name = String(validating: pair.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self),
            let password = String(validating: pair.drop { $0 != UInt8(ascii: ":") }.dropFirst(), as: UTF8.self)
        else {
            self = .unsupported
            return
        }
        self = .basic(name: name, password: password)
    }
}
