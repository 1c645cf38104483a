import Foundation
import IdentityEngine
import MixpanelWire
import Testing

/// Each folder of `Fixtures` is a request, and what is answered and kept.
///
/// `UPDATE_GOLDEN=1` writes what is found.
struct GoldenTests {
    private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")

    static let cases: [String] =
        ((try? FileManager.default.contentsOfDirectory(atPath: fixtures.path)) ?? []).filter { !$0.hasPrefix(".") }
        .sorted()

    @Test func `there are fixtures`() {
        #expect(Self.cases.count >= 80)
    }

    @Test(arguments: GoldenTests.cases)
    func `a request is answered and kept as before`(_ name: String) throws {
        let folder = Self.fixtures.appending(path: name)
        let request = try #require(
            GoldenRequest(try String(contentsOf: folder.appending(path: "request.txt"), encoding: .utf8)))
        let found = request.outcome()
        let expectedFile = folder.appending(path: "expected.txt")
        if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
            try found.write(to: expectedFile, atomically: true, encoding: .utf8)
        }
        #expect(try String(contentsOf: expectedFile, encoding: .utf8) == found)
    }
}

/// A request as a fixture writes it: request line, headers, an empty line, the body without its last line break.
///
/// `Body: base64` says that the body is bytes in base64. `Authorization: token` and `Authorization: secret` stand for
/// the two kinds of credential; the project is Original but for `Project: simplified` or `Project: legacy`.
struct GoldenRequest {
    private var wire = WireRequest()
    private var project = Project.original
    private var mayMerge = false

    init?(_ text: String) {
        let parts = text.split(separator: "\n\n", maxSplits: 1, omittingEmptySubsequences: false)
        let lines = parts[0].split(separator: "\n").map(String.init)
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count == 2 else { return nil }
        let target = words[1].split(separator: "?", maxSplits: 1)
        wire.method = words[0] == "GET" ? .get : .post
        wire.path = String(target[0])
        wire.query = target.count == 2 ? Array(target[1].utf8) : []
        var body = parts.count == 2 ? Array(parts[1].utf8) : []
        if body.last == UInt8(ascii: "\n") { body.removeLast() }
        for line in lines.dropFirst() {
            let pair = line.split(separator: ": ", maxSplits: 1).map(String.init)
            guard pair.count == 2 else { return nil }
            switch pair[0] {
            case "Content-Type": wire.contentType = pair[1]
            case "Content-Encoding": wire.contentEncoding = pair[1]
            case "Origin": wire.origin = pair[1]
            case "Authorization": mayMerge = pair[1] == "secret"
            case "Project": project = pair[1] == "legacy" ? Project.legacy : Project.simplified
            case "Body":
                guard let bytes = Data(base64Encoded: Data(body), options: .ignoreUnknownCharacters) else { return nil }
                body = Array(bytes)
            default: return nil
            }
        }
        wire.body = body
    }

    /// The answer, the events and the updates, as a fixture writes them.
    func outcome() -> String {
        let endpoint: EventBatch.Endpoint =
            switch wire.path.split(separator: "/").first {
            case "import": .import
            case "engage": .engage
            case "groups": .groups
            default: .track
            }
        var batch = EventBatch(
            origin: EventBatch.Origin(endpoint: endpoint, principal: "test"), receivedMilliseconds: now)
        let (options, payload) = Payload.decode(wire)
        let result: DecodeResult
        switch payload {
        case .success(let payload) where endpoint == .engage || endpoint == .groups:
            result = ProfileDecoder().decode(payload, into: &batch, projects: Project.byToken)
        case .success(let payload):
            result = EventDecoder().decode(
                payload, into: &batch,
                projects: endpoint == .track ? Project.byToken : .fixed(project, mayMerge: mayMerge),
                strict: options.strict, nowMilliseconds: now)
        case .failure(let error): result = DecodeResult(payloadError: error)
        }
        let answer = Answer.answer(to: result, options: options, endpoint: endpoint)
        var lines = ["\(answer.status) \(answer.contentType ?? "-")"]
        lines += (answer.headers + CORS(wire).headers).map { "\($0.name): \($0.value)" }
        let isText = answer.contentType != "image/gif"
        lines += [
            "", isText ? String(decoding: answer.body, as: UTF8.self) : Data(answer.body).base64EncodedString(), "",
        ]
        lines += Decoded(result: result, batch: batch).lines
        return lines.joined(separator: "\n") + "\n"
    }
}
