package import IdentityEngine
package import Logging
package import MixpanelWire

/// Every setting of a server, typed and checked.
///
/// Parsed once, at the start.
///
/// `docs/configuration.md` has a heading for each key; `Setting.all` is the list of them.
package struct Configuration: Sendable {
    package var server: Server
    package var store: Store
    package var identity: MergeRules
    /// The texts that no identity operation may name.
    package var reservedIDs: ReservedIDs
    package var profiles: Profiles
    package var ingest: Ingest
    package var query: Query
    package var privacy: Privacy
    package var sandbox: Sandbox
    package var logLevel: Logger.Level
    package var projects: [ConfiguredProject]
    package var accounts: [ConfiguredAccount]

    /// Where the server listens, and for how long.
    package struct Server: Sendable {
        package var host: String
        package var port: Int
        /// Names that a request's `Host` may bear besides loopback names; used by the sandbox's guard.
        package var hostNames: [String]
        /// The regions whose projects may be held; all where it is empty.
        package var regions: [String]
        /// Host names by region.
        package var regionHosts: [(region: String, host: String)]
        package var trustedProxies: TrustedProxies
        /// The certificate; nil where connections are not encrypted.
        package var tls: TLS?
        /// What links in answers begin with; nil for what each request was sent to.
        package var publicURL: String?
        /// Where the port is written when the server listens; nil for nowhere.
        package var portFile: String?
        /// What is made when the server answers, and says where it is; nil for nothing.
        package var readyFile: String?
        package var connectionLimit: Int
        /// What a request line may have, and all headers of a request together.
        package var headSizeLimitBytes: Int
        package var idleTimeoutSeconds: Int
        package var bodyTimeoutSeconds: Int
        /// How long a client may take nothing of what is written to its connection.
        package var writeTimeoutSeconds: Int
        package var shutdownTimeoutSeconds: Int
        /// How long a connection without a request stays open at the end.
        package var drainSeconds: Int
        /// How long a server with an inherited socket waits for the data directory.
        package var takeoverTimeoutSeconds: Int
    }

    /// Where the certificate is.
    package struct TLS: Sendable {
        package var certificatePath: String
        package var keyPath: String
    }

    /// Where data is kept.
    ///
    /// The sandbox keeps it in memory where no directory is named.
    package struct Store: Sendable {
        /// The data directory; nil only for a sandbox in memory.
        package var directory: String?
        /// Whether an acknowledged commit survives a loss of power.
        package var isDurable: Bool
        package var memoryLimitBytes: Int
    }

    /// What becomes of profiles where ids are joined.
    package struct Profiles: Sendable {
        package var onMerge: ProfileMergeRule
    }

    /// What requests may carry, and what waits.
    package struct Ingest: Sendable {
        package var bodySizeLimitBytes: Int
        package var recordLimit: Int
        /// Bytes of checked events that may wait for the committer; past it the answer is 429.
        package var queueLimitBytes: Int
        /// Bytes of request bodies that may be in memory at once; past it the answer is 429.
        package var inFlightLimitBytes: Int
        /// Memory for what is stored of requests that may come again (P 4.1-1b); past it the oldest is forgotten.
        package var repeatMemoryLimitBytes: Int
        /// Whether /track answers carry `X-Selfsame-Outcome`.
        package var outcomeHeader: Bool
        /// Whether records with an unknown token are invalid, rather than dropped in silence.
        package var rejectsUnknownTokens: Bool
        /// The limits of projects that have none of their own.
        package var rateLimit: RateLimit
        /// Whether client endpoints answer 503 where they would answer 429 (P 3.2-2).
        package var isOverloadUnavailable: Bool
    }

    /// How long reads may wait.
    package struct Query: Sendable {
        package var sequenceTimeoutSeconds: Int
        /// Exports, mappings and changes that may be written at once; past it the answer is 429.
        package var streamLimit: Int
        /// Clients that may follow changes at once; past it the answer is 429.
        package var followLimit: Int
        /// How often a follower gets a comment where there are no changes.
        package var heartbeatSeconds: Int
        /// How long a client may take nothing of an export, a mapping, profiles or changes before it is cut off.
        package var writeTimeoutSeconds: Int
    }

    /// Deletions and retrievals for privacy law.
    package struct Privacy: Sendable {
        /// How long a deletion waits before it begins, and can be taken back.
        package var deletionDelaySeconds: Int
        /// How long the file of a retrieval can be fetched.
        package var retrievalDays: Int
        package var retrievalSizeLimitBytes: Int
        /// Tasks that are open or hold a file; past it the answer is 429.
        package var taskLimit: Int
    }

    /// The sandbox: resettable, with a clock that tests set.
    package struct Sandbox: Sendable {
        package var isEnabled: Bool
        package var allowsRemote: Bool
    }
}

/// A project that the configuration file names.
package struct ConfiguredProject: Hashable, Sendable {
    package var id: ProjectID
    package var name: String
    package var token: String
    package var secret: String
    package var rules: MergeRules
    /// Where its data is at home; nil for anywhere.
    package var region: String?
    /// Its own limits; nil for those of all.
    package var rateLimit: RateLimit?

    package init(
        id: ProjectID, name: String, token: String, secret: String, rules: MergeRules, region: String? = nil,
        rateLimit: RateLimit? = nil
    ) {
        self.region = region
        self.rateLimit = rateLimit
        self.id = id
        self.name = name
        self.token = token
        self.secret = secret
        self.rules = rules
    }
}

/// A service account that the configuration file names.
package struct ConfiguredAccount: Hashable, Sendable {
    package var username: String
    package var secret: String
    /// Role names by project number.
    package var roles: [ProjectID: String]

    package init(username: String, secret: String, roles: [ProjectID: String]) {
        self.username = username
        self.secret = secret
        self.roles = roles
    }
}

/// Why a configuration cannot be used.
///
/// The message names the key, what is wrong and what is allowed.
package struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    package let message: String
    /// The setting that it is about, so that the place of its value can be named; nil where it is about none.
    let key: String?

    package init(_ message: String) { self.init(message, key: nil) }

    init(_ message: String, key: String?) {
        self.message = message
        self.key = key
    }

    package var description: String { message }
}
