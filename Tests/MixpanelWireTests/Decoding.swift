import IdentityEngine
import MixpanelWire

/// The three projects that the tests send to; each one's token ends in its own letter.
enum Project {
    static let original = RecordProject(project: ProjectID(1001), system: .original)
    static let simplified = RecordProject(project: ProjectID(1002), system: .simplified)
    static let legacy = RecordProject(project: ProjectID(1003), system: .legacy)

    static var byToken: ProjectSelection {
        .byToken { token in
            switch String(decoding: token, as: UTF8.self) {
            case "aaaa": original
            case "bbbb": simplified
            case "cccc": legacy
            default: nil
            }
        }
    }
}

/// The tests' clock: 2023-11-14T22:13:20Z.
let now: Int64 = 1_700_000_000_000

/// A decoded request: what became of its records, and the events as text.
struct Decoded {
    var result: DecodeResult
    var batch: EventBatch

    /// One line per event and per update, absent parts left out.
    var lines: [String] { eventLines + updateLines }

    /// One line per update: the project's number, whose properties change, then each operator with its operand.
    var updateLines: [String] {
        batch.profileUpdates.map { update in
            let subject =
                switch update.subject {
                case .user(let id): text(id)
                case .group(let key, let id): "\(text(key))=\(text(id))"
                }
            let operations = update.operations.map { "\($0.verb)\(text($0.operand))" }
            let flags = [update.ignoresAlias ? "literal" : nil, update.ignoresTime ? "quiet" : nil]
            let parts = (["\(update.project)", subject] + flags).compactMap { $0 }
            return (parts + operations).joined(separator: " ")
        }
    }

    private var eventLines: [String] {
        batch.events.map { event in
            func part(_ name: String, _ slice: EventBatch.Slice) -> String? {
                slice.isEmpty ? nil : "\(name)=\(text(slice))"
            }
            let verb: String? = event.verb.map { "\($0)(\(text(event.primaryID)), \(text(event.secondaryID)))" }
            let filed = event.filedID == event.sentID ? nil : "filed=\(text(event.filedID))"
            let time = event.timeMilliseconds == now ? nil : "time=\(event.timeMilliseconds)"
            let parts: [String?] = [
                text(event.name), part("sent", event.sentID), filed, part("insert", event.insertID), time, verb,
                text(event.properties),
            ]
            return parts.compactMap { $0 }.joined(separator: " ")
        }
    }

    /// One line per rejection.
    var rejections: [String] { result.rejections.map { "\($0.index) \($0.field): \($0.message)" } }

    func text(_ slice: EventBatch.Slice) -> String { String(decoding: batch.bytes[slice.range], as: UTF8.self) }

    /// The properties of the only event; nil where there are more or fewer.
    var properties: String? { batch.events.count == 1 ? text(batch.events[0].properties) : nil }
}

/// Decodes a payload as /track does.
func track(_ json: String, isLines: Bool = false, limits: WireLimits = WireLimits()) -> Decoded {
    decode(Array(json.utf8), .track, Project.byToken, isLines: isLines, limits: limits)
}

/// Decodes a payload as /import does, with the secret of a project.
func importing(
    _ json: String,
    _ project: RecordProject = Project.original,
    strict: Bool = true,
    mayMerge: Bool = true,
    timeRequired: Bool = false,
    missingTime: Int64? = nil
) -> Decoded {
    decode(
        Array(json.utf8), .import, .fixed(project, mayMerge: mayMerge), strict: strict, timeRequired: timeRequired,
        missingTime: missingTime)
}

/// Decodes the bytes of a payload.
func decode(
    _ json: [UInt8],
    _ endpoint: EventBatch.Endpoint,
    _ projects: ProjectSelection,
    strict: Bool = false,
    isLines: Bool = false,
    timeRequired: Bool = false,
    missingTime: Int64? = nil,
    limits: WireLimits = WireLimits()
) -> Decoded {
    var batch = EventBatch(
        origin: EventBatch.Origin(endpoint: endpoint, principal: "test"), receivedMilliseconds: now)
    // What the batch held before must not matter.
    _ = batch.append("before".utf8)
    let result = EventDecoder().decode(
        Payload(json: json, isLines: isLines), into: &batch, projects: projects, strict: strict, nowMilliseconds: now,
        limits: limits, timeRequired: timeRequired, missingTimeMilliseconds: missingTime)
    return Decoded(result: result, batch: batch)
}

/// Decodes a payload as /engage does, or as /groups.
func updating(
    _ json: String, _ endpoint: EventBatch.Endpoint = .engage, isLines: Bool = false,
    limits: WireLimits = WireLimits()
) -> Decoded {
    var batch = EventBatch(
        origin: EventBatch.Origin(endpoint: endpoint, principal: "test"), receivedMilliseconds: now)
    // What the batch held before must not matter.
    _ = batch.append("before".utf8)
    let result = ProfileDecoder().decode(
        Payload(json: Array(json.utf8), isLines: isLines), into: &batch, projects: Project.byToken, limits: limits)
    return Decoded(result: result, batch: batch)
}

/// A profile update of the Original project, given the text of its other members.
func update(_ members: String, id: String = "u1") -> String {
    #"{"$token":"aaaa","$distinct_id":"\#(id)",\#(members)}"#
}

/// An event of the Original project, given the text of its other properties.
func event(_ properties: String, name: String = "View") -> String {
    let rest = properties.isEmpty ? "" : ",\(properties)"
    return #"{"event":"\#(name)","properties":{"token":"aaaa"\#(rest)}}"#
}
