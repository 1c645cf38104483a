import IdentityEngine
import MixpanelWire
import Testing

/// Random requests.
///
/// The seed of a failure is in its message; `seed` set to it repeats the run.
struct RandomDecodeTests {
    private static let seed = UInt64.random(in: .min ... .max)
    private static let roundSeconds: Duration = .seconds(1)

    /// Runs a body with one seed after another until the time is over.
    private func forAWhile(_ body: (inout SeededGenerator, UInt64) -> Void) {
        let end = ContinuousClock.now + Self.roundSeconds
        var seed = Self.seed
        repeat {
            var random = SeededGenerator(seed: seed)
            body(&random, seed)
            seed &+= 1
        } while ContinuousClock.now < end
    }

    private func decoded(_ json: [UInt8], _ random: inout SeededGenerator, _ decoder: EventDecoder) -> Decoded {
        let endpoint: EventBatch.Endpoint = random.oneIn(2) ? .track : .import
        let project = random.pick([Project.original, Project.simplified, Project.legacy])
        var batch = EventBatch(
            origin: EventBatch.Origin(endpoint: endpoint, principal: "test"), receivedMilliseconds: now)
        let result = decoder.decode(
            Payload(json: json, isLines: random.oneIn(4)), into: &batch,
            projects: random.oneIn(2) ? Project.byToken : .fixed(project, mayMerge: random.oneIn(2)),
            strict: random.oneIn(2), nowMilliseconds: now)
        return Decoded(result: result, batch: batch)
    }

    @Test(.timeLimit(.minutes(10)))
    func `the copy of any object is its normal form, however it was spelt`() {
        let decoder = EventDecoder()
        forAWhile { random, seed in
            let pairs = (0..<random.below(12)).map { _ in
                (key: RandomValue.randomKey(&random), value: RandomValue(depth: 3, &random))
            }
            let value = RandomValue.object(pairs)
            let record = #"{"event":"E","properties":\#(value.spelt(&random))}"#
            var batch = EventBatch(
                origin: EventBatch.Origin(endpoint: .import, principal: "test"), receivedMilliseconds: now)
            // A control character in a second record has the body read by our own scan.
            let usesOwnScan = random.oneIn(2)
            let body = usesOwnScan ? "[\(record),\"\u{1}\"]" : record
            let bytes = random.oneIn(2) ? LooseSpelling.bytes(of: body, &random) : Array(body.utf8)
            let result = decoder.decode(
                Payload(json: bytes), into: &batch, projects: .fixed(Project.original, mayMerge: true),
                strict: false, nowMilliseconds: now)
            let copy = Decoded(result: result, batch: batch).properties
            #expect(copy.map { Array($0.utf8) } == Array(value.normal.utf8), "seed \(seed): \(body)")
            #expect(result.rejections.count == (usesOwnScan ? 1 : 0), "seed \(seed)")
        }
    }

