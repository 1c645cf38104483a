import Foundation
package import Hummingbird
import HummingbirdCore
import IdentityEngine
package import IdentityStore
package import Logging
import MixpanelWire
import NIOCore
import NIOPosix
import ServiceLifecycle
import UnixSignals

/// A whole server: everything is built here, in the order of dependence, and handed on through initialisers.
package struct Server: Sendable {
    package let configuration: Configuration
    package let store: any Store
    package let directory: ProjectDirectory
    package let committer: Committer
    package let adapter: HTTPAdapter
    /// The project to show in the first call to try, and its secret where it was made just now.
    package let firstProject: FirstProject?
    /// The projects of a sandbox with their secrets, which are no secret there; none of a server's.
    package let sandboxKeys: [(project: ProjectRecord, secret: String)]
    private let ingest: IngestStage
    private let privacyWorker: PrivacyWorker
    private let changeFeed: ChangeFeed
    /// The certificate; nil where connections are not encrypted.
    private let tls: TLSIdentity?
    private let lock: DataDirectoryLock?
    /// Where it listens, if somebody opened that for it.
    private let sockets: InheritedSockets
    private let logger: Logger

    /// The project with the lowest number, for the greeting.
    package struct FirstProject: Sendable {
        package let project: ProjectRecord
        /// The secret, where the project was made by this start; it is kept nowhere but in `first-project.txt`.
        package let freshSecret: String?
        /// Where the secret was written; nil where it was configured.
        package let secretPath: String?
    }

    /// Opens the store and builds everything; nothing listens yet.
    ///
    /// - Parameters:
    ///   - configuration: what was asked for.
    ///   - sockets: what it listens on where that is open already; it then waits for the process before it to let go of
    ///     the data directory.
    ///   - logger: where the server logs to.
    /// - Throws: `ConfigurationError` or `StoreError`, whose text says what to do.
    package init(
        configuration: Configuration, sockets: InheritedSockets = .none, logger: Logger
    ) async throws {
        self.configuration = configuration
        self.sockets = sockets
        self.logger = logger
        let clock = ServerClock()
        tls = try configuration.server.tls.map { try TLSIdentity($0) }
        try SecretRules.check(configuration)
        SecretRules.warn(of: configuration, logger)
        let opened = try await OpenedStore(
            configuration,
            lockTimeout: .seconds(sockets.descriptors.isEmpty ? 0 : configuration.server.takeoverTimeoutSeconds), logger
        )
        store = opened.store
        lock = opened.lock
        let setup = ProjectSetup(store: store, secretKey: opened.secretKey, nowMilliseconds: clock.nowMilliseconds)
        try await setup.apply(configuration)
        firstProject = try await Self.firstProject(setup, opened, configuration, logger)
        sandboxKeys =
            configuration.sandbox.isEnabled
            ? Self.keys(of: try await store.projects(), firstProject, opened.directory, configuration) : []
        directory = try await ProjectDirectory.load(
            from: store, secretKey: opened.secretKey,
            residency: Residency(regions: configuration.server.regions, hosts: configuration.server.regionHosts),
            logger: logger)
        let signal = LogSignal()
        committer = Committer(
            store: store, directory: directory, clock: clock, queueLimitBytes: configuration.ingest.queueLimitBytes,
            repeatMemoryLimitBytes: configuration.ingest.repeatMemoryLimitBytes, signal: signal, logger: logger)
        changeFeed = ChangeFeed(
            store: store, directory: directory, signal: signal, settings: configuration.query)
        let rejections = RejectionLog(clock: clock, logger: logger)
        var limits = WireLimits()
        limits.bodyBytes = configuration.ingest.bodySizeLimitBytes
        limits.recordsPerRequest = configuration.ingest.recordLimit
        limits.reservedIDs = configuration.reservedIDs
        let ingest = IngestStage(
            directory: directory, committer: committer, clock: clock, limits: limits,
            sendsOutcome: configuration.ingest.outcomeHeader || configuration.sandbox.isEnabled,
            rejectsUnknownTokens: configuration.ingest.rejectsUnknownTokens,
            rateLimiter: Self.rateLimiter(configuration), rejections: rejections, logger: logger)
        self.ingest = ingest
        privacyWorker = PrivacyWorker(
            store: store, directory: directory, clock: clock, files: RetrievalFiles(in: opened.directory),
            settings: configuration.privacy, rejections: rejections, logger: logger)
        adapter = HTTPAdapter(
            dispatcher: Dispatcher(
                ingest: ingest, directory: directory, store: store, clock: clock,
                privacyWorker: privacyWorker, changeFeed: changeFeed, configuration: configuration,
                limits: limits, logger: logger),
            budget: BodyBudget(
                limitBytes: configuration.ingest.inFlightLimitBytes,
                freeShareLimit: configuration.server.connectionLimit),
            bodySizeLimitBytes: configuration.ingest.bodySizeLimitBytes,
            bodyTimeoutSeconds: configuration.server.bodyTimeoutSeconds,
            streamWriteTimeout: .seconds(configuration.query.writeTimeoutSeconds),
            trustedProxies: configuration.server.trustedProxies,
            address: RequestAddress(
                publicURL: configuration.server.publicURL, isEncrypted: configuration.server.tls != nil,
                trustedProxies: configuration.server.trustedProxies,
                headSizeLimitBytes: configuration.server.headSizeLimitBytes),
            logger: logger)
    }

    /// Serves until SIGTERM or SIGINT: then accepts nothing more, commits and answers what has come, closes the store,
    /// and lets go of the data directory.
    ///
    /// - Parameters:
    ///   - onEnd: called when requests are no longer answered, before the data directory is let go of.
    ///   - onListening: called once with the port, when requests are answered.
    /// - Throws: what stopped the server: an address in use, or a store that cannot be closed.
    package func run(
        onEnd: () -> Void = {}, onListening: @escaping @Sendable (Int) async -> Void
    ) async throws {
        var configuration = ServiceGroupConfiguration(
            services: services + [try listener(onListening)],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: quietLogger)
        configuration.maximumGracefulShutdownDuration = .seconds(self.configuration.server.shutdownTimeoutSeconds)
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch is CancellationError {
            logger.notice("requests that did not end within server.shutdownTimeoutSeconds were cut off")
        } catch {
            onEnd()
            try await close()
            throw Self.explained(error, self.configuration.server)
        }
        onEnd()
        try await close()
    }

    private func close() async throws {
        try await store.close()
        // A process that waits for it can go on now, rather than when this one is gone.
        lock?.release()
    }

    /// What to do about an address that cannot be listened on; any other error as it is.
    private static func explained(_ error: any Error, _ server: Configuration.Server) -> any Error {
        guard let code = (error as? IOError)?.errnoCode else { return error }
        let place = "server.port \(server.port) on server.host \(server.host)"
        switch code {
        case EADDRINUSE: return ConfigurationError("\(place) is in use; choose another with --port")
        case EACCES: return ConfigurationError("\(place) may not be listened on; choose a port above 1023 with --port")
        case EADDRNOTAVAIL: return ConfigurationError("\(place) is not an address of this machine; see --host")
        default: return ConfigurationError("\(place) cannot be listened on: \(error)")
        }
    }

    /// The application on its own, for tests that drive it without a socket.
    package func application() -> Application<HTTPAdapter> {
        Application(responder: adapter, services: services, logger: quietLogger)
    }

    /// What runs beside the connections.
    private var services: [any Service] {
        [
            committer, privacyWorker, Upkeep(directory: directory, ingest: ingest, feed: changeFeed),
            Hangup(identity: tls, logger: logger),
        ]
    }

    /// What reads requests and writes answers, with the limits of the configuration.
    private func listener(
        _ onListening: @escaping @Sendable (Int) async -> Void
    ) throws(ConfigurationError) -> any Service {
        let settings = configuration.server
        let limit = OpenFiles.raiseLimit()
        // Their threads have files of their own, which are there before the first connection.
        _ = MultiThreadedEventLoopGroup.singleton.makeIterator()
        let connectionLimit = try OpenFiles.connectionLimit(
            wanted: settings.connectionLimit, limit: limit, open: OpenFiles.openCount())
        if connectionLimit < settings.connectionLimit {
            logger.warning(
                "fewer connections can be open at once than server.connectionLimit says, because of the limit of files",
                metadata: ["connections": "\(connectionLimit)", "limit.files": "\(limit)"])
        }
        let connections = OpenConnections(limit: connectionLimit)
        let idling = TimeAmount.seconds(Int64(settings.idleTimeoutSeconds))
        let draining = TimeAmount.seconds(Int64(settings.drainSeconds))
        let writing = TimeAmount.seconds(Int64(settings.writeTimeoutSeconds))
        let responder: HTTPChannelHandler.Responder = { [adapter] request, writer, channel in
            try await adapter.serve(request, writer, channel)
        }
        let http1 = HTTP1Connections(
            responder: responder,
            limits: HTTP1Rules.Limits(
                bodySizeBytes: configuration.ingest.bodySizeLimitBytes, headSizeBytes: settings.headSizeLimitBytes,
                lingering: .seconds(Int64(settings.bodyTimeoutSeconds)), draining: draining),
            idling: idling, connections: connections, budget: adapter.budget)
        func listener(_ channel: some ServerChildChannel) -> any Service {
            Listener(
                place: sockets.descriptors.isEmpty
                    ? .address(host: settings.host, port: settings.port) : .inherited(sockets.descriptors),
                childChannel: channel, connections: connections, writing: writing, onListening: onListening,
                logger: logger)
        }
        guard let tls else { return listener(http1) }
        let http2 = HTTP2Connections(
            responder: responder,
            limits: HTTP2Connections.Limits(
                headSizeBytes: 4 * settings.headSizeLimitBytes, idling: idling, writing: writing),
            connections: connections)
        return listener(
            TLSChannel(
                identity: tls, http1: http1, http2: http2, idling: idling, draining: draining,
                connections: connections))
    }

    /// What the libraries below log: how they start and stop is not news.
    private var quietLogger: Logger {
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        return quiet
    }

    /// The limiter of a configuration's rates; nil where it has none.
    private static func rateLimiter(_ configuration: Configuration) -> RateLimiter? {
        let own = configuration.projects.compactMap { project in project.rateLimit.map { (project.id, $0) } }
        guard configuration.ingest.rateLimit.isLimiting || own.contains(where: \.1.isLimiting) else { return nil }
        return RateLimiter(common: configuration.ingest.rateLimit, own: Dictionary(uniqueKeysWithValues: own))
    }

    /// The projects whose secrets are known: those of the configuration, and the first one, made now or before.
    private static func keys(
        of projects: [ProjectRecord], _ first: FirstProject?, _ directory: DataDirectory?,
        _ configuration: Configuration
    ) -> [(project: ProjectRecord, secret: String)] {
        projects.compactMap { project in
            let configured = configuration.projects.first { $0.id == project.id }?.secret
            let fresh = first?.project.id == project.id ? first?.freshSecret : nil
            return (configured ?? fresh ?? directory?.firstProjectSecret(of: project)).map { (project, $0) }
        }
    }

    /// A new store without any project gets one; the sandbox in memory is told by its configuration.
    private static func firstProject(
        _ setup: ProjectSetup, _ opened: OpenedStore, _ configuration: Configuration, _ logger: Logger
    ) async throws -> FirstProject? {
        let directory = opened.directory
        if let known = try await opened.store.projects().first {
            let isConfigured = configuration.projects.contains { $0.id == known.id }
            if !isConfigured, directory?.isFirstProjectFileCutOff == true {
                try await mendFirstProjectFile(of: known, setup, opened, logger)
            }
            let isKept = !isConfigured && directory?.hasFirstProjectFile == true
            return FirstProject(
                project: known, freshSecret: nil, secretPath: isKept ? directory?.firstProjectPath : nil)
        }
        let (project, secret) = try await setup.makeProject(name: "first", rules: configuration.identity) {
            try directory?.writeFirstProject($0, secret: $1)
        }
        return FirstProject(project: project, freshSecret: secret, secretPath: directory?.firstProjectPath)
    }
}

