import IdentityEngine
import IdentityStore
package import Logging
package import MixpanelWire

/// /track, /import, /engage and /groups: a request's line, headers and body in, status, headers and bytes out.
///
/// It knows nothing of the transport, so that a leaner one can stand beside Hummingbird.
package struct IngestStage: Sendable {
    private let directory: ProjectDirectory
    private let committer: Committer
    private let clock: ServerClock
    private let decoder: EventDecoder
    private let profileDecoder: ProfileDecoder
    private let limits: WireLimits
    /// Whether /track answers tell outcomes; /import always does.
    private let sendsOutcome: Bool
    private let unknownTokens: UnknownTokens
    private let rejections: RejectionLog
    /// What hashes of records are made with.
    private let hashKey = RecordHashKey()
    /// Whether a record with an unknown token is an invalid one (P 4.1-2).
    private let rejectsUnknownTokens: Bool
    /// Nil where no project has a limit.
    private let rateLimiter: RateLimiter?

    package init(
        directory: ProjectDirectory, committer: Committer, clock: ServerClock, limits: WireLimits,
        sendsOutcome: Bool, rejectsUnknownTokens: Bool, rateLimiter: RateLimiter?,
        rejections: RejectionLog, logger: Logger
    ) {
        self.rejections = rejections
        self.rejectsUnknownTokens = rejectsUnknownTokens
        self.rateLimiter = rateLimiter
        self.directory = directory
        self.committer = committer
        self.clock = clock
        self.decoder = EventDecoder()
        self.profileDecoder = ProfileDecoder()
        self.limits = limits
        self.sendsOutcome = sendsOutcome
        self.unknownTokens = UnknownTokens(clock: clock, logger: logger)
    }

    /// Answers a request to /track (P 4.1 to 4.3, 4.7, 4.8).
    package func track(_ request: WireRequest) async -> WireResponse { await receive(request, at: .track) }

    /// Answers a request to /engage: updates of profiles (P 10-1, 10-4).
    package func engage(_ request: WireRequest) async -> WireResponse { await receive(request, at: .engage) }

    /// Answers a request to /groups: updates of groups (P 10-3, 10-4).
    package func groups(_ request: WireRequest) async -> WireResponse { await receive(request, at: .groups) }

    /// Answers a request each of whose records names its project by token.
    private func receive(_ request: WireRequest, at endpoint: EventBatch.Endpoint) async -> WireResponse {
        let (options, payload) = Payload.decode(request, limits: limits)
        let response = await receive(payload, options, at: endpoint, host: request.host)
        return options.wantsVerboseFailure ? response.asVerboseFailure : response
    }

    private func receive(
        _ payload: Result<Payload, PayloadError>, _ options: RequestOptions, at endpoint: EventBatch.Endpoint,
        host: String?
    ) async -> WireResponse {
        var batch = EventBatch(
            origin: EventBatch.Origin(endpoint: endpoint, principal: "token"),
            receivedMilliseconds: clock.nowMilliseconds)
        var result = decode(payload, into: &batch, .byToken, strict: options.strict)
        if result.unknownTokenRecords > 0 {
            // A project made a moment ago by the command is not in memory yet.
            await directory.reloadIfStale()
            batch.events.removeAll()
            batch.profileUpdates.removeAll()
            batch.bytes.removeAll()
            result = decode(payload, into: &batch, .byToken, strict: options.strict)
            unknownTokens.count(result, in: directory)
            if rejectsUnknownTokens { result.rejectUnknownTokens() }
        }
        if let refusal = foreign(batch, result, host: host) { return Answer.failure(403, refusal) }
        batch.repeatMarks = result.repeatMarks(of: batch)
        let named = result.droppedProjects + batch.profileUpdates.map(\.project)
        let response = await commit(
            batch, result, options, naming: named, sendsOutcome: sendsOutcome && endpoint == .track)
        noteRejections(
            of: result, payload, batch, Set(batch.events.map(\.project)).union(named), response, host: host)
        return response
    }

    /// Leaves a trace of what was rejected of a request, unless the request failed and will come again.
    private func noteRejections(
        of result: DecodeResult, _ payload: Result<Payload, PayloadError>, _ batch: EventBatch,
        _ projects: @autoclosure () -> Set<ProjectID>, _ response: WireResponse, host: String?
    ) {
        guard !result.rejections.isEmpty || result.failure != nil, response.status < 429 else { return }
        let request = RejectionLog.Request(
            endpoint: batch.origin.endpoint, result: result, projects: projects(),
            payload: (try? payload.get().json) ?? [])
        rejections.note(request) { project in
            guard directory.residency.isLimiting, let project = directory.current.project(project) else { return true }
            return directory.residency.refusal(of: project, host: host) == nil
        }
    }

    /// What answers those who ask for rejected records.
    var rejectionQuery: RejectionQuery {
        RejectionQuery(rejections: rejections, unknownTokens: unknownTokens, directory: directory)
    }

    /// Warns of rejected records, and of unknown tokens, where a warning is due.
    ///
    /// - Parameter isLast: Whether to do so at once: the server stops.
    func warn(isLast: Bool) {
        unknownTokens.warn(in: directory, isLast: isLast)
        rejections.warn(isLast: isLast)
    }

    /// Forgets what is known of the requests of a project, or of all: the store holds nothing of them any more.
    @Sendable func forget(_ project: ProjectID?) {
        committer.forgetRepeats(of: project)
        rejections.forget(project)
        if project == nil { unknownTokens.reset() }
    }

    /// Why a request is refused that has records for another region, those too that are not stored.
    private func foreign(_ batch: EventBatch, _ result: DecodeResult, host: String?) -> String? {
        guard directory.residency.isLimiting else { return nil }
        let content = directory.current
        let projects = Set(batch.events.map(\.project)).union(batch.profileUpdates.map(\.project))
            .union(result.droppedProjects)
        for id in projects.sorted() {
            guard let project = content.project(id) else { continue }
            if let refusal = directory.residency.refusal(of: project, host: host) { return refusal }
        }
        return nil
    }

    /// Answers a request to /import (P 4.4, 4.5, 5.3).
    package func `import`(_ request: WireRequest) async -> WireResponse {
        let (options, payload) = Payload.decode(request, limits: limits)
        let access: Access
        do throws(AccessRefusal) {
            access = try await directory.access(
                Credentials(authorization: request.authorization), projectID: options.projectIDText,
                host: request.host, for: .importing)
        } catch {
            return error.status == 403 ? Answer.forbidden(error.message) : Answer.unauthorized(error.message)
        }
        var batch = EventBatch(
            origin: EventBatch.Origin(endpoint: .import, principal: access.principal),
            receivedMilliseconds: clock.nowMilliseconds)
        batch.countsRepeats = options.countsRepeats
        let result = decode(payload, into: &batch, .fixed(access), strict: options.strict)
        // A strict answer tells which records failed, so that nobody sends the others again.
        if !options.strict { batch.repeatMarks = result.repeatMarks(of: batch) }
        let response = await commit(batch, result, options, naming: [access.project.id], sendsOutcome: true)
        noteRejections(of: result, payload, batch, [access.project.id], response, host: request.host)
        return response
    }

    private enum Door {
        case byToken
        case fixed(Access)
    }

    private func decode(
        _ payload: Result<Payload, PayloadError>, into batch: inout EventBatch, _ door: Door, strict: Bool
    ) -> DecodeResult {
        let now = batch.receivedMilliseconds
        switch payload {
        case .failure(let failure):
            return DecodeResult(payloadError: failure)
        case .success(let payload):
            switch door {
            case .fixed(let access):
                let project = RecordProject(project: access.project.id, system: access.project.rules.system)
                return decoder.decode(
                    payload, into: &batch, projects: .fixed(project, mayMerge: access.mayMerge), strict: strict,
                    nowMilliseconds: now, limits: limits, hashKey: hashKey)
            case .byToken:
                let content = directory.current
                let projects = unsafe ProjectSelection.byToken { token in
                    guard let project = unsafe content.project(token: Array(token)) else { return nil }
                    return RecordProject(project: project.id, system: project.rules.system)
                }
                switch batch.origin.endpoint {
                case .engage, .groups:
                    return profileDecoder.decode(
                        payload, into: &batch, projects: projects, limits: limits, hashKey: hashKey)
                case .track, .import, .unmerge, .restore, .blocks, .command:
                    return decoder.decode(
                        payload, into: &batch, projects: projects, strict: strict, nowMilliseconds: now,
                        limits: limits, hashKey: hashKey)
                }
            }
        }
    }

    /// Commits what is to be stored and answers.
    ///
    /// - Parameters:
    ///   - batch: What is to be stored, perhaps nothing.
    ///   - result: What became of the records.
    ///   - options: How to answer.
    ///   - named: The projects that the request names, beside those of the batch.
    ///   - sendsOutcome: Whether to tell outcomes.
    /// - Returns: The answer.
    private func commit(
        _ batch: EventBatch, _ result: DecodeResult, _ options: RequestOptions, naming named: [ProjectID],
        sendsOutcome: Bool
    ) async -> WireResponse {
        var response = Answer.answer(to: result, options: options, endpoint: batch.origin.endpoint)
        if result.failure != nil { return response }
        do throws(CommitFailure) {
            let committed = batch.isEmpty ? CommitResult() : try await commit(batch)
            if !committed.leftOut.isEmpty { rejections.noteLeftOut(committed.leftOut) }
            let projects = Set(committed.lastSequences.keys).union(named).union(committed.leftOut.keys)
            if projects.count == 1, let project = projects.first {
                let sequence: Int64
                if let known = committed.lastSequences[project] {
                    sequence = known
                } else {
                    sequence = try await committer.lastSequence(of: project)
                }
                response.headers.append(("X-Selfsame-Sequence", String(sequence)))
            }
            if batch.countsRepeats {
                // What is left out of a batch that comes again was there too.
                let repeated = committed.leftOut.values.reduce(committed.repeated, +)
                response.headers.append(("X-Selfsame-Repeated", String(repeated)))
            }
            if sendsOutcome {
                response.headers.append(
                    (
                        "X-Selfsame-Outcome",
                        "merged=\(committed.merged), unchanged=\(committed.unchanged), refused=\(committed.refused)"
                            + (committed.conflicts > 0 ? ", conflicts=\(committed.conflicts)" : "")
                    ))
            }
            return response
        } catch {
            return Answer.failure(error)
        }
    }
}