    @Test(.timeLimit(.minutes(10)))
    func `the copy of any operand is its normal form, however it was spelt`() {
        let decoder = ProfileDecoder()
        var limits = WireLimits()
        limits.profileNameScalars = 1000
        forAWhile { random, seed in
            let pairs = (0..<random.below(12)).map { _ in
                (key: RandomValue.randomKey(&random), value: RandomValue(depth: 5, &random))
            }
            let value = RandomValue.object(pairs)
            let verb = random.pick(["$set", "$set_once", "$append", "$remove", "$merge"])
            let record = update(#""\#(verb)":\#(value.spelt(&random))"#)
            // A control character in a second record has the body read by our own scan.
            let usesOwnScan = random.oneIn(2)
            let body = usesOwnScan ? "[\(record),\"\u{1}\"]" : record
            var batch = EventBatch(
                origin: EventBatch.Origin(endpoint: .engage, principal: "test"), receivedMilliseconds: now)
            let bytes = random.oneIn(2) ? LooseSpelling.bytes(of: body, &random) : Array(body.utf8)
            let result = decoder.decode(
                Payload(json: bytes), into: &batch, projects: Project.byToken, limits: limits)
            let copy = batch.profileUpdates.first?.operations.first.map { Array(batch.bytes[$0.operand.range]) }
            #expect(copy == Array(value.normal.utf8), "seed \(seed): \(body)")
            #expect(result.rejections.count == (usesOwnScan ? 1 : 0), "seed \(seed)")
        }
    }

    @Test(.timeLimit(.minutes(10)))
    func `no broken body breaks a promise of the decoder of updates`() {
        let decoder = ProfileDecoder()
        forAWhile { random, seed in
            let json = BrokenBody.bytes(&random, ofUpdates: true)
            let endpoint: EventBatch.Endpoint = random.oneIn(3) ? .groups : .engage
            let isLines = random.oneIn(4)
            func decoded(_ decoder: ProfileDecoder) -> Decoded {
                var batch = EventBatch(
                    origin: EventBatch.Origin(endpoint: endpoint, principal: "test"), receivedMilliseconds: now)
                let result = decoder.decode(
                    Payload(json: json, isLines: isLines), into: &batch, projects: Project.byToken)
                return Decoded(result: result, batch: batch)
            }
            let shared = decoded(decoder)
            let violation = DecodeInvariants.violation(shared.result, shared.batch)
            #expect(violation == nil, "seed \(seed): \(String(decoding: json, as: UTF8.self))")
            let fresh = decoded(ProfileDecoder())
            #expect(fresh.lines == shared.lines, "seed \(seed): buffers that were used before made a difference")
            #expect(fresh.rejections == shared.rejections, "seed \(seed)")
        }
    }

    @Test(.timeLimit(.minutes(10)))
    func `records of one body are read as each would be alone`() {
        let decoder = EventDecoder()
        forAWhile { random, seed in
            let records = SimilarRecords.records(&random)
            let isLines = random.oneIn(2)
            let endpoint: EventBatch.Endpoint = random.oneIn(2) ? .track : .import
            let project = random.pick([Project.original, Project.simplified, Project.legacy])
            var limits = WireLimits()
            if random.oneIn(4) { limits.properties = 6 }
            if random.oneIn(4) { limits.textScalars = 9 }
            func read(_ records: [String]) -> Decoded {
                let body = isLines ? records.joined(separator: "\n") : "[" + records.joined(separator: ",") + "]"
                var batch = EventBatch(
                    origin: EventBatch.Origin(endpoint: endpoint, principal: "test"), receivedMilliseconds: now)
                let result = decoder.decode(
                    Payload(json: Array(body.utf8), isLines: isLines), into: &batch,
                    projects: .fixed(project, mayMerge: true), strict: endpoint == .import, nowMilliseconds: now,
                    limits: limits)
                return Decoded(result: result, batch: batch)
            }
            let together = read(records)
            let alone = records.map { read([$0]) }
            let body = records.joined(separator: "\n")
            #expect(together.lines == alone.flatMap(\.lines), "seed \(seed): \(body)")
            #expect(
                together.rejections.map { $0.drop { $0 != " " } }
                    == alone.flatMap { $0.rejections.map { $0.drop { $0 != " " } } }, "seed \(seed): \(body)")
            #expect(
                together.batch.events.map { Int($0.recordIndex) }
                    == alone.indices.filter { !alone[$0].batch.events.isEmpty }, "seed \(seed): \(body)")
            let violation = DecodeInvariants.violation(together.result, together.batch)
            #expect(violation == nil, "seed \(seed): \(body)")
        }
    }

    @Test(.timeLimit(.minutes(10)))
    func `a record with a bad byte costs no other record of its body, however those are spelt`() {
        let decoder = EventDecoder()
        forAWhile { random, seed in
            let records = SimilarRecords.records(&random)
            let isLines = random.oneIn(2)
            func read(_ records: [[UInt8]]) -> Decoded {
                let body =
                    isLines
                    ? records.joined(separator: [0x0A])
                    : [[0x5B] + records.joined(separator: [0x2C]) + [0x5D]].joined(separator: [])
                var batch = EventBatch(
                    origin: EventBatch.Origin(endpoint: .track, principal: "test"), receivedMilliseconds: now)
                let result = decoder.decode(
                    Payload(json: Array(body), isLines: isLines), into: &batch,
                    projects: .fixed(Project.original, mayMerge: true), strict: false, nowMilliseconds: now)
                return Decoded(result: result, batch: batch)
            }
            let place = random.below(records.count + 1)
            var texts = records.map { LooseSpelling.bytes(of: $0, &random) }
            texts.insert(LooseSpelling.badRecord(&random), at: place)
            let loose = read(texts)
            let alone = read(records.map { Array($0.utf8) })
            #expect(loose.lines == alone.lines, "seed \(seed)")
            #expect(
                loose.result.rejections.map(\.index)
                    == (alone.result.rejections.map { $0.index < place ? $0.index : $0.index + 1 } + [place]).sorted(),
                "seed \(seed)")
            let violation = DecodeInvariants.violation(loose.result, loose.batch)
            #expect(violation == nil, "seed \(seed)")
        }
    }

    @Test(.timeLimit(.minutes(10)))
    func `no broken body breaks a promise of the decoder`() {
        let decoder = EventDecoder()
        forAWhile { random, seed in
            let json = BrokenBody.bytes(&random)
            var again = random
            let shared = decoded(json, &random, decoder)
            let violation = DecodeInvariants.violation(shared.result, shared.batch)
            #expect(violation == nil, "seed \(seed): \(String(decoding: json, as: UTF8.self))")
            let fresh = decoded(json, &again, EventDecoder())
            #expect(fresh.lines == shared.lines, "seed \(seed): buffers that were used before made a difference")
        }
    }
}

