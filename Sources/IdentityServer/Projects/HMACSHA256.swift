import COpenSSL

/// HMAC with SHA-256 (RFC 2104), by the system's libcrypto.
enum HMACSHA256 {
    /// The length of a code.
    static let byteCount = 32

    /// The code of a message: 32 bytes.
    static func code(of message: [UInt8], key: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: byteCount)
        var length: UInt32 = 0
        let made = unsafe HMAC(
            EVP_sha256(), key, Int32(key.count), message, message.count, &code, &length)
        let isWhole = unsafe made != nil && Int(length) == byteCount
        precondition(isWhole, "libcrypto computes HMAC-SHA256 for every key and message")
        return code
    }
}
