/// The JSON text of a request, found behind whatever wrapping the client chose (P 2).
package struct Payload: Sendable {
    package var options: RequestOptions
    /// JSON text, not yet looked at.
    package var json: [UInt8]
    /// Whether the sender said that each line is one record.
    package var isLines: Bool
    /// What to read instead where `json` turns out not to be JSON: a form that was cut at an unescaped `&` (P 2-5).
    var unsplit: [UInt8]?

    /// A payload that needs no unwrapping: a file's text, for example.
    ///
    /// - Parameters:
    ///   - json: One object, an array of objects, or an object a line.
    ///   - isLines: Whether each line is one record.
    package init(json: [UInt8], isLines: Bool = false) {
        self.options = RequestOptions()
        self.json = json
        self.isLines = isLines
    }

    private init(options: RequestOptions, json: [UInt8], isLines: Bool = false) {
        self.options = options
        self.json = json
        self.isLines = isLines
    }

    /// Unwraps a request.
    ///
    /// The options are there even where the payload is not, because they say how to answer.
    ///
    /// - Parameters:
    ///   - request: The request as it came.
    ///   - limits: Whose `bodyBytes` bounds the inflated body.
    /// - Returns: The options, and the payload or why there is none.
    package static func decode(
        _ request: WireRequest,
        limits: WireLimits = WireLimits()
    ) -> (options: RequestOptions, payload: Result<Payload, PayloadError>) {
        let query = QueryItems(request.query)
        let body: [UInt8]
        do throws(PayloadError) {
            body = try request.inflatedBody(limitBytes: limits.bodyBytes)
        } catch {
            return (RequestOptions(query: query, form: nil), .failure(error))
        }
        let kind = BodyKind(contentType: request.contentType, body: body)
        let form = kind == .form ? withoutLeadingSpace(body) : nil
        let options = RequestOptions(query: query, form: form.map { QueryItems($0) })
        do throws(PayloadError) {
            var payload = try found(options, kind, body)
            // Where the query has `data` too, that is the payload (P 1.2), which no form has cut.
            if let form, query.first("data") == nil { payload.unsplit = unsplitForm(form) }
            return (options, .success(payload))
        } catch {
            return (options, .failure(error))
        }
    }

    /// P 2-3, rule by rule.
    private static func found(
        _ options: RequestOptions,
        _ kind: BodyKind,
        _ body: [UInt8]
    ) throws(PayloadError) -> Payload {
        switch kind {
        case .json: return Payload(options: options, json: body)
        case .lines: return Payload(options: options, json: body, isLines: true)
        case .base64: return Payload(options: options, json: try json(trimmed(withoutByteOrderMark(body))))
        case .empty, .form: break
        }
        let value = trimmed((options.data ?? [])[...])
        guard !value.isEmpty else { throw .empty }
        return Payload(options: options, json: try json(value))
    }

    /// The JSON that a text is, or is the base64 of (P 2-5).
    private static func json(_ text: ArraySlice<UInt8>) throws(PayloadError) -> [UInt8] {
        if let first = text.first, isOpening(first) || isScalar(text) { return Array(text) }
        guard let bytes = Base64.decoded(text) else { throw .unreadable("payload is neither JSON nor base64") }
        return bytes
    }

    /// Whether a text looks like a JSON scalar, which is a payload without records (P 2-8).
    ///
    /// Base64 of an object or an array never does: it begins with `e` or `W`; with `I`, `C` or `D` where white space
    /// comes first; with `77u/` where a byte order mark does.
    private static func isScalar(_ text: ArraySlice<UInt8>) -> Bool {
        switch text.first ?? 0 {
        case UInt8(ascii: "\""): true
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): text.allSatisfy("0123456789+-.eE".utf8.contains)
        default: ["null", "true", "false"].contains { text.elementsEqual($0.utf8) }
        }
    }

    /// Everything from the first `=` to the last closing bracket, where that begins like JSON.
    private static func unsplitForm(_ form: [UInt8]) -> [UInt8]? {
        guard form.starts(with: "data=".utf8) else { return nil }
        let rest = trimmed(form.dropFirst(5))
        guard let first = rest.first, isOpening(first), rest.contains(UInt8(ascii: "&")) else { return nil }
        guard let last = rest.lastIndex(where: { $0 == UInt8(ascii: "}") || $0 == UInt8(ascii: "]") }) else {
            return nil
        }
        return Array(rest[...last])
    }
}

