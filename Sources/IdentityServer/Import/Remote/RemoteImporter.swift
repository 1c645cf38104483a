import IdentityEngine
import IdentityStore
import MixpanelWire

/// Sends files of records to a running server, in the order in which an import into its directory would take them.
///
/// Records are read and checked here, so that what is wrong with one is told with its place, and one without a usable
/// insert id gets the same as in a directory. The log of an export goes to `POST /identity/log`, all else to
/// `POST /import` with `strict=0`.
package struct RemoteImporter {
    /// The most bytes of one request: what a proxy with default settings lets pass.
    static let sizeLimitBytes = 900_000
    /// The most requests that are spent on finding records that the server rejects.
    private static let searchLimit = 400

    private let uploader: (Importer.Listener) -> Uploader
    private let target: ImportTarget
    private let clock: ServerClock
    private let acceptsMissingTime: Bool

    /// - Parameters:
    ///   - target: the server.
    ///   - clock: the time, which no record's is after.
    ///   - acceptsMissingTime: whether a record without time is taken rather than rejected.
    package init(_ target: ImportTarget, clock: ServerClock, acceptsMissingTime: Bool) {
        self.target = target
        self.clock = clock
        self.acceptsMissingTime = acceptsMissingTime
        uploader = { Uploader(target: target, listener: $0) }
    }

    /// A record that is ready to be sent.
    struct Prepared: Sendable {
        let text: [UInt8]
        let path: String
        let place: RecordPlace
        var isStatement = false
    }

    /// Sends files.
    ///
    /// - Parameters:
    ///   - paths: the files; `-` for standard input.
    ///   - areProfiles: whether they hold profiles.
    ///   - tally: what they come to; added to.
    ///   - listener: who is told.
    /// - Throws: `ConfigurationError` for a file that cannot be read, or a server that does not take it.
    package func run(
        _ paths: [String], areProfiles: Bool, tally: inout Importer.Tally, listener: Importer.Listener
    ) async throws {
        var decoder = decoder(of: .original)
        let uploader = uploader(listener)
        if areProfiles {
            var upload = ProfileUpload(uploader, decoder: decoder)
            return try await upload.run(paths, tally: &tally)
        }
        var others: [OrderedRecords.Source] = []
        for path in paths {
            let stream = try decoder.open(path)
            guard let header = try stream.header() else {
                others.append(stream.isStream ? .stream(stream) : .file(path))
                continue
            }
            var upload = LogUpload(header, uploader)
            try await upload.run(stream, tally: &tally)
            if listener.isStopped() { return }
        }
        if others.isEmpty { return }
        decoder = self.decoder(of: try await uploader.identitySystem())
        var records = OrderedRecords(others, decoder: decoder, warn: listener.warned)
        var ordinals: [String: ContentOrdinals] = [:]
        var sender = RecordSender(uploader: uploader, searchesLeft: Self.searchLimit)
        let before = tally.readBytes
        while !listener.isStopped(), let batch = try records.next() {
            batch.rejections.forEach(listener.rejected)
            tally.count(batch)
            tally.lost += batch.ownLineCount
            let prepared = try Self.prepared(batch, &ordinals)
            try await sender.send(prepared, tally: &tally)
            tally.readBytes = before + batch.offsetBytes
            listener.progress(tally)
        }
    }

    private func decoder(of system: IdentitySystem) -> FileDecoder {
        let project = ProjectRecord(
            id: ProjectID(1), name: "", token: "", secretDigest: [], rules: MergeRules(system: system),
            createdMilliseconds: 0)
        // Which ids are reserved beside those that always are is for the server to say.
        return FileDecoder(
            project: project, clock: clock, acceptsMissingTime: acceptsMissingTime, reservedIDs: ReservedIDs(text: ""))
    }

    /// The records of a batch as they are sent: as they stand, with the time and the insert id that they get here.
    private static func prepared(
        _ batch: DecodedBatch, _ ordinals: inout [String: ContentOrdinals]
    ) throws -> [Prepared] {
        var events = batch.events
        let areDeduplicated = events.events.map(\.isDeduplicated)
        try ordinals[batch.path, default: ContentOrdinals()].fillDedupKeys(of: &events, path: batch.path)
        var prepared: [Prepared] = []
        for (index, event) in events.events.enumerated() {
            let insertID = areDeduplicated[index] ? event.insertID : event.dedupKey
            var added = JSONBuilder()
            added.object { json in
                json.field("time", json: timeText(event.timeMilliseconds).utf8)
                if !areDeduplicated[index] {
                    json.field("$insert_id", utf8: Array(events.bytes[insertID.range]))
                }
                // What stated nothing here must state nothing there.
                if case .none = batch.statements { json.field("$selfsame_revoked", 0) }
            }
            if let text = SentRecord.text(
                batch.texts[Int(event.recordIndex)], with: Array(added.bytes.dropFirst().dropLast()))
            {
                prepared.append(
                    Prepared(
                        text: text, path: batch.path, place: batch.places[Int(event.recordIndex)],
                        isStatement: event.verb != nil))
                continue
            }
            // A text that is more than a record is written anew.
            var json = JSONBuilder()
            json.object { json in
                json.field("event", utf8: Array(events.bytes[event.name.range]))
                json.object("properties") { json in
                    json.field("time", json: timeText(event.timeMilliseconds).utf8)
                    json.field("distinct_id", utf8: Array(events.bytes[event.filedID.range]))
                    if event.filedID != event.sentID {
                        json.field("$distinct_id_before_identity", utf8: Array(events.bytes[event.sentID.range]))
                    }
                    json.field("$insert_id", utf8: Array(events.bytes[insertID.range]))
                    json.members(of: Array(events.bytes[event.properties.range]))
                }
            }
            prepared.append(
                Prepared(
                    text: json.bytes, path: batch.path, place: batch.places[Int(event.recordIndex)],
                    isStatement: event.verb != nil))
        }
        return prepared
    }

    /// A time as a number that is read as it is meant: a small number is taken for seconds (P 6.1-2).
    private static func timeText(_ milliseconds: Int64) -> String {
        if milliseconds >= 100_000_000_000 || milliseconds < 0 { return String(milliseconds) }
        let rest = String(milliseconds % 1000)
        return "\(milliseconds / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }
}

/// Sends records to /import in requests that the server takes.
struct RecordSender {
    let uploader: Uploader
    /// How many requests may still be spent on finding records that the server rejects.
    var searchesLeft: Int
    /// What a request may hold at most, once the server has said that one was too large.
    private var sizeLimitBytes = RemoteImporter.sizeLimitBytes

    init(uploader: Uploader, searchesLeft: Int) {
        self.uploader = uploader
        self.searchesLeft = searchesLeft
    }

    /// Sends records, in order.
    ///
    /// - Throws: `ConfigurationError` where the server takes no more.
    mutating func send(_ records: [RemoteImporter.Prepared], tally: inout Importer.Tally) async throws {
        var rest = records[...]
        while !rest.isEmpty {
            var sizeBytes = 0
            let piece = rest.prefix(RecordBatch.recordLimit).prefix { record in
                sizeBytes += record.text.count + 1
                return sizeBytes <= sizeLimitBytes
            }
            let count = max(piece.count, 1)
            try await post(rest.prefix(count), tally: &tally)
            rest = rest.dropFirst(count)
        }
    }

    private mutating func post(
        _ records: ArraySlice<RemoteImporter.Prepared>, tally: inout Importer.Tally
    ) async throws {
        var body: [UInt8] = [UInt8(ascii: "[")]
        for record in records {
            if body.count > 1 { body.append(UInt8(ascii: ",")) }
            body += record.text
        }
        body.append(UInt8(ascii: "]"))
        switch try await send(body) {
        case .tooLarge(let message):
            guard let only = records.first, records.count > 1 else {
                return reject(records, message, tally: &tally)
            }
            sizeLimitBytes = max(only.text.count, min(sizeLimitBytes, body.count) / 2)
            try await halves(of: records, tally: &tally)
        case .taken(let reply):
            guard let fault = Uploader.fault(in: reply) else {
                return count(reply, records.count, tally: &tally)
            }
            if records.count == 1 { return reject(records, fault, tally: &tally) }
            guard searchesLeft > 0 else {
                uploader.listener.warned("the server rejects some of \(records.count) records: \(fault)")
                // Sent again, what is in order comes as a repeat.
                guard let repeated = Self.repeated(reply), case .taken(let again) = try await send(body),
                    let taken = Self.repeated(again)
                else { return count(reply, records.count, tally: &tally) }
                tally.repeated += min(repeated, taken)
                tally.stored += taken - min(repeated, taken)
                tally.rejected += records.count - taken
                return countOutcome(reply, tally: &tally)
            }
            searchesLeft -= 2
            guard let repeated = Self.repeated(reply) else {
                return try await halves(of: records, tally: &tally)
            }
            // What is in order is stored by now, and comes as a repeat from here on.
            countOutcome(reply, tally: &tally)
            let before = (stored: tally.stored, repeated: tally.repeated)
            try await halves(of: records, tally: &tally)
            let taken = tally.stored - before.stored + tally.repeated - before.repeated
            tally.repeated = before.repeated + min(repeated, taken)
            tally.stored = before.stored + taken - min(repeated, taken)
        }
    }

    private func send(_ body: [UInt8]) async throws -> Uploader.Result {
        let options = [("strict", "0"), ("verbose", "1"), ("count_repeats", "1")]
        return try await uploader.send(
            body, to: "/import", options.map { (name: $0.0, value: $0.1) }, contentType: "application/json")
    }

    /// How many records the server had already; nil where it does not say.
    private static func repeated(_ reply: UploadRequest.Reply) -> Int? {
        reply.header("x-selfsame-repeated").flatMap { Int($0) }
    }

    private mutating func halves(
        of records: ArraySlice<RemoteImporter.Prepared>, tally: inout Importer.Tally
    ) async throws {
        let middle = records.startIndex + records.count / 2
        try await post(records[..<middle], tally: &tally)
        try await post(records[middle...], tally: &tally)
    }

    private func reject(
        _ records: ArraySlice<RemoteImporter.Prepared>, _ message: String, tally: inout Importer.Tally
    ) {
        for record in records {
            tally.rejected += 1
            uploader.listener.rejected(
                Importer.Rejection(
                    path: record.path, place: record.place, message: "rejected by the server: \(message)"))
        }
    }

    private func count(_ reply: UploadRequest.Reply, _ records: Int, tally: inout Importer.Tally) {
        let repeated = Self.repeated(reply) ?? 0
        tally.repeated += repeated
        tally.stored += records - repeated
        countOutcome(reply, tally: &tally)
    }

    private func countOutcome(_ reply: UploadRequest.Reply, tally: inout Importer.Tally) {
        for part in (reply.header("x-selfsame-outcome") ?? "").split(separator: ",") {
            let words = part.split(separator: "=").map { $0.trimmingPrefix { $0 == " " } }
            guard words.count == 2, let number = Int(words[1]) else { continue }
            switch words[0] {
            case "merged": tally.merged += number
            case "unchanged": tally.unchanged += number
            case "refused": tally.refused += number
            default: break
            }
        }
    }
}
