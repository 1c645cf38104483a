extension Dispatcher {
    /// Case-sensitive, `//` collapsed, and one trailing slash taken off (P 1.1-2, 1.1-3).
    static func normalized(_ path: String) -> String {
        var bytes: [UInt8] = []
        for byte in path.utf8 where !(byte == UInt8(ascii: "/") && bytes.last == byte) { bytes.append(byte) }
        if bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
