package import MixpanelWire

/// What the server answers: bytes, or a body that is written while it is read from the store.
package enum Reply: Sendable {
    case whole(WireResponse)
    case stream(StreamedReply)
}

/// A body of unknown length.
package struct StreamedReply: Sendable {
    package let contentType: String
    package let headers: [(name: String, value: String)]
    /// The body in pieces; the next is made when the client has room for it.
    package let pieces: any AsyncSequence<[UInt8], any Error> & Sendable
    /// Keeps the stream's place among those that are written at once.
    package var place: StreamPlaces.Place?
    /// Called when the client is gone, perhaps after the end.
    package var whenGone: (@Sendable () -> Void)?
}

/// A fault of a request to one of our own endpoints: the status, and what is wrong and what is allowed.
struct QueryFault: Error, Sendable {
    let status: Int
    let message: String
    var retryAfterSeconds: Int?

    static func badRequest(_ message: String) -> QueryFault { QueryFault(status: 400, message: message) }

    static func unavailable(_ message: String) -> QueryFault {
        QueryFault(status: 503, message: message, retryAfterSeconds: 1)
    }
}

extension WireResponse {
    /// The same answer, telling when to come again; nothing for nil.
    func retrying(afterSeconds seconds: Int?) -> WireResponse {
        guard let seconds else { return self }
        var response = self
        response.headers.append(("Retry-After", String(seconds)))
        return response
    }

    /// The same answer with a line's end behind it, so that a prompt does not stand behind it on a terminal.
    func endingItsLine() -> WireResponse {
        guard let last = body.last, last != UInt8(ascii: "\n") else { return self }
        var response = self
        response.body.append(UInt8(ascii: "\n"))
        return response
    }
}

extension Answer {
    /// A failure as a client endpoint tells it (P 3.2-2, 4.2-3).
    ///
    /// Of a request whose body was not read, or cannot be, the options of the query are all that is known.
    static func clientFailure(
        _ failure: WireResponse, to request: WireRequest, isOverloadUnavailable: Bool
    ) -> WireResponse {
        let isVerbose =
            failure.isVerboseFailure
            || RequestOptions(query: QueryItems(request.query), form: nil).wantsVerboseFailure
        let response = isOverloadUnavailable && failure.status == 429 ? unavailableForNow(failure) : failure
        return isVerbose ? response.asVerboseFailure : response
    }

    /// 503 with the delay of a 429.
    private static func unavailableForNow(_ tooMany: WireResponse) -> WireResponse {
        let delay = tooMany.headers.first { $0.name == "Retry-After" }.flatMap { Int($0.value) }
        return unavailable(
            "the server takes no more at this rate; send the request again after Retry-After",
            retryAfterSeconds: delay ?? 1)
    }

    /// 405, with the methods that are allowed.
    static func methodNotAllowed(_ allowed: [String]) -> WireResponse {
        let names = allowed.joined(separator: ", ")
        var response = failure(405, "the method is not allowed here; allowed are \(names)")
        response.headers.append(("Allow", names))
        return response
    }
}
