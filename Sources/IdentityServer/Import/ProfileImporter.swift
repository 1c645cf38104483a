import IdentityEngine
package import IdentityStore
import MixpanelWire

/// Brings files of profiles into a store: what exports of profiles say, and updates as /engage and /groups take them.
package struct ProfileImporter: Sendable {
    private let store: any Store
    private let project: ProjectRecord
    private let clock: ServerClock

    /// - Parameters:
    ///   - store: where the profiles go.
    ///   - project: the project that they belong to, whatever token they carry.
    ///   - clock: the time of the updates.
    package init(store: any Store, project: ProjectRecord, clock: ServerClock) {
        self.store = store
        self.project = project
        self.clock = clock
    }

    /// Imports files.
    ///
    /// - Parameters:
    ///   - paths: the files: JSON or NDJSON, plain or gzip; `-` for standard input.
    ///   - tally: what they come to; added to.
    ///   - listener: who is told.
    /// - Throws: `ConfigurationError` for a file that cannot be read, `StoreError` for a store that cannot write.
    package func run(
        _ paths: [String], tally: inout Importer.Tally, listener: Importer.Listener
    ) async throws {
        let opener = FileDecoder(project: project, clock: clock, acceptsMissingTime: true)
        let decoder = ProfileRecordDecoder(project: project, limits: opener.limits)
        for path in paths {
            let before = tally.readBytes
            let stream = try opener.open(path)
            while !listener.isStopped(), let records = try RecordBatch.next(of: stream) {
                let decoded = decoder.decode(records, receivedMilliseconds: clock.nowMilliseconds)
                decoded.rejections.forEach(listener.rejected)
                _ = try await store.commit(
                    decoded.batches.filter { !$0.isEmpty }, by: [project.id: project.rules],
                    nowMilliseconds: clock.nowMilliseconds)
                tally.read += records.count
                tally.rejected += decoded.rejections.count
                tally.stored += decoded.batches.reduce(0) { $0 + $1.profileUpdates.count }
                tally.readBytes = before + stream.offsetBytes
                listener.progress(tally)
            }
        }
    }
}

/// Decodes records of profiles one by one, for one project.
struct ProfileRecordDecoder {
    let project: ProjectRecord
    let limits: WireLimits

    private let decoder = ProfileDecoder()

    init(project: ProjectRecord, limits: WireLimits) {
        self.project = project
        self.limits = limits
    }

    /// Decodes records.
    ///
    /// - Returns: the updates, in batches that are in order one after another, and what is wrong with the others.
    func decode(
        _ records: RecordBatch, receivedMilliseconds: Int64
    ) -> (batches: [EventBatch], rejections: [Importer.Rejection], taken: [Int]) {
        var batches: [EventBatch] = []
        var taken: [Int] = []
        var rejections = records.tooLarge.map {
            Importer.Rejection(
                path: records.path, place: $0, message: "the record is larger than \(limits.eventBytes) bytes")
        }
        for (index, text) in records.texts.enumerated() {
            let endpoint: EventBatch.Endpoint = ProfileRecord.isGroup(text) ? .groups : .engage
            if batches.last?.origin.endpoint != endpoint {
                batches.append(
                    EventBatch(
                        origin: EventBatch.Origin(endpoint: endpoint, principal: "command"),
                        receivedMilliseconds: receivedMilliseconds))
            }
            let result = decoder.decode(
                Payload(json: [UInt8(ascii: "[")] + ProfileRecord.update(text) + [UInt8(ascii: "]")], isLines: false),
                into: &batches[batches.count - 1],
                projects: .fixed(RecordProject(project: project.id, system: project.rules.system), mayMerge: true),
                limits: limits)
            let failure = result.failure == nil ? nil : Answer.plainError(of: result)
            guard let fault = result.rejections.first?.message ?? failure else {
                taken.append(index)
                continue
            }
            let place = JSONFault.place(in: text, beginningAt: records.places[index])
            rejections.append(Importer.Rejection(path: records.path, place: place, message: fault))
        }
        return (batches, rejections, taken)
    }
}

/// The text of a record about a profile.
enum ProfileRecord {
    /// Whether it is about a group.
    static func isGroup(_ text: [UInt8]) -> Bool { text.holds(Array(#""$group_key""#.utf8)) }

    /// The record as an update: an export's `$properties` are set.
    static func update(_ text: [UInt8]) -> [UInt8] {
        guard let key = member("$properties", of: text) else { return text }
        return Array(text[..<key.lowerBound]) + Array("$set".utf8) + Array(text[key.upperBound...])
    }

    /// The record with the token of its project, which /engage and /groups ask for.
    static func withToken(_ token: String, _ text: [UInt8]) -> [UInt8] {
        guard let brace = text.lastIndex(of: UInt8(ascii: "}")) else { return text }
        var field = JSONBuilder()
        field.object { $0.field("$token", token) }
        let rest = text[..<brace]
        let isBare = rest.allSatisfy { [0x20, 0x09, 0x0a, 0x0d, UInt8(ascii: "{")].contains($0) }
        // The last of two members of one name counts.
        return Array(rest) + (isBare ? [] : [UInt8(ascii: ",")]) + Array(field.bytes.dropFirst())
    }

    /// Where the name of a member of the record's object stands, without its quotes; nil where it has none.
    private static func member(_ name: String, of text: [UInt8]) -> Range<Int>? {
        var depth = 0
        var start: Int?
        var isEscaped = false
        var candidate: Range<Int>?
        for (offset, byte) in text.enumerated() {
            if let begin = start {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    start = nil
                    let isNamed = depth == 1 && text[begin..<offset].elementsEqual(name.utf8)
                    candidate = isNamed ? begin..<offset : nil
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): start = offset + 1
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: ":"): if let candidate { return candidate }
            default: break
            }
        }
        return nil
    }
}
