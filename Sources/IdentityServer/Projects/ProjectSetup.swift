package import IdentityEngine
package import IdentityStore

/// Brings a store's projects and accounts to what the configuration names, and makes the first project of a new store.
package struct ProjectSetup: Sendable {
    private let store: any Store
    private let secretKey: SecretKey
    private let nowMilliseconds: Int64

    package init(store: any Store, secretKey: SecretKey, nowMilliseconds: Int64) {
        self.store = store
        self.secretKey = secretKey
        self.nowMilliseconds = nowMilliseconds
    }

    /// Saves what the configuration names, where that is not what the store has.
    ///
    /// What it no longer names stays as it is.
    ///
    /// - Throws: `ConfigurationError` where a project that holds data is given another identity system (P 9-6), or
    ///   where a secret is none that a server takes.
    package func apply(_ configuration: Configuration) async throws {
        try SecretRules.check(configuration)
        let projects = try await projects(of: configuration)
        let accounts = try await accounts(of: configuration)
        try refusePublicSecrets(projects.all, accounts.all)
        for project in projects.changed { try await save(project) }
        for account in accounts.changed { try await store.save(account) }
    }

    /// What the store is to have, and what of it is not as the store has it.
    private struct Wanted<Record> {
        var all: [Record] = []
        var changed: [Record] = []
    }

    private func projects(of configuration: Configuration) async throws -> Wanted<ProjectRecord> {
        let known = Dictionary(uniqueKeysWithValues: try await store.projects().map { ($0.id, $0) })
        let named = configuration.projects.map { project in
            ProjectRecord(
                id: project.id, name: project.name, token: project.token,
                secretDigest: secretKey.digest(of: project.secret), rules: project.rules,
                region: project.region ?? known[project.id]?.region,
                createdMilliseconds: known[project.id]?.createdMilliseconds ?? nowMilliseconds)
        }
        let ids = Set(named.map(\.id))
        return Wanted(
            all: named + known.values.filter { !ids.contains($0.id) }, changed: named.filter { $0 != known[$0.id] })
    }

    private func accounts(of configuration: Configuration) async throws -> Wanted<AccountRecord> {
        // By the bytes of the name; as keys, texts that look the same would be the same.
        let known = Dictionary(
            uniqueKeysWithValues: try await store.accounts().map { (DistinctID($0.username), $0) })
        let named = configuration.accounts.map { account in
            AccountRecord(
                username: account.username, secretDigest: secretKey.digest(of: account.secret),
                roles: account.roles.compactMapValues(AccountRole.init(rawValue:)),
                createdMilliseconds: known[DistinctID(account.username)]?.createdMilliseconds ?? nowMilliseconds)
        }
        let names = Set(named.map { DistinctID($0.username) })
        return Wanted(
            all: named + known.values.filter { !names.contains(DistinctID($0.username)) },
            changed: named.filter { $0 != known[DistinctID($0.username)] })
    }

    /// Refuses a token that is a secret too: a token is public.
    ///
    /// Only here are those known that the configuration does not name.
    private func refusePublicSecrets(_ projects: [ProjectRecord], _ accounts: [AccountRecord]) throws {
        let owners = Dictionary(
            projects.map { (DistinctID($0.secretDigest), "project \($0.id)") }
                + accounts.map { (DistinctID($0.secretDigest), "the account \($0.username)") },
            uniquingKeysWith: { first, _ in first })
        for project in projects.sorted(by: { $0.id < $1.id }) {
            guard let owner = owners[DistinctID(secretKey.digest(of: project.token))] else { continue }
            throw ConfigurationError(
                "the token of project \(project.id) is also the secret of \(owner), but a token is public; give "
                    + "\(owner) another secret, or the project another token")
        }
    }

    /// Makes a project with a fresh token and secret.
    ///
    /// - Parameters:
    ///   - id: its number; nil for the next free one.
    ///   - name: its name.
    ///   - rules: how it joins ids.
    ///   - region: where its data is at home; nil for anywhere.
    ///   - keep: called with the project and its secret before the project is saved, so that no secret is lost.
    /// - Returns: the project, and its secret, which the store does not keep.
    /// - Throws: `ConfigurationError` where the number is taken; what `keep` throws.
    package func makeProject(
        id: ProjectID? = nil, name: String, rules: MergeRules, region: String? = nil,
        keep: (ProjectRecord, String) throws -> Void = { _, _ in }
    ) async throws -> (project: ProjectRecord, secret: String) {
        let taken = try await store.projects().map(\.id.rawValue)
        let secret = SecretKey.makeSecret()
        let record = ProjectRecord(
            id: id ?? ProjectID((taken.max() ?? 0) + 1), name: name, token: SecretKey.makeSecret(),
            secretDigest: secretKey.digest(of: secret), rules: rules, region: region,
            createdMilliseconds: nowMilliseconds)
        guard !taken.contains(record.id.rawValue) else {
            throw ConfigurationError("project \(record.id) exists already; `selfsame project list` shows what there is")
        }
        try keep(record, secret)
        try await save(record)
        return (record, secret)
    }

    /// Gives a project a new secret; the old one stops working.
    package func rotateSecret(of id: ProjectID) async throws -> (project: ProjectRecord, secret: String) {
        guard var record = try await store.projects().first(where: { $0.id == id }) else {
            throw ConfigurationError("there is no project \(id); `selfsame project list` shows what there is")
        }
        let secret = SecretKey.makeSecret()
        record.secretDigest = secretKey.digest(of: secret)
        try await save(record)
        return (record, secret)
    }

    /// Makes a service account with a fresh secret.
    ///
    /// - Throws: `ConfigurationError` where the name is taken or a project does not exist.
    package func makeAccount(
        username: String, roles: [ProjectID: AccountRole]
    ) async throws -> (account: AccountRecord, secret: String) {
        guard !username.isEmpty, !username.contains(":") else {
            throw ConfigurationError("a service account's name must not be empty or hold a colon")
        }
        guard try await !store.accounts().contains(where: { $0.username == username }) else {
            throw ConfigurationError("the service account \(username) exists already")
        }
        let known = Set(try await store.projects().map(\.id))
        for id in roles.keys.sorted() where !known.contains(id) {
            throw ConfigurationError("there is no project \(id); `selfsame project list` shows what there is")
        }
        let secret = SecretKey.makeSecret()
        let account = AccountRecord(
            username: username, secretDigest: secretKey.digest(of: secret), roles: roles,
            createdMilliseconds: nowMilliseconds)
        try await store.save(account)
        return (account, secret)
    }

    private func save(_ record: ProjectRecord) async throws {
        do throws(StoreError) {
            try await store.save(record, nowMilliseconds: nowMilliseconds)
        } catch {
            guard error.code == .conflict else { throw error }
            throw ConfigurationError("project \(record.id): \(error.message)")
        }
    }
}
