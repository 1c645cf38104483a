import MixpanelWire

extension Dispatcher {
    /// Whether an answer is JSON of a form of our own: that of one of our paths, or of a path that nothing answers.
    static func isOurs(_ response: WireResponse, to request: WireRequest) -> Bool {
        response.contentType == Answer.json
            && (response.status == 404 || OwnPaths.contains(normalized(request.path)))
    }

    /// Case-sensitive, `//` collapsed, and one trailing slash taken off (P 1.1-2, 1.1-3).
    static func normalized(_ path: String) -> String {
        var bytes: [UInt8] = []
        for byte in path.utf8 where !(byte == UInt8(ascii: "/") && bytes.last == byte) { bytes.append(byte) }
        if bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
