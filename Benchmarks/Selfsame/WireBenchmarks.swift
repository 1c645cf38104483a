import Foundation
import IdentityEngine
import MixpanelWire

/// What it costs to turn the body of a request into checked events: unwrapping, decoding, validating, copying.
struct WireBenchmarks {
    let runs: Int
    let isQuick: Bool

    private static let eventCount = 2_000
    private static let project = RecordProject(project: ProjectID(1), system: .original)

    /// A request, and what must come of it.
    private struct Case {
        let name: String
        let request: WireRequest
        /// Bytes of JSON that one request holds.
        let jsonBytes: Int
        let events: Int
        let isStrict: Bool
    }

    /// Runs all of them, or one.
    ///
    /// - Parameters:
    ///   - name: the one to run; nil for all.
    ///   - path: where to write the array for the reference program; nil for nowhere.
    /// - Throws: `BenchmarkFailure` where a body is not decoded whole.
    func run(only name: String?, writingBodyTo path: String?) throws {
        let array = SampleEvents.json(count: Self.eventCount)
        if let path, !FileManager.default.createFile(atPath: path, contents: Data(array)) {
            throw BenchmarkFailure("\(path) cannot be written")
        }
        Console.note("wire: \(Self.eventCount) events, \(array.count) bytes of JSON")
        if name == nil || name == "wire.foundation.json" { try parseWithFoundation(array) }
        let batches = [
            "wire.import.json", "wire.track.json", "wire.import.gzip", "wire.import.ndjson", "wire.track.form",
            "wire.track.units",
        ]
        for each in batches where name == nil || name == each {
            try decode(try batch(each, array), iterations: isQuick ? 20 : 60, unit: "MB/s")
        }
        if name == nil || name == "wire.identify.form" {
            try decode(single, iterations: isQuick ? 20_000 : 60_000, unit: "requests/s")
        }
    }

    private static let formType = "application/x-www-form-urlencoded"
    private static let jsonType = "application/json"

    /// A request of many events.
    private func batch(_ name: String, _ array: [UInt8]) throws -> Case {
        let request: WireRequest
        switch name {
        case "wire.import.gzip": request = .post("/import", Self.jsonType, try gzipped(array), encoding: "gzip")
        case "wire.import.ndjson":
            let lines = SampleEvents.json(count: Self.eventCount, isLines: true)
            request = .post("/import", "application/x-ndjson", lines)
        case "wire.track.json": request = .post("/track", Self.jsonType, array)
        case "wire.track.form": request = .post("/track", Self.formType, Self.form(array))
        case "wire.track.units": request = .post("/track", Self.jsonType, Self.withOneEmoji)
        default: request = .post("/import", Self.jsonType, array)
        }
        return Case(
            name: name, request: request, jsonBytes: array.count, events: Self.eventCount,
            isStrict: request.path == "/import")
    }

    /// As many events, one of which has an emoji as mixpanel-js spells it: no UTF-8, which the whole body pays for.
    private static var withOneEmoji: [UInt8] {
        var body = SampleEvents.json(count: eventCount - 1).dropLast()
        body += #",{"event":"Tree","properties":{"token":"\#(SampleEvents.token)","distinct_id":"u","t":""#.utf8
        body += [0xED, 0xA0, 0xBC, 0xED, 0xBC, 0xB3]
        body += #""}}]"#.utf8
        return Array(body)
    }

    /// One `$identify` as an SDK sends it.
    private var single: Case {
        let json = Self.identifyJSON
        return Case(
            name: "wire.identify.form", request: .post("/track", Self.formType, Self.form(json)),
            jsonBytes: json.count, events: 1, isStrict: false)
    }

    private static func form(_ json: [UInt8]) -> [UInt8] {
        var form = Array("data=".utf8)
        form.append(percentEncoded: json)
        return form
    }

