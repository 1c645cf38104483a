/// An answer, byte for byte.
package struct WireResponse: Sendable {
    package var status: Int
    /// The value of `Content-Type`; nil where there is no body.
    package var contentType: String?
    /// The other headers, but for those that the transport sets itself.
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    /// An answer; whatever is not given is absent.
    package init(
        status: Int,
        contentType: String? = nil,
        headers: [(name: String, value: String)] = [],
        body: [UInt8] = []
    ) {
        self.status = status
        self.contentType = contentType
        self.headers = headers
        self.body = body
    }
}
