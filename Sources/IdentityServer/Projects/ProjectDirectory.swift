package import IdentityEngine
package import IdentityStore
package import Logging
import Synchronization

/// The projects and service accounts of a store, by every key that a request may bear.
///
/// Reading it costs no I/O. It is read anew every second, so that a project made by the command, or a rotated secret,
/// counts within that time on a running server; an unknown token asks for it at once.
package final class ProjectDirectory: Sendable {
    private let store: any Store
    package let secretKey: SecretKey
    /// Which projects' data is taken here.
    package let residency: Residency
    private let logger: Logger
    private let content: Mutex<Content>
    /// The last reading that was begun, and the one in force: a slow reading never replaces a later one.
    private let readings = Mutex((begun: 0, inForce: 0))
    private let lastReload = Mutex(ContinuousClock.Instant?.none)

    /// Reads the projects and accounts of a store.
    ///
    /// - Throws: `StoreError`.
    package static func load(
        from store: any Store, secretKey: SecretKey, residency: Residency, logger: Logger
    ) async throws(StoreError) -> ProjectDirectory {
        let content = Content(projects: try await store.projects(), accounts: try await store.accounts())
        return ProjectDirectory(
            store: store, secretKey: secretKey, residency: residency, logger: logger, content: content)
    }

    private init(
        store: any Store, secretKey: SecretKey, residency: Residency, logger: Logger, content: Content
    ) {
        self.residency = residency
        self.store = store
        self.secretKey = secretKey
        self.logger = logger
        self.content = Mutex(content)
    }

    /// What the directory holds at one moment.
    package struct Content: Sendable {
        package let projects: [ProjectRecord]
        package let rules: [ProjectID: MergeRules]
        private let byToken: [DistinctID: ProjectRecord]
        private let bySecretDigest: [DistinctID: ProjectRecord]
        private let byID: [ProjectID: ProjectRecord]
        private let accountsByName: [DistinctID: AccountRecord]

        init(projects: [ProjectRecord], accounts: [AccountRecord]) {
            self.projects = projects
            rules = Dictionary(uniqueKeysWithValues: projects.map { ($0.id, $0.rules) })
            // The store keeps these apart; where damage made two the same, neither project answers for the other.
            let byToken = Dictionary(grouping: projects) { DistinctID($0.token) }
            self.byToken = byToken.compactMapValues { $0.count == 1 ? $0[0] : nil }
            let bySecretDigest = Dictionary(grouping: projects) { DistinctID($0.secretDigest) }
            self.bySecretDigest = bySecretDigest.compactMapValues { $0.count == 1 ? $0[0] : nil }
            byID = Dictionary(uniqueKeysWithValues: projects.map { ($0.id, $0) })
            accountsByName = Dictionary(accounts.map { (DistinctID($0.username), $0) }) { first, _ in first }
        }

        package func project(token: [UInt8]) -> ProjectRecord? { byToken[DistinctID(token)] }

        package func project(secretDigest: [UInt8]) -> ProjectRecord? { bySecretDigest[DistinctID(secretDigest)] }

        package func project(_ id: ProjectID) -> ProjectRecord? { byID[id] }

        package func account(_ username: String) -> AccountRecord? { accountsByName[DistinctID(username)] }
    }

    package var current: Content { content.withLock { $0 } }

    /// Reads projects and accounts again unless that was done a moment ago: for keys that nobody knows, which anyone
    /// may send as often as they like.
    package func reloadIfStale() async {
        let now = ContinuousClock.now
        let isStale = lastReload.withLock { last in
            if let last, last.duration(to: now) < .milliseconds(200) { return false }
            last = now
            return true
        }
        if isStale { await reload() }
    }

    /// Reads projects and accounts from the store again.
    package func reload() async {
        let reading = readings.withLock { readings in
            readings.begun += 1
            return readings.begun
        }
        do throws(StoreError) {
            let fresh = Content(projects: try await store.projects(), accounts: try await store.accounts())
            readings.withLock { readings in
                guard reading > readings.inForce else { return }
                readings.inForce = reading
                content.withLock { $0 = fresh }
            }
        } catch {
            logger.warning(
                "the list of projects could not be read again; the last one stays in force",
                metadata: ["error": "\(error)"])
        }
    }
}
