import IdentityEngine
import MixpanelWire
import Testing

/// What a request that has invalid records is known by when it comes again (P 4.1-1b).
struct RecordHashTests {
    private static let key = RecordHashKey()
    private static let good = #"{"event":"e","properties":{"token":"aaaa","n":1}}"#
    private static let more = #"{"event":"e","properties":{"token":"aaaa","n":2}}"#

    private func decode(
        _ json: String, isLines: Bool = false, at endpoint: EventBatch.Endpoint = .track,
        key: RecordHashKey? = RecordHashTests.key
    ) -> (result: DecodeResult, batch: EventBatch) {
        var batch = EventBatch(
            origin: EventBatch.Origin(endpoint: endpoint, principal: "token"), receivedMilliseconds: now)
        let payload = Payload(json: Array(json.utf8), isLines: isLines)
        let result =
            endpoint == .track
            ? EventDecoder().decode(
                payload, into: &batch, projects: Project.byToken, strict: false, nowMilliseconds: now, hashKey: key)
            : ProfileDecoder().decode(payload, into: &batch, projects: Project.byToken, hashKey: key)
        return (result, batch)
    }

    private func hash(_ text: String, at endpoint: EventBatch.Endpoint = .track) -> RecordHash {
        Array(text.utf8).withUnsafeBytes { Self.key.hash(of: $0, sentTo: endpoint) }
    }

    @Test(arguments: [
        "17", "null", #""text""#, "[]", "[1,2]", "{}", #"{"event":"e"}"#, #"{"event": nonsense}"#,
        #"{"event":"e","properties":{"token":"aaaa"}} 7"#,
    ])
    func `each record is hashed by its own bytes, whatever stands around it`(_ bad: String) throws {
        for (json, isLines) in [
            ("[\(Self.good),\(bad),\(Self.more)]", false), ("[ \(Self.good) ,\n \(bad)\t, \(Self.more)\n]", false),
            ("\(Self.good)\n \(bad) \n\n\(Self.more)\n", true),
        ] {
            let (result, batch) = decode(json, isLines: isLines)
            let marks = try #require(result.repeatMarks(of: batch), "\(json)")
            #expect(marks.invalid == [hash(bad)], "\(json)")
            #expect(marks.events == [hash(Self.good), hash(Self.more)], "\(json)")
            #expect(result.rejections.map(\.record) == [Array(bad.utf8)], "\(json)")
        }
    }

    @Test func `updates are hashed, and are others through another door`() throws {
        let update = #"{"$token":"aaaa","$distinct_id":"u","$group_key":"k","$group_id":"g","$set":{"a":1}}"#
        var seen: Set<RecordHash> = [hash(update)]
        for endpoint in [EventBatch.Endpoint.engage, .groups] {
            let (result, batch) = decode("[{},\(update),\(update)]", at: endpoint)
            let marks = try #require(result.repeatMarks(of: batch))
            #expect(marks.updates == [hash(update, at: endpoint), hash(update, at: endpoint)])
            #expect(seen.insert(marks.updates[0]).inserted)
        }
        #expect(hash(update, at: .import) == hash(update, at: .track))
    }

    @Test func `a request without invalid records is not hashed`() {
        let (result, batch) = decode("[\(Self.good),\(Self.more)]")
        #expect(result.recordHashes.isEmpty)
        #expect(result.repeatMarks(of: batch) == nil)
        #expect(decode("[{}]", key: nil).result.recordHashes.isEmpty)
    }

    @Test func `of a record whose token no project has there are hashes, for a server that refuses it`() throws {
        let stranger = #"{"event":"e","properties":{"token":"nobody"}}"#
        var (result, batch) = decode("[\(stranger),\(Self.good)]")
        #expect(result.repeatMarks(of: batch) == nil)
        result.rejectUnknownTokens()
        #expect(try #require(result.repeatMarks(of: batch)).invalid == [hash(stranger)])
    }

    @Test func `records are left out by number, from the first on`() {
        var (result, batch) = decode("[{},\(Self.good),\(Self.more),\(Self.good),\(Self.good)]")
        batch.repeatMarks = result.repeatMarks(of: batch)
        result.rejections = []
        let project = Project.original.project
        #expect(batch.countsByHash == [project: [hash(Self.good): 3, hash(Self.more): 1]])
        #expect(batch.leaveOut([project: [hash(Self.good): 2]]) == [project: 2])
        #expect(batch.events.map(\.recordIndex) == [2, 4])
        #expect(batch.repeatMarks?.events == [hash(Self.more), hash(Self.good)])
    }

    @Test func `a key of its own gives other hashes`() {
        let other = RecordHashKey()
        let bytes = Array(Self.good.utf8)
        #expect(bytes.withUnsafeBytes { other.hash(of: $0, sentTo: .track) } != hash(Self.good))
    }
}