extension IngestStage {
    /// Queues a batch, where its projects' rates allow that, and returns when it is durable.
    private func commit(_ batch: EventBatch) async throws(CommitFailure) -> CommitResult {
        guard let rateLimiter else { return try await committer.commit(batch) }
        let charges = RateLimiter.charges(of: batch)
        if let seconds = rateLimiter.delaySeconds(for: charges, at: .now) {
            throw .rateLimited(retryAfterSeconds: seconds)
        }
        do throws(CommitFailure) {
            let committed = try await committer.commit(batch)
            // What was stored before is not counted again.
            if !committed.leftOut.isEmpty {
                rateLimiter.giveBack(RateLimiter.charges(of: committed.leftOut, in: batch))
            }
            return committed
        } catch {
            rateLimiter.giveBack(charges)
            throw error
        }
    }
}

extension Answer {
    /// The answer where nothing was stored for a reason that is ours (P 4.4).
    static func failure(_ failure: CommitFailure) -> WireResponse {
        switch failure {
        case .overloaded: tooMany(retryAfterSeconds: 1)
        case .rateLimited(let seconds): tooMany(retryAfterSeconds: seconds)
        case .closing: unavailable("the server is shutting down; send the request again", retryAfterSeconds: 5)
        case .store(let error) where error.isRetryable || error.code == .closed:
            unavailable(error.message, retryAfterSeconds: 5)
        case .store(let error): internalError(error.message)
        }
    }
}
