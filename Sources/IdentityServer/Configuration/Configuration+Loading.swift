import Foundation
import IdentityEngine
import IdentityStore
import Logging
import MixpanelWire

extension Configuration {
    /// Reads the configuration: flags, then `SELFSAME_…` variables, then the file, then defaults.
    ///
    /// - Parameters:
    ///   - flags: values by dotted key.
    ///   - environment: the variables of the environment.
    ///   - filePath: the configuration file; nil for none.
    /// - Returns: the checked configuration.
    /// - Throws: `ConfigurationError`, whose message names the key and what is allowed.
    package static func load(
        flags: [String: String], environment: [String: String], filePath: String?
    ) throws -> Configuration {
        var file = ConfigurationFile()
        if let filePath {
            guard let bytes = FileManager.default.contents(atPath: filePath),
                let text = String(validating: bytes, as: UTF8.self)
            else { throw ConfigurationError("the configuration file \(filePath) cannot be read as text") }
            file = try ConfigurationFile(yaml: text, path: filePath) { scalars in
                let reader = try SettingReader(flags: flags, environment: environment, file: scalars)
                do {
                    return ConfigurationFile.Defaults(rules: try rules(reader), rateLimit: try rateLimit(reader))
                } catch let error as ConfigurationError {
                    throw reader.located(error)
                }
            }
        }
        let reader = try SettingReader(flags: flags, environment: environment, file: file)
        do throws(ConfigurationError) {
            return try Configuration(reader, file)
        } catch {
            throw reader.located(error)
        }
    }

    private init(_ reader: SettingReader, _ file: ConfigurationFile) throws(ConfigurationError) {
        server = Server(
            host: reader.text("server.host") ?? "",
            port: try reader.number("server.port", in: 0...65_535),
            hostNames: reader.list("server.hostNames"), regions: try Configuration.regions(reader),
            regionHosts: try Configuration.regionHosts(reader),
            trustedProxies: try TrustedProxies(reader.list("server.trustedProxies")),
            tls: try Configuration.tls(reader), publicURL: try Configuration.publicURL(reader),
            portFile: reader.path("server.portFile"), readyFile: reader.path("server.readyFile"),
            connectionLimit: try reader.number("server.connectionLimit", in: 1...1_000_000),
            headSizeLimitBytes: try reader.number("server.headSizeLimitBytes", in: 8192...1_048_576),
            idleTimeoutSeconds: try reader.number("server.idleTimeoutSeconds", in: 1...86_400),
            bodyTimeoutSeconds: try reader.number("server.bodyTimeoutSeconds", in: 1...86_400),
            writeTimeoutSeconds: try reader.number("server.writeTimeoutSeconds", in: 1...3600),
            shutdownTimeoutSeconds: try reader.number("server.shutdownTimeoutSeconds", in: 1...3600),
            drainSeconds: try reader.number("server.drainSeconds", in: 0...60),
            takeoverTimeoutSeconds: try reader.number("server.takeoverTimeoutSeconds", in: 0...3600))
        sandbox = Sandbox(
            isEnabled: try reader.boolean("sandbox.enabled"), allowsRemote: try reader.boolean("sandbox.allowRemote"))
        let keepsFiles = reader.isGiven("store.directory") || !sandbox.isEnabled
        store = Store(
            directory: keepsFiles ? reader.text("store.directory") : nil,
            isDurable: try reader.choice("store.synchronous", Synchronous.self) == .full,
            memoryLimitBytes: try reader.number("store.memoryLimitBytes", in: 1_048_576...1_099_511_627_776))
        identity = try Configuration.rules(reader)
        reservedIDs = ReservedIDs(text: reader.text("identity.reservedIDs") ?? "")
        profiles = Profiles(onMerge: try reader.choice("profiles.onMerge", ProfileMergeRule.self))
        ingest = Ingest(
            bodySizeLimitBytes: try reader.number("ingest.bodySizeLimitBytes", in: 1024...1_073_741_824),
            recordLimit: try reader.number("ingest.recordLimit", in: 1...100_000),
            queueLimitBytes: try reader.number("ingest.queueLimitBytes", in: 1_048_576...17_179_869_184),
            inFlightLimitBytes: try reader.number("ingest.inFlightLimitBytes", in: 1_048_576...17_179_869_184),
            repeatMemoryLimitBytes: try reader.number(
                "ingest.repeatMemoryLimitBytes", in: 1_048_576...17_179_869_184),
            outcomeHeader: try reader.boolean("ingest.outcomeHeader"),
            rejectsUnknownTokens: try reader.boolean("ingest.rejectUnknownTokens"),
            rateLimit: try Configuration.rateLimit(reader),
            isOverloadUnavailable: try reader.choice("ingest.overloadStatus", OverloadStatus.self) == .unavailable)
        query = Query(
            sequenceTimeoutSeconds: try reader.number("query.sequenceTimeoutSeconds", in: 0...60),
            streamLimit: try reader.number("query.streamLimit", in: 1...10_000),
            followLimit: try reader.number("query.followLimit", in: 1...10_000),
            heartbeatSeconds: try reader.number("query.heartbeatSeconds", in: 1...300),
            writeTimeoutSeconds: try reader.number("query.writeTimeoutSeconds", in: 1...3600))
        privacy = Privacy(
            deletionDelaySeconds: try reader.number("privacy.deletionDelaySeconds", in: 0...2_592_000),
            retrievalDays: try reader.number("privacy.retrievalDays", in: 1...365),
            retrievalSizeLimitBytes: try reader.number(
                "privacy.retrievalSizeLimitBytes", in: 1_048_576...1_099_511_627_776),
            taskLimit: try reader.number("privacy.taskLimit", in: 1...5000))
        logLevel = try reader.choice("log.level", Logger.Level.self)
        projects = file.projects
        accounts = file.accounts
        if server.host.isEmpty { throw reader.refused("server.host", "") }
        if keepsFiles, (store.directory ?? "").isEmpty { throw reader.refused("store.directory", "") }
        if sandbox.isEnabled, !sandbox.allowsRemote, !SandboxGuard.isLoopback(server.host) {
            throw ConfigurationError(
                "server.host is \"\(server.host)\", but a sandbox listens on loopback only, because anyone who reaches "
                    + "it can empty it. Set sandbox.allowRemote to true if that is meant.", key: "server.host")
        }
    }

