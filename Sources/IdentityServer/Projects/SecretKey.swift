import Foundation

/// The key under which a data directory's secrets are kept (P 5.6).
///
/// A secret is 128 random bits and is the whole credential, so it is looked up by its digest: a salted hash could not
/// be.
package struct SecretKey: Sendable {
    private let key: [UInt8]

    /// A key for a store that is not kept.
    package init() { key = Self.randomBytes(count: 32) }

    /// The key in a file, which is made if it is not there, readable by its owner only.
    ///
    /// - Throws: `ConfigurationError` where the file can be neither read nor made, or is not a key.
    package init(contentsOf path: String) throws {
        if FileManager.default.fileExists(atPath: path) {
            guard let text = FileManager.default.contents(atPath: path) else {
                throw ConfigurationError("\(path) cannot be read; check its permissions")
            }
            let bytes = try Hex.bytes(String(decoding: text, as: UTF8.self).filter { !$0.isWhitespace }, in: path)
            guard bytes.count == 32 else {
                throw ConfigurationError("\(path) is not a key of 32 bytes; restore it from your backup")
            }
            key = bytes
            return
        }
        key = Self.randomBytes(count: 32)
        try PrivateFile.write(Hex.text(key) + "\n", to: path)
    }

    /// HMAC-SHA256 of a secret: 32 bytes.
    package func digest(of secret: String) -> [UInt8] {
        HMACSHA256.code(of: Array(secret.utf8), key: key)
    }

    /// HMAC-SHA256 of bytes that are no secret, under a name that keeps them apart from secrets: 32 bytes.
    func digest(of bytes: [UInt8], as name: StaticString) -> [UInt8] {
        HMACSHA256.code(of: Array("\(name)\0".utf8) + bytes, key: key)
    }

    /// Whether bytes have a digest, or begin with as much of it as is given; the time tells nothing.
    func isDigest(_ digest: some Collection<UInt8>, of bytes: [UInt8], as name: StaticString) -> Bool {
        let own = self.digest(of: bytes, as: name)
        guard digest.count >= 16, digest.count <= own.count else { return false }
        var difference: UInt8 = 0
        for (one, other) in zip(own, digest) { difference |= one ^ other }
        return difference == 0
    }

    /// 128 random bits, as 32 hexadecimal digits: a new secret or token.
    package static func makeSecret() -> String {
        Hex.text(randomBytes(count: 16))
    }

    /// Bytes of the system's random generator, which is fit for keys.
    private static func randomBytes(count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
}

enum Hex {
    static func text(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    static func bytes(_ text: String, in path: String) throws -> [UInt8] {
        let digits = text.utf8.map { UInt8(ascii: "0") <= $0 ? Int(String(UnicodeScalar($0)), radix: 16) : nil }
        guard digits.count % 2 == 0, digits.allSatisfy({ $0 != nil }) else {
            throw ConfigurationError("\(path) does not hold hexadecimal digits; restore it from your backup")
        }
        let known = digits.compactMap { $0 }
        return stride(from: 0, to: known.count, by: 2).map { UInt8(known[$0] << 4 | known[$0 + 1]) }
    }
}

/// Files that only their owner may read.
enum PrivateFile {
    /// - Throws: `ConfigurationError` where the file cannot be made.
    static func write(_ text: String, to path: String) throws {
        let isMade = FileManager.default.createFile(
            atPath: path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
        guard isMade else { throw ConfigurationError("\(path) cannot be written; check the directory's permissions") }
    }
}
