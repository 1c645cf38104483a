package import IdentityEngine

/// The answers of Mixpanel's endpoints, byte for byte (P 4).
package enum Answer {
    /// Answers a request whose records were read, or could not be.
    ///
    /// A client endpoint answers 200 to whatever a retry cannot repair, because SDKs would repeat anything else for
    /// ever (P 3.2-1); only an oversized body is 413. /import says more, and in strict mode says it with the status.
    ///
    /// - Parameters:
    ///   - result: What became of the records.
    ///   - options: How the request wants its answer.
    ///   - endpoint: The door it came through.
    /// - Returns: The answer.
    package static func answer(
        to result: DecodeResult,
        options: RequestOptions,
        endpoint: EventBatch.Endpoint
    ) -> WireResponse {
        switch result.failure {
        case .tooLarge(let limitBytes)?: return tooLarge(limitBytes: limitBytes)
        case .tooManyRecords(let limit)? where endpoint == .import: return tooManyRecords(limit: limit)
        default: break
        }
        guard options.answerMode != .strict else { return strict(result, endpoint: endpoint) }
        return verdict(error: plainError(of: result), options: options)
    }

    /// Answers with a verdict on the request as a whole, in any mode but strict.
    ///
    /// - Parameters:
    ///   - error: What is wrong; nil where every record is in order.
    ///   - options: How the request wants its answer.
    /// - Returns: The answer, with status 200.
    package static func verdict(error: String?, options: RequestOptions) -> WireResponse {
        let digit: [UInt8] = [error == nil ? UInt8(ascii: "1") : UInt8(ascii: "0")]
        switch options.answerMode {
        case .image:
            return WireResponse(
                status: 200, contentType: "image/gif", headers: [("Cache-Control", "no-store")], body: transparentPixel)
        case .callback(let function, let verbose):
            var body = Array(function.utf8)
            body.append(UInt8(ascii: "("))
            body += verbose ? verboseBody(error) : digit
            JSONText.appendLiteral(");", to: &body)
            return WireResponse(
                status: 200, contentType: "text/javascript; charset=utf-8",
                headers: [("X-Content-Type-Options", "nosniff")], body: body)
        case .verbose, .strict:
            return WireResponse(status: 200, contentType: json, body: verboseBody(error))
        case .plain:
            return WireResponse(status: 200, contentType: "text/plain; charset=utf-8", body: digit)
        }
    }

    /// The text of the first fault, as verbose answers give it (P 4.2).
    ///
    /// - Parameter result: What became of the records.
    /// - Returns: The text; nil where every record is in order.
    package static func plainError(of result: DecodeResult) -> String? {
        switch result.failure {
        case .empty?: return "data, missing or empty"
        case .unreadable(let reason)?: return reason
        case .tooManyRecords(let limit)?: return "request exceeds max limit of \(limit) records"
        case .tooLarge(let limitBytes)?: return "request exceeds max limit of \(limitBytes) bytes"
        case nil: break
        }
        guard let first = result.rejections.first else { return nil }
        return first.index == 0 ? first.plainText : "\(first.index): \(first.plainText)"
    }

    /// The content type of JSON answers.
    package static let json = "application/json"

    private static func verboseBody(_ error: String?) -> [UInt8] {
        var body: [UInt8] = []
        guard let error else {
            JSONText.appendLiteral(#"{"error":null,"status":1}"#, to: &body)
            return body
        }
        JSONText.appendLiteral(#"{"error":"#, to: &body)
        JSONText.appendJSONString(error, to: &body)
        JSONText.appendLiteral(#","status":0}"#, to: &body)
        return body
    }

    /// A GIF of one transparent pixel (P 4.7).
    private static let transparentPixel: [UInt8] = [
        0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0x01, 0x00, 0x01, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF,
        0xFF,
        0x21, 0xF9, 0x04, 0x01, 0x00, 0x00, 0x00, 0x00, 0x2C, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00,
        0x02,
        0x02, 0x44, 0x01, 0x00, 0x3B,
    ]
}
