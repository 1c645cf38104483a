import MixpanelWire
import NIOHTTP1

/// The answers to what is no request of HTTP/1.
enum MalformedRequest {
    static func answer(to excess: HeadReader.Excess, limitBytes: Int) -> WireResponse {
        switch excess {
        case .line:
            Answer.failure(
                414,
                "the request line is longer than \(limitBytes) bytes (server.headSizeLimitBytes); send data by POST")
        case .fields:
            Answer.failure(431, "the headers are longer than \(limitBytes) bytes (server.headSizeLimitBytes)")
        }
    }

    static func answer(to error: HTTPParserError) -> WireResponse {
        if error == .headerOverflow { return Answer.failure(431, "there are too many headers") }
        return Answer.failure(400, "this is no request of HTTP/1.1: \(reason(error))")
    }

    private static func reason(_ error: HTTPParserError) -> String {
        switch error {
        case .invalidVersion: "the version cannot be read"
        case .invalidMethod: "the method cannot be read"
        case .invalidURL: "the target cannot be read"
        case .invalidHost, .invalidPort, .invalidPath, .invalidQueryString, .invalidFragment:
            "the target cannot be read"
        case .invalidHeaderToken: "a header cannot be read"
        case .invalidContentLength, .unexpectedContentLength: "the length of the body cannot be known"
        case .invalidChunkSize: "a chunk of the body cannot be read"
        case .invalidEOFState: "it broke off"
        case .lfExpected: "a line does not end"
        default: "it cannot be read"
        }
    }
}
