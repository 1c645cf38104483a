import IdentityEngine
package import IdentityStore
package import MixpanelWire

/// What a request's credential lets it do, in which project (P 5.1).
package struct Access: Sendable {
    /// How the sender showed who it is.
    package enum Kind: Hashable, Sendable {
        case token
        case secret
        case account(String, AccountRole)
    }

    package let project: ProjectRecord
    package let kind: Kind

    /// Whether `$merge` is accepted: never with the public token (P 5.3-1).
    package var mayMerge: Bool { kind != .token }

    /// How the log names the sender.
    package var principal: String {
        switch kind {
        case .token: "token"
        case .secret: "secret"
        case .account(let username, _): "account \(username)"
        }
    }
}

/// A project that a credential opens, and as what.
struct Membership: Sendable {
    let project: ProjectRecord
    let role: AccountRole
}

/// Why a credential is refused: the status, and the text of P 5.4.
package struct AccessRefusal: Error, Hashable, Sendable {
    package let status: Int
    package let message: String

    package static let missing = AccessRefusal(status: 401, message: "Unauthorized, missing credentials")

    static func unauthorized(_ message: String) -> AccessRefusal { AccessRefusal(status: 401, message: message) }

    static func forbidden(_ message: String) -> AccessRefusal { AccessRefusal(status: 403, message: message) }
}

/// Which door a credential is shown at.
package enum AccessPurpose: Sendable {
    /// /import: token, secret, or an account that may write.
    case importing
    /// Queries of our own and the export: secret, or an account with any role.
    case reading
    /// /flags: token, secret, or an account with any role.
    case flags
}

extension ProjectDirectory {
    /// Finds the project that a request's credential opens (P 5.3, 5.4).
    ///
    /// - Parameters:
    ///   - credentials: the parsed `Authorization` header.
    ///   - projectID: the `project_id` option as sent; nil where there is none.
    ///   - host: the `Host` of the request.
    ///   - purpose: what the credential is wanted for.
    /// - Returns: the project, and what the sender may do in it.
    /// - Throws: `AccessRefusal`.
    package func access(
        _ credentials: Credentials, projectID: String?, host: String?, for purpose: AccessPurpose
    ) async throws(AccessRefusal) -> Access {
        let access = try await found(credentials) { name, password throws(AccessRefusal) in
            try find(name, password, projectID, purpose)
        }
        if let refusal = residency.refusal(of: access.project, host: host) { throw .forbidden(refusal) }
        return access
    }

    /// Finds every project that a credential opens for reading, with what the sender is there.
    ///
    /// - Parameters:
    ///   - credentials: the parsed `Authorization` header.
    ///   - projectID: the `project_id` option as sent, which binds a secret only; nil where there is none.
    /// - Returns: the account's name, nil for a secret, and its projects in the order of their numbers.
    /// - Throws: `AccessRefusal`.
    func memberships(
        _ credentials: Credentials, projectID: String?
    ) async throws(AccessRefusal) -> (username: String?, projects: [Membership]) {
        try await found(credentials) { name, password throws(AccessRefusal) in
            if password.isEmpty {
                // A secret may do whatever an owner may.
                let access = try find(name, password, projectID, .reading)
                return access.map { (nil, [Membership(project: $0.project, role: .owner)]) }
            }
            guard let account = try account(name, password) else { return nil }
            let projects = current.projects.sorted { $0.id < $1.id }
            return (
                account.username,
                projects.compactMap { project in
                    account.roles[project.id].map { Membership(project: project, role: $0) }
                }
            )
        }
    }

    /// What a credential is found to be, looked for a second time where nobody knows its name.
    private func found<Found>(
        _ credentials: Credentials, _ find: (String, String) throws(AccessRefusal) -> Found?
    ) async throws(AccessRefusal) -> Found {
        let (username, password): (String, String)
        switch credentials {
        case .none: throw .missing
        case .unsupported: throw .unauthorized("Unauthorized, only Basic credentials are supported")
        case .basic(let sentName, let sentPassword): (username, password) = (sentName, sentPassword)
        }
        if let found = try find(username, password) { return found }
        // A project made a moment ago by the command is not in memory yet.
        await reloadIfStale()
        if let found = try find(username, password) { return found }
        throw password.isEmpty
            ? .unauthorized(
                "Unauthorized, invalid project secret. See docs for more information: "
                    + "docs/wire-protocol.md, section 5")
            : .unauthorized("Not a valid service account username")
    }

    /// The access that a credential gives; nil where nobody knows its name.
    private func find(
        _ name: String, _ password: String, _ projectID: String?, _ purpose: AccessPurpose
    ) throws(AccessRefusal) -> Access? {
        let content = current
        if password.isEmpty {
            let bySecret = content.project(secretDigest: secretKey.digest(of: name))
            let byToken = bySecret == nil ? content.project(token: Array(name.utf8)) : nil
            guard let project = bySecret ?? byToken else { return nil }
            if byToken != nil, purpose == .reading {
                throw .unauthorized(
                    "Unauthorized, the project token is public and cannot read; use the project secret "
                        + "or a service account")
            }
            if let projectID, projectID != project.id.description {
                throw .unauthorized("Credentials in request did not match project_id URL parameter")
            }
            return Access(project: project, kind: bySecret != nil ? .secret : .token)
        }
        guard let account = try account(name, password) else { return nil }
        guard let projectID else {
            throw .unauthorized("project_id is required for service account authentication")
        }
        guard let id = Int64(projectID), let project = content.project(ProjectID(id)),
            let role = account.roles[project.id]
        else { throw .forbidden("\(name) is not a project member of project \(projectID.prefix(20))") }
        if purpose == .importing, !role.mayWrite {
            throw .forbidden("insufficient role: importing needs admin or owner, and \(name) is \(role.rawValue)")
        }
        return Access(project: project, kind: .account(name, role))
    }

    /// The service account with a name, once its secret is seen to be right; nil where nobody has the name.
    private func account(_ name: String, _ password: String) throws(AccessRefusal) -> AccountRecord? {
        guard let account = current.account(name) else { return nil }
        guard Self.isEqual(account.secretDigest, secretKey.digest(of: password)) else {
            throw .unauthorized("Invalid service account credentials")
        }
        return account
    }

    /// Compares in a time that does not depend on where two digests differ (P 5.6).
    private static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count else { return false }
        var difference: UInt8 = 0
        for (x, y) in zip(a, b) { difference |= x ^ y }
        return difference == 0
    }
}
