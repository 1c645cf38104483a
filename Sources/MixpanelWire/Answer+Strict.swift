import IdentityEngine

extension Answer {
    /// The answer of `strict=1` (P 4.4); on a client endpoint its status is 200 whatever it says (P 4.3).
    static func strict(_ result: DecodeResult, endpoint: EventBatch.Endpoint) -> WireResponse {
        var body: [UInt8] = []
        guard result.failure != nil || !result.rejections.isEmpty else {
            JSONText.appendLiteral(#"{"code":200,"num_records_imported":"#, to: &body)
            JSONText.appendNumber(result.validCount, to: &body)
            JSONText.appendLiteral(#","status":"OK"}"#, to: &body)
            return WireResponse(status: 200, contentType: json, body: body)
        }
        let isWholeRequest = result.failure != nil
        let error = isWholeRequest ? plainError(of: result) : "some data points in the request failed validation"
        JSONText.appendLiteral(#"{"code":400,"error":"#, to: &body)
        JSONText.appendJSONString(error ?? "", to: &body)
        JSONText.appendLiteral(#","failed_records":["#, to: &body)
        for (offset, rejection) in result.rejections.enumerated() where !isWholeRequest {
            if offset > 0 { JSONText.appendLiteral(",", to: &body) }
            append(rejection, to: &body)
        }
        JSONText.appendLiteral(#"],"num_records_imported":"#, to: &body)
        JSONText.appendNumber(isWholeRequest ? 0 : result.validCount, to: &body)
        JSONText.appendLiteral(#","status":"Bad Request"}"#, to: &body)
        return WireResponse(status: endpoint == .import ? 400 : 200, contentType: json, body: body)
    }

    private static func append(_ rejection: EventRejection, to body: inout [UInt8]) {
        JSONText.appendLiteral(#"{"index":"#, to: &body)
        JSONText.appendNumber(rejection.index, to: &body)
        JSONText.appendLiteral(#","insert_id":"#, to: &body)
        JSONText.appendJSONString(rejection.insertID, to: &body)
        // Clients look for either name (P 4.4-1).
        JSONText.appendLiteral(#","$insert_id":"#, to: &body)
        JSONText.appendJSONString(rejection.insertID, to: &body)
        JSONText.appendLiteral(#","field":"#, to: &body)
        JSONText.appendJSONString(rejection.field, to: &body)
        JSONText.appendLiteral(#","message":"#, to: &body)
        JSONText.appendJSONString(rejection.message, to: &body)
        JSONText.appendLiteral("}", to: &body)
    }

    /// 401 of /import: who is asking is not known.
    ///
    /// - Parameter error: One of the texts of P 5.4.
    /// - Returns: The answer.
    package static func unauthorized(_ error: String) -> WireResponse { coded(401, error, "Unauthorized") }

    /// 403 of /import: who is asking is known, and may not.
    ///
    /// - Parameter error: The text.
    /// - Returns: The answer.
    package static func forbidden(_ error: String) -> WireResponse { coded(403, error, "Forbidden") }

    /// 413 for a body over its limit, on every endpoint: it makes a client send less at a time.
    ///
    /// - Parameter limitBytes: The limit.
    /// - Returns: The answer.
    package static func tooLarge(limitBytes: Int) -> WireResponse {
        coded(413, "request exceeds max limit of \(limitBytes) bytes", "Request Entity Too Large")
    }

    /// 413 for too many records; on /import only.
    ///
    /// - Parameter limit: The limit.
    /// - Returns: The answer.
    package static func tooManyRecords(limit: Int) -> WireResponse {
        coded(413, "request exceeds max limit of \(limit) records", "Request Entity Too Large")
    }

    /// 429: come back later.
    ///
    /// The delay is whole seconds, since SDKs read nothing else (P 3.2-2).
    ///
    /// - Parameter retryAfterSeconds: The delay, at least 1.
    /// - Returns: The answer.
    package static func tooMany(retryAfterSeconds: Int) -> WireResponse {
        let error = "Project exceeded rate limits. Please retry the request with exponential backoff."
        return coded(429, error, "Too Many Requests", retryAfterSeconds: retryAfterSeconds)
    }

    /// 503: our own failure, which a retry may find repaired.
    ///
    /// - Parameters:
    ///   - error: What failed, without paths or ids.
    ///   - retryAfterSeconds: The delay, at least 1.
    /// - Returns: The answer.
    package static func unavailable(_ error: String, retryAfterSeconds: Int) -> WireResponse {
        coded(503, error, "Service Unavailable", retryAfterSeconds: retryAfterSeconds)
    }

    /// 500: our own failure, of which no more is known.
    ///
    /// - Parameter error: What failed, without paths or ids.
    /// - Returns: The answer.
    package static func internalError(_ error: String) -> WireResponse {
        coded(500, error, "Internal Server Error", retryAfterSeconds: 60)
    }

    /// 404, for a path that nothing answers (P 1.1-3).
    ///
    /// - Returns: The answer.
    package static func notFound() -> WireResponse { failure(404, "not found") }

    /// An error in our own shape, `{"error":…,"status":"error"}` (P 4.6).
    ///
    /// - Parameters:
    ///   - status: The HTTP status.
    ///   - error: The text.
    /// - Returns: The answer.
    package static func failure(_ status: Int, _ error: String) -> WireResponse {
        var body: [UInt8] = []
        JSONText.appendLiteral(#"{"error":"#, to: &body)
        JSONText.appendJSONString(error, to: &body)
        JSONText.appendLiteral(#","status":"error"}"#, to: &body)
        var response = WireResponse(status: status, contentType: json, body: body)
        response.failureText = error
        return response
    }

    /// A JSON answer.
    ///
    /// - Parameters:
    ///   - body: JSON text.
    ///   - status: The HTTP status.
    /// - Returns: The answer.
    package static func json(_ body: [UInt8], status: Int = 200) -> WireResponse {
        WireResponse(status: status, contentType: json, body: body)
    }

    /// The shape of P 4.4.
    private static func coded(
        _ code: Int,
        _ error: String,
        _ status: String,
        retryAfterSeconds: Int? = nil
    ) -> WireResponse {
        var body: [UInt8] = []
        JSONText.appendLiteral(#"{"code":"#, to: &body)
        JSONText.appendNumber(code, to: &body)
        JSONText.appendLiteral(#","error":"#, to: &body)
        JSONText.appendJSONString(error, to: &body)
        JSONText.appendLiteral(#","status":"#, to: &body)
        JSONText.appendJSONString(status, to: &body)
        JSONText.appendLiteral("}", to: &body)
        let headers = retryAfterSeconds.map { [(name: "Retry-After", value: String(max(1, $0)))] } ?? []
        var response = WireResponse(status: code, contentType: json, headers: headers, body: body)
        response.failureText = error
        return response
    }
}