    private static func rules(_ reader: SettingReader) throws(ConfigurationError) -> MergeRules {
        let size = try reader.number("identity.maxClusterSize", in: 0...1_000_000_000)
        guard MergeRules.isAllowed(maxClusterSize: size) else {
            throw reader.refused("identity.maxClusterSize", String(size))
        }
        return MergeRules(
            maxClusterSize: size, anonymousForm: try reader.choice("identity.anonForm", AnonymousForm.self))
    }

    private static func rateLimit(_ reader: SettingReader) throws(ConfigurationError) -> RateLimit {
        RateLimit(
            eventsPerMinute: try reader.number("ingest.rateLimit.eventsPerMinute", in: RateLimit.rates),
            bytesPerMinute: try reader.number("ingest.rateLimit.bytesPerMinute", in: RateLimit.rates),
            burstSeconds: try reader.number("ingest.rateLimit.burstSeconds", in: RateLimit.bursts))
    }

    private static func regions(_ reader: SettingReader) throws(ConfigurationError) -> [String] {
        let regions = reader.list("server.regions")
        guard regions.allSatisfy(Residency.isRegion) else {
            throw reader.refused("server.regions", regions.joined(separator: ","))
        }
        return regions
    }

    private static func regionHosts(
        _ reader: SettingReader
    ) throws(ConfigurationError) -> [(region: String, host: String)] {
        var hosts: [(region: String, host: String)] = []
        for pair in reader.list("server.regionHosts") {
            let parts = pair.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, Residency.isRegion(parts[0]), !parts[1].isEmpty else {
                throw reader.refused("server.regionHosts", pair)
            }
            hosts.append((parts[0], parts[1]))
        }
        return hosts
    }

    /// An address without a query, and without a slash at its end; nil for none.
    private static func publicURL(_ reader: SettingReader) throws(ConfigurationError) -> String? {
        let text = reader.text("server.publicURL") ?? ""
        if text.isEmpty { return nil }
        let allowed = CharacterSet.urlPathAllowed
        guard let scheme = ["https://", "http://"].first(where: { text.hasPrefix($0) }) else {
            throw reader.refused("server.publicURL", text)
        }
        let host = text.dropFirst(scheme.count).prefix { $0 != "/" }
        let path = text.dropFirst(scheme.count + host.count)
        guard HostName.isValid(String(host)), path.unicodeScalars.allSatisfy(allowed.contains) else {
            throw reader.refused("server.publicURL", text)
        }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }

    /// Both files, or neither.
    private static func tls(_ reader: SettingReader) throws(ConfigurationError) -> TLS? {
        let tls = TLS(
            certificatePath: reader.text("tls.certificate") ?? "", keyPath: reader.text("tls.key") ?? "")
        if tls.certificatePath.isEmpty, tls.keyPath.isEmpty { return nil }
        for (key, path) in [("tls.certificate", tls.certificatePath), ("tls.key", tls.keyPath)] where path.isEmpty {
            let other = key == "tls.key" ? "tls.certificate" : "tls.key"
            throw ConfigurationError(
                "\(key) must be given too: a certificate is of no use without its key", key: other)
        }
        return tls
    }

    private enum OverloadStatus: String {
        case tooMany = "429"
        case unavailable = "503"
    }

    private enum Synchronous: String {
        case full
        case normal
    }
}