extension Server {
    /// Sees to it that the secret of the first project is known, where an earlier version was killed while it wrote
    /// the secret down.
    ///
    /// A project that holds nothing gets another secret, for nobody can have used the one that was lost. Of any other
    /// only the operator knows whether somebody has it.
    private static func mendFirstProjectFile(
        of project: ProjectRecord, _ setup: ProjectSetup, _ opened: OpenedStore, _ logger: Logger
    ) async throws {
        if let files = opened.files, try await !files.holdsContent(project.id) {
            let renewed = try await setup.rotateSecret(of: project.id)
            try opened.directory?.updateFirstProject(renewed.project, secret: renewed.secret)
            logger.warning(
                "first-project.txt did not have the secret of the first project, which got a new one",
                metadata: ["project": "\(project.id)"])
        } else {
            logger.warning(
                """
                first-project.txt does not have the secret of the first project; `selfsame project rotate` writes \
                a new one into it
                """,
                metadata: ["project": "\(project.id)"])
        }
    }
}

/// Reads the list of projects anew every second, so that what the command changes counts on a running server, lets
/// followers look for what it committed, warns of unknown tokens and rejected records when that is due, and gives
/// memory back.
private struct Upkeep: Service {
    /// How often memory is given back, in seconds: that takes a few milliseconds.
    private static let memorySeconds = 10

    let directory: ProjectDirectory
    let ingest: IngestStage
    let feed: ChangeFeed

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var seconds = 0
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(1))
                if Task.isCancelled { break }
                seconds += 1
                if seconds.isMultiple(of: Self.memorySeconds) { FreeMemory.giveBack() }
                await directory.reload()
                ingest.warn(isLast: false)
                feed.tick()
            }
        }
        ingest.warn(isLast: true)
    }
}
