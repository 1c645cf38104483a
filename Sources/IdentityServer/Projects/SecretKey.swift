import Foundation

/// The key under which a data directory's secrets are kept (P 5.6).
///
/// A secret is 128 random bits and is the whole credential, so it is looked up by its digest: a salted hash could not
/// be.
package struct SecretKey: Sendable {
    private static let sizeBytes = 32

    private let key: [UInt8]

    /// A new key.
    package init() { key = Self.randomBytes(count: Self.sizeBytes) }

    /// The key in a file.
    ///
    /// - Throws: `ConfigurationError`, which says what is wrong with the file: it is not there, cannot be read, or does
    ///   not hold a key.
    package init(contentsOf path: String) throws {
        guard let text = FileManager.default.contents(atPath: path) else {
            throw ConfigurationError(
                FileManager.default.fileExists(atPath: path)
                    ? "\(path) cannot be read; check its permissions" : "\(path) is missing")
        }
        guard let bytes = Hex.bytes(String(decoding: text, as: UTF8.self).filter { !$0.isWhitespace }),
            bytes.count == Self.sizeBytes
        else { throw ConfigurationError("\(path) is not a key of \(Self.sizeBytes) bytes in hexadecimal digits") }
        key = bytes
    }

    /// What a file of the key holds.
    var text: String { Hex.text(key) + "\n" }

    /// What a store keeps to know its key by; it tells nothing of the key.
    var mark: Int32 {
        let bytes = digest(of: [], as: "mark of the key").prefix(4)
        let number = Int32(truncatingIfNeeded: bytes.reduce(0) { $0 << 8 | Int64($1) })
        // Zero is what a store says that does not know.
        return number == 0 ? 1 : number
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

    /// The bytes that digits say; nil where a character is no digit, or one is missing.
    static func bytes(_ text: String) -> [UInt8]? {
        let digits = text.utf8.compactMap { UInt8(ascii: "0") <= $0 ? Int(String(UnicodeScalar($0)), radix: 16) : nil }
        guard digits.count == text.utf8.count, digits.count % 2 == 0 else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}
