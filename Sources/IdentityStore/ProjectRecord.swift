package import IdentityEngine

/// A project as a store has it.
package struct ProjectRecord: Hashable, Sendable {
    package var id: ProjectID
    package var name: String
    /// The public key that events carry, which is not a secret.
    package var token: String
    /// HMAC-SHA256 of the project's secret, which itself is kept nowhere (P 5.6).
    package var secretDigest: [UInt8]
    package var rules: MergeRules
    /// The region in which its data is at home; nil for anywhere.
    package var region: String?
    package var createdMilliseconds: Int64

    package init(
        id: ProjectID, name: String, token: String, secretDigest: [UInt8], rules: MergeRules,
        region: String? = nil, createdMilliseconds: Int64
    ) {
        self.region = region
        self.id = id
        self.name = name
        self.token = token
        self.secretDigest = secretDigest
        self.rules = rules
        self.createdMilliseconds = createdMilliseconds
    }
}

/// A service account as a store has it.
package struct AccountRecord: Hashable, Sendable {
    package var username: String
    /// HMAC-SHA256 of the account's secret.
    package var secretDigest: [UInt8]
    package var roles: [ProjectID: AccountRole]
    package var createdMilliseconds: Int64

    package init(
        username: String, secretDigest: [UInt8], roles: [ProjectID: AccountRole], createdMilliseconds: Int64
    ) {
        self.username = username
        self.secretDigest = secretDigest
        self.roles = roles
        self.createdMilliseconds = createdMilliseconds
    }
}

/// What a service account may do in a project.
///
/// Importing needs `admin` or `owner` (P 5.1); any role may read.
package enum AccountRole: String, CaseIterable, Sendable {
    case owner
    case admin
    case analyst
    case consumer

    /// Whether the role may import events and change identities.
    package var mayWrite: Bool { self == .owner || self == .admin }
}
