/// Sends files of profiles to `POST /engage` and `POST /groups` of a running server.
struct ProfileUpload {
    private let uploader: Uploader
    private let decoder: FileDecoder

    init(_ uploader: Uploader, decoder: FileDecoder) {
        self.uploader = uploader
        self.decoder = decoder
    }

    /// Sends files.
    ///
    /// - Throws: `ConfigurationError` for a file that cannot be read, or a server that does not take it.
    mutating func run(_ paths: [String], tally: inout Importer.Tally) async throws {
        guard let token = uploader.target.token else {
            throw ConfigurationError(
                "/engage and /groups know a project by its token: give it with --token; `selfsame project list` shows "
                    + "it")
        }
        let checker = ProfileRecordDecoder(project: decoder.project, limits: decoder.limits)
        for path in paths {
            let before = tally.readBytes
            let stream = try decoder.open(path)
            while !uploader.listener.isStopped(), let records = try RecordBatch.next(of: stream) {
                let decoded = checker.decode(records, receivedMilliseconds: decoder.clock.nowMilliseconds)
                decoded.rejections.forEach(uploader.listener.rejected)
                tally.read += records.count
                tally.rejected += decoded.rejections.count
                var run: [Int] = []
                for index in decoded.taken {
                    // Ids and groups have doors of their own.
                    if let last = run.last,
                        ProfileRecord.isGroup(records.texts[last]) != ProfileRecord.isGroup(records.texts[index])
                    {
                        try await post(run[...], of: records, token, &tally)
                        run = []
                    }
                    run.append(index)
                }
                try await post(run[...], of: records, token, &tally)
                tally.readBytes = before + stream.offsetBytes
                uploader.listener.progress(tally)
            }
        }
    }

    private func post(
        _ indices: ArraySlice<Int>, of records: RecordBatch, _ token: String, _ tally: inout Importer.Tally
    ) async throws {
        guard let first = indices.first else { return }
        var body: [UInt8] = [UInt8(ascii: "[")]
        for index in indices {
            if body.count > 1 { body.append(UInt8(ascii: ",")) }
            body += ProfileRecord.withToken(token, ProfileRecord.update(records.texts[index]))
        }
        body.append(UInt8(ascii: "]"))
        let middle = indices.startIndex + indices.count / 2
        if body.count > RemoteImporter.sizeLimitBytes, indices.count > 1 {
            try await post(indices[..<middle], of: records, token, &tally)
            return try await post(indices[middle...], of: records, token, &tally)
        }
        let path = ProfileRecord.isGroup(records.texts[first]) ? "/groups" : "/engage"
        let result = try await uploader.send(
            body, to: path, [(name: "verbose", value: "1")], contentType: "application/json")
        switch result {
        case .tooLarge(let message):
            if indices.count > 1 {
                try await post(indices[..<middle], of: records, token, &tally)
                return try await post(indices[middle...], of: records, token, &tally)
            }
            reject(indices, of: records, message, &tally)
        case .taken(let reply):
            if let fault = Uploader.fault(in: reply) {
                reject(indices, of: records, fault, &tally)
            } else if reply.header("x-selfsame-sequence") == nil {
                // It takes what bears an unknown token, and drops it.
                throw ConfigurationError(
                    "\(uploader.target.hostField) stored nothing: it knows no project with the token that --token "
                        + "gives; `selfsame project list` shows it")
            } else {
                tally.stored += indices.count
            }
        }
    }

    private func reject(
        _ indices: ArraySlice<Int>, of records: RecordBatch, _ message: String, _ tally: inout Importer.Tally
    ) {
        for index in indices {
            tally.rejected += 1
            uploader.listener.rejected(
                Importer.Rejection(
                    path: records.path, place: records.places[index], message: "rejected by the server: \(message)"))
        }
    }
}