/// A body of plausible records in which a few bytes are wrong.
enum BrokenBody {
    private static let pieces = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800", "0", "-", "1e9", "true", "nul", " ", "\n", "\u{1}",
        "é",
        #""event""#, #""properties""#, #""token""#, #""distinct_id""#, #""$insert_id""#, #""time""#, #""$device_id""#,
        #""$user_id""#, #""$identify""#, #""$distinct_ids""#, #""$anon_id""#, "[[[[", #"{"event":"#, "\u{FEFF}",
    ]

    static func bytes(_ random: inout SeededGenerator, ofUpdates: Bool = false) -> [UInt8] {
        var records: [String] = []
        for _ in 0..<random.below(4) { records.append(ofUpdates ? update(&random) : record(&random)) }
        let text =
            random.oneIn(3) ? records.joined(separator: "\n") : "[" + records.joined(separator: ",") + "]"
        var bytes = Array(text.utf8)
        for _ in 0..<random.below(4) where !bytes.isEmpty {
            let position = random.below(bytes.count)
            switch random.below(5) {
            case 4: bytes.insert(contentsOf: LooseSpelling.piece(&random), at: position)
            case 0: bytes.remove(at: position)
            case 1: bytes[position] = random.oneIn(8) ? UInt8(random.below(256)) : UInt8(random.below(128))
            case 2: bytes.insert(contentsOf: random.pick(pieces).utf8, at: position)
            default: bytes.removeSubrange(position..<min(bytes.count, position + random.below(8)))
            }
        }
        return bytes
    }

    private static func update(_ random: inout SeededGenerator) -> String {
        var pairs = [#""$token":"\#(random.pick(["aaaa", "bbbb", "zzzz", ""]))""#]
        for _ in 0..<1 + random.below(6) {
            let key = random.pick([
                "$distinct_id", "$group_key", "$group_id", "$set", "$set_once", "$add", "$append", "$union", "$remove",
                "$unset", "$merge", "$delete", "$ignore_alias", "x",
            ])
            let value =
                random.oneIn(2)
                ? RandomValue(depth: 4, &random).spelt(&random)
                : random.pick([
                    #""u1""#, "7", "true", "[]", "{}", #"["a"]"#, #"{"a":1,"b":2,"a":3}"#, #"{"a":["x"]}"#,
                ])
            pairs.append(#""\#(key)":\#(value)"#)
        }
        return "{\(pairs.shuffled(using: &random).joined(separator: ","))}"
    }

    private static func record(_ random: inout SeededGenerator) -> String {
        let name = random.pick(["View", "$identify", "$create_alias", "$merge", "", "é", "\\ud800"])
        var pairs = [#""token":"\#(random.pick(["aaaa", "bbbb", "cccc", "zzzz", ""]))""#]
        let keys = [
            "time", "distinct_id", "$insert_id", "$identified_id", "$anon_id", "$anon_distinct_id", "alias",
            "$device_id",
            "$user_id", "$failure_reason", "x",
        ]
        for _ in 0..<random.below(8) {
            let value =
                random.oneIn(3)
                ? RandomValue(depth: 4, &random).spelt(&random)
                : random.pick([#""u1""#, #""$device:d1""#, "7", #""none""#, "1699999999", #""a-b""#, "null", #""""#])
            pairs.append(#""\#(random.pick(keys))":\#(value)"#)
        }
        if random.oneIn(3) {
            pairs.append(#""$distinct_ids":\#(random.pick([#"["a","b"]"#, "[1,2]", "[]", "[[],{}]"]))"#)
        }
        return #"{"event":"\#(name)","properties":{\#(pairs.shuffled(using: &random).joined(separator: ","))}}"#
    }
}
