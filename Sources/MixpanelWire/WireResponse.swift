/// An answer, byte for byte.
package struct WireResponse: Sendable {
    package var status: Int
    /// The value of `Content-Type`; nil where there is no body.
    package var contentType: String?
    /// The other headers, but for those that the transport sets itself.
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    /// What the body says of a failure; nil where it tells of none, or in another shape.
    package var failureText: String?
    /// Whether the body says of a failure as verbose answers do (P 4.2-3).
    package private(set) var isVerboseFailure = false

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

extension WireResponse {
    /// The same failure with `status` as a number, which SDKs that ask for a verbose answer decode (P 4.2-3); any other
    /// answer as it is.
    package var asVerboseFailure: WireResponse {
        guard let failureText, !isVerboseFailure else { return self }
        var response = self
        response.isVerboseFailure = true
        response.body = []
        JSONText.appendLiteral(#"{"code":"#, to: &response.body)
        JSONText.appendNumber(status, to: &response.body)
        JSONText.appendLiteral(#","error":"#, to: &response.body)
        JSONText.appendJSONString(failureText, to: &response.body)
        JSONText.appendLiteral(#","status":0}"#, to: &response.body)
        return response
    }
}