extension WireRequest {
    /// The body, inflated where the request says that it is compressed.
    ///
    /// - Parameter limitBytes: The most bytes that it may have.
    /// - Returns: The body.
    /// - Throws: `PayloadError` for a body that is too large, damaged, or encoded in a way that is not known.
    package func inflatedBody(limitBytes: Int) throws(PayloadError) -> [UInt8] {
        let encoding = contentEncoding.map { lowercasedTrimmed($0.utf8) } ?? ""
        guard !body.isEmpty else { return [] }
        switch encoding {
        case "", "identity":
            guard body.count <= limitBytes else { throw .tooLarge(limitBytes: limitBytes) }
            return body
        case "gzip", "x-gzip":
            do throws(Inflate.Failure) {
                return try Inflate.gunzip(body, limitBytes: limitBytes)
            } catch {
                switch error {
                case .tooLarge: throw .tooLarge(limitBytes: limitBytes)
                case .damaged: throw .unreadable("body is not valid gzip")
                }
            }
        default:
            throw .unreadable("Content-Encoding is not supported: use gzip or none")
        }
    }
}

/// Why a request has no payload.
package enum PayloadError: Error, Hashable, Sendable {
    /// The body, inflated, is over the limit.
    case tooLarge(limitBytes: Int)
    /// The body is not what its headers say; the text says why, without quoting it.
    case unreadable(String)
    /// There is no payload: "data, missing or empty".
    case empty
}

/// What a body is to be read as (P 2-3).
enum BodyKind {
    case empty
    case form
    case json
    case lines
    case base64

    init(contentType: String?, body: [UInt8]) {
        let type = contentType.map { lowercasedTrimmed($0.utf8.prefix { $0 != UInt8(ascii: ";") }) } ?? ""
        guard !body.isEmpty else {
            self = .empty
            return
        }
        switch type {
        case "application/x-www-form-urlencoded": self = startsLikeJSON(body) ? .json : .form
        case "application/json": self = .json
        case "application/x-ndjson", "application/ndjson", "application/jsonl": self = .lines
        default:
            let text = trimmed(withoutByteOrderMark(body))
            if text.starts(with: "data=".utf8) {
                self = .form
            } else if let first = text.first, isOpening(first) {
                self = .json
            } else if contains(text, "&data=") {
                self = .form
            } else {
                self = text.isEmpty ? .empty : .base64
            }
        }
    }
}

/// A text without the white space at its ends, its ASCII letters in lower case.
private func lowercasedTrimmed(_ text: some Sequence<UInt8>) -> String {
    let bytes = Array(text)
    return String(decoding: trimmed(bytes[...]).map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
}

private func isOpening(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") }

private func startsLikeJSON(_ body: [UInt8]) -> Bool {
    withoutByteOrderMark(body).first { !isJSONSpace($0) }.map(isOpening) ?? false
}

/// A form body from its first name on.
private func withoutLeadingSpace(_ body: [UInt8]) -> [UInt8] {
    let text = withoutByteOrderMark(body).drop(while: isJSONSpace)
    return text.count == body.count ? body : Array(text)
}

private func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var rest = bytes
    while let last = rest.last, isJSONSpace(last) { rest.removeLast() }
    return rest.drop(while: isJSONSpace)
}

/// A text without the mark U+FEFF at its start (P 2-11).
func withoutByteOrderMark(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
    bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
}

private func contains(_ bytes: ArraySlice<UInt8>, _ text: StaticString) -> Bool {
    var rest = bytes
    while let start = rest.firstIndex(of: text.bytes[0]) {
        rest = rest[start...]
        if rest.starts(with: text.bytes) { return true }
        rest = rest.dropFirst()
    }
    return false
}