    private func decode(_ wire: Case, iterations: Int, unit: String) throws {
        var result = Measurement(name: wire.name, unit: unit, detail: "\(wire.request.body.count) bytes as sent")
        let decoder = EventDecoder()
        let token = Array(SampleEvents.token.utf8)
        for _ in 0..<runs {
            let time = try Elapsed.measure {
                for _ in 0..<iterations { try decode(wire, by: decoder, token: token) }
            }
            let isBytes = unit == "MB/s"
            let done = isBytes ? Double(iterations * wire.jsonBytes) / 1e6 : Double(iterations)
            result.runs.append(done / time.processor)
        }
        result.report()
    }

    private func decode(_ wire: Case, by decoder: EventDecoder, token: [UInt8]) throws {
        let isImport = wire.request.path == "/import"
        let origin = EventBatch.Origin(endpoint: isImport ? .import : .track, principal: isImport ? "secret" : "token")
        var batch = EventBatch(origin: origin, receivedMilliseconds: SampleEvents.nowMilliseconds)
        let selection =
            isImport
            ? ProjectSelection.fixed(Self.project, mayMerge: true)
            : .byToken { token.elementsEqual($0) ? Self.project : nil }
        let payload = try Payload.decode(wire.request).payload.get()
        let result = decoder.decode(
            payload, into: &batch, projects: selection, strict: wire.isStrict,
            nowMilliseconds: SampleEvents.nowMilliseconds)
        guard result.failure == nil, result.rejections.isEmpty, result.unknownTokenRecords == 0,
            batch.events.count == wire.events
        else { throw BenchmarkFailure("\(wire.name): \(batch.events.count) of \(wire.events) events: \(result)") }
    }

    /// The same bytes into a tree of objects, which nothing on the way of an event may do.
    private func parseWithFoundation(_ array: [UInt8]) throws {
        var result = Measurement(name: "wire.foundation.json", unit: "MB/s", detail: "JSONSerialization, same bytes")
        let text = Data(array)
        let iterations = isQuick ? 2 : 5
        for _ in 0..<runs {
            let time = try Elapsed.measure {
                for _ in 0..<iterations {
                    let tree = try JSONSerialization.jsonObject(with: text) as? [Any]
                    guard tree?.count == Self.eventCount else { throw BenchmarkFailure("Foundation read no array") }
                }
            }
            result.runs.append(Double(iterations * array.count) / 1e6 / time.processor)
        }
        result.report()
    }

    private static var identifyJSON: [UInt8] {
        var text = Array(#"{"event":"$identify","properties":{"$identified_id":"customer-1","$anon_id":""#.utf8)
        text += DistinctID.device(1).bytes
        text.append(#"","token":"\#(SampleEvents.token)"}}"#)
        return text
    }

    /// The bytes as `gzip` makes them, which every machine has.
    private func gzipped(_ bytes: [UInt8]) throws -> [UInt8] {
        let folder = FileManager.default.temporaryDirectory
        let source = folder.appendingPathComponent("selfsame-bench-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: source) }
        try Data(bytes).write(to: source)
        let gzip = Process()
        gzip.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        gzip.arguments = ["gzip", "--stdout", source.path]
        let output = Pipe()
        gzip.standardOutput = output
        try gzip.run()
        let compressed = output.fileHandleForReading.readDataToEndOfFile()
        gzip.waitUntilExit()
        guard gzip.terminationStatus == 0 else { throw BenchmarkFailure("gzip failed") }
        return Array(compressed)
    }
}

extension WireRequest {
    fileprivate static func post(
        _ path: String, _ contentType: String, _ body: [UInt8], encoding: String? = nil
    ) -> WireRequest {
        WireRequest(method: .post, path: path, contentType: contentType, contentEncoding: encoding, body: body)
    }
}

extension [UInt8] {
    /// Appends bytes as `encodeURIComponent` writes them.
    fileprivate mutating func append(percentEncoded bytes: [UInt8]) {
        for byte in bytes {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: append(byte)
            case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "~"): append(byte)
            default:
                append(UInt8(ascii: "%"))
                for digit in [byte >> 4, byte & 15] { append(digit < 10 ? 0x30 + digit : 0x37 + digit) }
            }
        }
    }
}
