import IdentityEngine
package import IdentityStore
package import Logging
package import MixpanelWire

/// Finds what answers a request by its path and method.
///
/// It knows nothing of the transport.
package struct Dispatcher: Sendable {
    private let ingest: IngestStage
    private let clientRoutes: ClientRoutes
    private let directory: ProjectDirectory
    private let store: any Store
    private let clock: ServerClock
    private let identityQueries: IdentityQueries
    private let mappingQuery: MappingQuery
    private let previewQuery: PreviewQuery
    private let activityQuery: ActivityQuery
    private let connectorQueries: ConnectorQueries
    private let changeFeed: ChangeFeed
    private let privacy: PrivacyRoutes
    private let amendments: AmendmentRoutes
    private let replay: ReplayRoute
    private let sandbox: SandboxRoutes?
    private let sequenceTimeoutSeconds: Int
    private let streamPlaces: StreamPlaces
    private let profileRule: ProfileMergeRule
    private let limits: WireLimits
    /// Whether client endpoints answer 503 where they would answer 429 (P 3.2-2).
    private let isOverloadUnavailable: Bool
    private let logger: Logger

    package init(
        ingest: IngestStage, directory: ProjectDirectory, store: any Store, clock: ServerClock,
        privacyWorker: PrivacyWorker, changeFeed: ChangeFeed, configuration: Configuration, limits: WireLimits,
        logger: Logger
    ) {
        self.limits = limits
        self.isOverloadUnavailable = configuration.ingest.isOverloadUnavailable
        self.ingest = ingest
        self.clientRoutes = ClientRoutes(directory: directory)
        self.directory = directory
        self.store = store
        self.clock = clock
        self.identityQueries = IdentityQueries(store: store, clock: clock, reservedIDs: limits.reservedIDs)
        self.mappingQuery = MappingQuery(store: store, clock: clock)
        self.amendments = AmendmentRoutes(store: store, clock: clock, signal: changeFeed.signal, logger: logger)
        self.replay = ReplayRoute(
            store: store, directory: directory, clock: clock, signal: changeFeed.signal, limits: limits)
        self.previewQuery = PreviewQuery(store: store, clock: clock, limits: limits)
        self.activityQuery = ActivityQuery(store: store)
        self.changeFeed = changeFeed
        self.privacy = PrivacyRoutes(
            store: store, directory: directory, clock: clock, worker: privacyWorker,
            taskLimit: configuration.privacy.taskLimit)
        self.sandbox =
            configuration.sandbox.isEnabled
            ? SandboxRoutes(
                store: store, clock: clock, hostNames: configuration.server.hostNames, forget: ingest.forget) : nil
        self.streamPlaces = StreamPlaces(limit: configuration.query.streamLimit)
        self.connectorQueries = ConnectorQueries(
            store: store, clock: clock, profileRule: configuration.profiles.onMerge, places: streamPlaces)
        self.profileRule = configuration.profiles.onMerge
        self.sequenceTimeoutSeconds = configuration.query.sequenceTimeoutSeconds
        self.logger = logger
    }

    /// What a path and a method lead to.
    private enum Route {
        case track
        case importing
        case engage
        case groups
        case client(ClientRoute)
        case resolve
        case cluster
        case log
        case mappings
        case explain
        case rejections, replay
        case unmerge, restore, blocks
        case preview
        case activity
        case changes
        case export
        case profiles
        case connector(ConnectorRoute)
        case account
        case privacy(PrivacyRoutes.Target)
        case health
        case description
        case sandbox
        case methodNotAllowed
        case notFound
    }

    /// What becomes of the body of a request.
    package enum BodyUse: Sendable {
        /// It is left alone.
        case ignored
        case kept
        /// It is read to its end, within the limit, and not kept.
        case discarded
    }

    /// What becomes of the body of a request to a path.
    package func bodyUse(_ path: String, _ method: WireMethod) -> BodyUse {
        guard method != .get, method != .head else { return .ignored }
        switch route(path, method) {
        case .track, .importing, .engage, .groups, .resolve, .preview, .profiles, .connector, .privacy, .sandbox,
            .unmerge, .restore, .blocks, .replay:
            return .kept
        case .client: return .discarded
        default: return .ignored
        }
    }

    /// Answers a request.
    ///
    /// Never throws: a failure of ours is an answer too.
    package func answer(_ request: WireRequest) async -> Reply {
        let path = Self.normalized(request.path)
        if request.method == .options { return .whole(CORS(request).preflight()) }
        switch await reply(request, path) {
        case .whole(let response): return .whole(withCORS(request) { response })
        case .stream(let stream): return .stream(stream)
        }
    }

    /// The answer to a request whose body is larger than the limit (P 4.4), told before the body was read to its end.
    package func tooLarge(_ request: WireRequest) -> WireResponse {
        withCORS(request) { Answer.tooLarge(limitBytes: limits.bodyBytes) }
    }

    /// The answer to a request for whose body there is no room now.
    package func overloaded(_ request: WireRequest) -> WireResponse {
        withCORS(request) { Answer.tooMany(retryAfterSeconds: 1) }
    }

    /// The answer to a request whose body did not come in time.
    package func tooSlow(_ request: WireRequest) -> WireResponse {
        withCORS(request) {
            Answer.failure(408, "the body did not come within server.bodyTimeoutSeconds; send it again")
        }
    }

    /// Where client SDKs send what they collect, and drop it or keep it by the status of the answer.
    private static let clientPaths: Set<String> = ["/track", "/engage", "/groups"]

    private func withCORS(_ request: WireRequest, _ body: () -> WireResponse) -> WireResponse {
        var response = body()
        if response.failureText != nil, Self.clientPaths.contains(Self.normalized(request.path)) {
            response = Answer.clientFailure(response, to: request, isOverloadUnavailable: isOverloadUnavailable)
        }
        response.headers.append(contentsOf: CORS(request).headers)
        return Self.isOurs(response, to: request) ? response.endingItsLine() : response
    }

    private func reply(_ request: WireRequest, _ path: String) async -> Reply {
        switch route(path, request.method) {
        case .track: .whole(await ingest.track(request))
        case .importing: .whole(await ingest.import(request))
        case .engage: .whole(await ingest.engage(request))
        case .groups: .whole(await ingest.groups(request))
        case .client(let route): .whole(await clientRoutes.answer(request, route))
        case .resolve: await query(request) { .whole(try await identityQueries.resolve($0)) }
        case .cluster: await query(request) { .whole(try await identityQueries.cluster($0)) }
        case .log: await query(request) { .whole(try await identityQueries.log($0)) }
        case .replay: await query(request) { .whole(try await replay.answer($0)) }
        case .explain: await query(request) { .whole(try await identityQueries.explain($0)) }
        case .rejections: await query(request) { .whole(try ingest.rejectionQuery.answer($0)) }
        case .unmerge: await query(request) { .whole(try await amendments.unmerge($0)) }
        case .restore: await query(request) { .whole(try await amendments.restore($0)) }
        case .blocks: await query(request) { .whole(try await amendments.blocks($0)) }
        case .mappings: await query(request) { try await stream(try await mappingQuery.answer($0)) }
        case .preview: await caught { try await preview(request) }
        case .activity: await query(request) { .whole(try await activityQuery.answer($0)) }
        case .changes: await query(request) { try await changes($0) }
        case .export: await query(request) { try await stream(try await exportStream($0)) }
        case .profiles: await query(request, readsBody: true) { try await profiles($0) }
        case .connector(let route):
            await query(request, readsBody: true, projectID: route.projectID) {
                .whole(try await connectorQueries.answer($0, route))
            }
        case .account: .whole(await AccountQuery(directory: directory).answer(request))
        case .privacy(let target): await caught { try await privacy.answer(try inflated(request), target) }
        case .health: await caught { .whole(try await health(request, path)) }
        case .description:
            await caught {
                try OwnPaths.check(QueryItems(request.query), of: path, request.method)
                return .whole(Answer.json(OpenAPI.document))
            }
        case .sandbox: await caught { .whole(try await sandboxAnswer(request, path: path)) }
        case .methodNotAllowed: .whole(Answer.methodNotAllowed(allowedMethods(path)))
        case .notFound: .whole(Answer.notFound())
        }
    }

    private func route(_ path: String, _ method: WireMethod) -> Route {
        let isRead = method == .get || method == .head
        let isReadOrPost = isRead || method == .post
        switch Self.normalized(path) {
        case "/track": return isReadOrPost ? .track : .methodNotAllowed
        case "/import": return isReadOrPost ? .importing : .methodNotAllowed
        case "/engage": return isReadOrPost ? .engage : .methodNotAllowed
        case "/groups": return isReadOrPost ? .groups : .methodNotAllowed
        case "/identity/resolve": return isReadOrPost ? .resolve : .methodNotAllowed
        case "/identity/cluster": return isRead ? .cluster : .methodNotAllowed
        case "/identity/log": return isRead ? .log : method == .post ? .replay : .methodNotAllowed
        case "/identity/explain": return isRead ? .explain : .methodNotAllowed
        case "/identity/rejections": return isRead ? .rejections : .methodNotAllowed
        case "/identity/unmerge": return method == .post ? .unmerge : .methodNotAllowed
        case "/identity/restore": return method == .post ? .restore : .methodNotAllowed
        case "/identity/blocks": return isRead || method == .delete ? .blocks : .methodNotAllowed
        case "/identity/mappings": return isRead ? .mappings : .methodNotAllowed
        case "/identity/preview": return method == .post ? .preview : .methodNotAllowed
        case "/identity/events": return isRead ? .activity : .methodNotAllowed
        case "/identity/changes": return isRead ? .changes : .methodNotAllowed
        case "/api/2.0/export": return isRead ? .export : .methodNotAllowed
        case "/api/2.0/engage", "/api/query/engage": return isReadOrPost ? .profiles : .methodNotAllowed
        case "/api/app/me": return isRead ? .account : .methodNotAllowed
        case "/health", "/health/live", "/health/ready": return isRead ? .health : .methodNotAllowed
        case "/openapi.json": return isRead ? .description : .methodNotAllowed
        case "/sandbox/reset", "/sandbox/clock": return sandbox == nil ? .notFound : .sandbox
        case let other:
            if let target = PrivacyRoutes.Target(path: other) {
                return target.methods.contains(method) ? .privacy(target) : .methodNotAllowed
            }
            if let route = ConnectorRoute(path: other) { return isReadOrPost ? .connector(route) : .methodNotAllowed }
            guard let route = ClientRoute(path: other) else { return .notFound }
            return (route.isPosted ? method == .post : isRead) ? .client(route) : .methodNotAllowed
        }
    }

    /// The methods that a path takes, as `Allow` names them.
    private func allowedMethods(_ path: String) -> [String] {
        let methods: [(method: WireMethod, name: String)] = [
            (.get, "GET"), (.head, "HEAD"), (.post, "POST"), (.put, "PUT"),
            (.delete, "DELETE"),
        ]
        let allowed = methods.filter { method, _ in
            if case .methodNotAllowed = route(path, method) { return false }
            return true
        }
        return allowed.map(\.name) + ["OPTIONS"]
    }

    /// Checks the credential, waits for `min_sequence`, and turns faults into answers.
    private func query(
        _ request: WireRequest, readsBody: Bool = false, projectID pathProjectID: String? = nil,
        _ body: (QueryRequest) async throws -> Reply
    ) async -> Reply {
        let items = QueryItems(request.query, limit: IdentityQueries.resolveLimit + 100)
        return await caught {
            if items.isTruncated {
                throw QueryFault.badRequest(
                    "at most \(IdentityQueries.resolveLimit) distinct_ids can be resolved in one request")
            }
            let named = readsBody ? try QueryBody(try inflated(request)) : QueryBody()
            let projectID =
                pathProjectID
                ?? (items.first("project_id") ?? named.first("project_id")).map { String(decoding: $0, as: UTF8.self) }
            let access = try await directory.access(
                Credentials(authorization: request.authorization), projectID: projectID, host: request.host,
                for: .reading)
            try OwnPaths.check(items, of: Self.normalized(request.path), request.method)
            let query = QueryRequest(
                request: readsBody ? request : try inflated(request), items: items, body: named, access: access)
            try await waitForSequence(query)
            return try await body(query)
        }
    }

    /// Turns faults into answers.
    private func caught(_ body: () async throws -> Reply) async -> Reply {
        do {
            return try await body()
        } catch let refusal as AccessRefusal {
            return .whole(Answer.failure(refusal.status, refusal.message))
        } catch let error as PayloadError {
            return .whole(refusal(of: error))
        } catch let fault as QueryFault {
            return .whole(
                Answer.failure(fault.status, fault.message).retrying(afterSeconds: fault.retryAfterSeconds))
        } catch let error as StoreError {
            logger.error("a query failed", metadata: ["error": "\(error)"])
            // Of what is damaged, no later request gets more.
            guard error.isRetryable || error.code == .closed else { return .whole(Answer.failure(500, error.message)) }
            return .whole(Answer.failure(503, error.message).retrying(afterSeconds: 5))
        } catch {
            logger.error("a query failed", metadata: ["error": "\(error)"])
            return .whole(Answer.failure(500, "the server failed to answer; its log says why"))
        }
    }

    /// The request with its body inflated.
    private func inflated(_ request: WireRequest) throws(PayloadError) -> WireRequest {
        var plain = request
        plain.body = try request.inflatedBody(limitBytes: limits.bodyBytes)
        plain.contentEncoding = nil
        return plain
    }

    private func refusal(of error: PayloadError) -> WireResponse {
        switch error {
        case .tooLarge(let limitBytes): Answer.tooLarge(limitBytes: limitBytes)
        case .unreadable(let reason): Answer.failure(400, reason)
        case .empty: Answer.failure(400, "the body is empty")
        }
    }

    /// Gives a stream its place among those that are written at once.
    private func stream(_ reply: @autoclosure () async throws -> StreamedReply) async throws -> Reply {
        guard let place = streamPlaces.take() else { throw QueryFault.tooManyStreams }
        var reply = try await reply()
        reply.place = place
        return .stream(reply)
    }

    /// Those who follow have places of their own, which they may keep for days.
    private func changes(_ query: QueryRequest) async throws -> Reply {
        if try ChangeFeed.isFollowed(query) { return .stream(try await changeFeed.follow(query)) }
        return try await stream(try await changeFeed.pages(query))
    }

    private func sandboxAnswer(_ request: WireRequest, path: String) async throws -> WireResponse {
        guard let sandbox else { return Answer.notFound() }
        let answer = try await sandbox.answer(request, path: path)
        if path == SandboxRoutes.resetPath { changeFeed.reset() }
        return answer
    }

    private func waitForSequence(_ query: QueryRequest) async throws {
        guard query.first("min_sequence") != nil else { return }
        let wanted = try query.number("min_sequence", default: 0, in: 0...Int64.max)
        let deadline = ContinuousClock.now.advanced(by: .seconds(sequenceTimeoutSeconds))
        let project = query.project
        while true {
            let sequence = try await store.read { (snapshot: any StoreSnapshot) throws(StoreError) -> Int64 in
                try snapshot.lastSequence(of: project)
            }
            if sequence >= wanted { return }
            guard ContinuousClock.now < deadline else {
                throw QueryFault.unavailable(
                    "the project is at sequence \(sequence) and has not reached min_sequence \(wanted)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func exportStream(_ query: QueryRequest) async throws -> StreamedReply {
        let asOf = try await query.pastSequence(of: store, clock: clock)
        let range = try Export.Range(query, profileRule: profileRule)
        let export = Export(
            store: store, project: query.project, system: query.access.project.rules.system, range: range, asOf: asOf)
        let plain = StreamedReply(
            contentType: "text/plain; charset=utf-8",
            headers: asOf.map { [("X-Selfsame-Sequence", String($0))] } ?? [], pieces: export)
        return try await plain.compressed(for: query.request)
    }

    /// The body and the options are read as those of /import, so that a request to it can be sent here as it is.
    private func preview(_ request: WireRequest) async throws -> Reply {
        let (options, payload) = Payload.decode(request, limits: limits)
        let access = try await directory.access(
            Credentials(authorization: request.authorization), projectID: options.projectIDText, host: request.host,
            for: .reading)
        let query = QueryRequest(
            request: request, items: QueryItems(request.query), body: QueryBody(), access: access)
        try OwnPaths.check(query.items, of: Self.normalized(request.path), request.method)
        try await waitForSequence(query)
        return .whole(try await previewQuery.answer(payload, strict: options.strict, access: access))
    }

    private func profiles(_ query: QueryRequest) async throws -> Reply {
        if let group = try GroupQuery(query) { return .whole(try await group.answer(from: store)) }
        let query = try ProfileQuery(query, rule: profileRule, key: directory.secretKey)
        return try await stream(
            StreamedReply(
                contentType: "application/json", headers: [], pieces: ProfilePages(store: store, query: query)))
    }

    private func health(_ request: WireRequest, _ path: String) async throws(QueryFault) -> WireResponse {
        try OwnPaths.check(QueryItems(request.query), of: path, request.method)
        if path != "/health/live" {
            do throws(StoreError) {
                try await store.probe()
            } catch {
                return Answer.failure(503, error.message).retrying(afterSeconds: 5)
            }
        }
        if path == "/health/ready", let fault = await store.writeFault() {
            return Answer.failure(503, fault.message).retrying(afterSeconds: 5)
        }
        return Answer.json(Array(#"{"status":"ok"}"#.utf8))
    }
}
