import Foundation

/// Sends an export that begins with its log to `POST /identity/log`, in pieces each of which begins with what the log
/// begins with: the server knows from its own log how far it has come.
struct LogUpload {
    /// The most lines of one request.
    private static let lineLimit = 2000

    private let header: LogLine.Header
    private let uploader: Uploader
    private var piece: [RecordStream.Record] = []
    private var sizeBytes = 0

    init(_ header: LogLine.Header, _ uploader: Uploader) {
        self.header = header
        self.uploader = uploader
    }

    /// Sends what a stream holds.
    ///
    /// - Throws: `ConfigurationError` for a file that cannot be read, or a server that does not take it.
    mutating func run(_ stream: RecordStream, tally: inout Importer.Tally) async throws {
        let first = LogLine.text(of: header, isLine: true)
        // A line that is the header alone; a row that bears it is one of the rows.
        if let text = try stream.peek()?.text, LogLine.isOne(text) { _ = try stream.next() }
        let before = tally.readBytes
        do {
            while !uploader.listener.isStopped(), let record = try stream.next() {
                if let text = record.text, LogLine.isOne(text) {
                    _ = try stream.line(text, at: record.place, after: header)
                } else if let text = record.text {
                    try stream.checkRow(text, at: record.place, after: header)
                }
                let size = record.text?.count ?? 0
                if piece.count == Self.lineLimit || sizeBytes + size > RemoteImporter.sizeLimitBytes, !piece.isEmpty {
                    try await send(first, stream, &tally)
                    tally.readBytes = before + stream.offsetBytes
                }
                piece.append(record)
                sizeBytes += size
            }
        } catch let error as ConfigurationError {
            // What comes before damage is sound.
            try await send(first, stream, &tally)
            throw error
        }
        try await send(first, stream, &tally)
        tally.readBytes = before + stream.offsetBytes
        uploader.listener.progress(tally)
    }

    private mutating func send(_ first: [UInt8], _ stream: RecordStream, _ tally: inout Importer.Tally) async throws {
        let records = piece
        (piece, sizeBytes) = ([], 0)
        try await post(records[...], first, stream, &tally)
        uploader.listener.progress(tally)
    }

    private func post(
        _ records: ArraySlice<RecordStream.Record>, _ first: [UInt8], _ stream: RecordStream,
        _ tally: inout Importer.Tally
    ) async throws {
        if records.isEmpty { return }
        var body = first + [0x0a]
        for record in records {
            // A record that is too large is sent as an empty object, so that its place is told.
            body += record.text ?? Array("{}".utf8)
            body.append(0x0a)
        }
        let result = try await uploader.send(
            body, to: "/identity/log", [], contentType: "application/x-ndjson")
        switch result {
        case .tooLarge(let message):
            guard records.count > 1 else {
                tally.rejected += 1
                return uploader.listener.rejected(
                    Importer.Rejection(path: stream.path, place: records[records.startIndex].place, message: message))
            }
            let middle = records.startIndex + records.count / 2
            try await post(records[..<middle], first, stream, &tally)
            try await post(records[middle...], first, stream, &tally)
        case .taken(let reply):
            guard let report = try? JSONDecoder().decode(ReplayReport.self, from: Data(reply.body)) else {
                throw ConfigurationError("the server's answer to an imported log cannot be read")
            }
            report.add(to: &tally)
            for rejection in report.rejections where records.indices.contains(records.startIndex + rejection.line - 2) {
                let place = records[records.startIndex + rejection.line - 2].place
                uploader.listener.rejected(
                    Importer.Rejection(path: stream.path, place: place, message: rejection.message))
            }
            report.warnings.forEach(uploader.listener.warned)
        }
    }
}

/// What became of the lines of an exported log, as `POST /identity/log` answers.
struct ReplayReport: Codable, Sendable {
    /// A line that was not stored.
    struct Rejection: Codable, Sendable {
        let line: Int
        let column: Int
        let message: String
    }

    var read = 0
    var stored = 0
    var already_there = 0
    var rejected = 0
    var merged = 0
    var unchanged = 0
    var refused = 0
    var amendments = 0
    var lost = 0
    var skipped_rules = 0
    var rejections: [Rejection] = []
    var warnings: [String] = []

    /// What a tally says.
    init(_ tally: Importer.Tally, rejections: [Rejection], warnings: [String]) {
        read = tally.read
        stored = tally.stored
        already_there = tally.repeated
        rejected = tally.rejected
        merged = tally.merged
        unchanged = tally.unchanged
        refused = tally.refused
        amendments = tally.amendments
        lost = tally.lost
        skipped_rules = tally.skippedRules
        self.rejections = rejections
        self.warnings = warnings
    }

    func add(to tally: inout Importer.Tally) {
        tally.read += read
        tally.stored += stored
        tally.repeated += already_there
        tally.rejected += rejected
        tally.merged += merged
        tally.unchanged += unchanged
        tally.refused += refused
        tally.amendments += amendments
        tally.lost += lost
        tally.skippedRules = max(tally.skippedRules, skipped_rules)
    }
}
