import GRDB
package import IdentityEngine

extension SQLiteStore {
    package func projects() async throws(StoreError) -> [ProjectRecord] {
        try await onReader { db throws(StoreError) in try SQLiteStore.projects(db) }
    }

    package func save(_ project: ProjectRecord, nowMilliseconds: Int64) async throws(StoreError) {
        try await writeInTransaction { db throws(StoreError) in
            for other in try SQLiteStore.projects(db) {
                if other.id == project.id {
                    if other.rules.system != project.rules.system, try SQLiteStore.holdsContent(project.id, db) {
                        throw .systemFixed(of: other)
                    }
                    try SQLiteAmendment(db: db, project: project.id).logRules(
                        from: other.rules, to: project.rules, nowMilliseconds: nowMilliseconds)
                } else {
                    if other.token == project.token { throw .tokenTaken(of: project, by: other) }
                    if other.secretDigest == project.secretDigest { throw .secretTaken(of: project, by: other) }
                }
            }
            let statement = try PreparedStatement(Statements.replaceProject, in: db)
            try statement.bind(1, project.id.rawValue)
            try statement.bind(2, project.name)
            try statement.bind(3, project.token)
            try statement.bind(4, project.secretDigest)
            try statement.bind(5, project.rules.system.rawValue)
            try statement.bind(6, Int64(project.rules.maxClusterSize))
            try statement.bind(7, project.rules.anonymousForm.rawValue)
            try statement.bind(8, project.createdMilliseconds)
            if let region = project.region { try statement.bind(9, region) }
            try statement.run()
        }
    }

    package func accounts() async throws(StoreError) -> [AccountRecord] {
        try await onReader { db throws(StoreError) in
            // By the bytes of the name; as keys, texts that look the same would be the same.
            var roles: [[UInt8]: [ProjectID: AccountRole]] = [:]
            _ = try PreparedStatement(cached: Statements.accountRoles, in: db).all { row throws(StoreError) in
                guard let role = AccountRole(rawValue: row.text(2)) else {
                    throw .unreadable("account_role", row.integer(1))
                }
                roles[row.bytes(0), default: [:]][ProjectID(row.integer(1))] = role
            }
            return try PreparedStatement(cached: Statements.accounts, in: db).all { row in
                AccountRecord(
                    username: row.text(0), secretDigest: row.bytes(1), roles: roles[row.bytes(0)] ?? [:],
                    createdMilliseconds: row.integer(2))
            }
        }
    }

    package func save(_ account: AccountRecord) async throws(StoreError) {
        try await writeInTransaction { db throws(StoreError) in
            let statement = try PreparedStatement(Statements.replaceAccount, in: db)
            try statement.bind(1, account.username)
            try statement.bind(2, account.secretDigest)
            try statement.bind(3, account.createdMilliseconds)
            try statement.run()
            let deletion = try PreparedStatement(Statements.deleteRoles, in: db)
            try deletion.bind(1, account.username)
            try deletion.run()
            let insertion = try PreparedStatement(Statements.insertRole, in: db)
            for (project, role) in account.roles {
                try insertion.bind(1, account.username)
                try insertion.bind(2, project.rawValue)
                try insertion.bind(3, role.rawValue)
                try insertion.run()
            }
        }
    }

    private static func projects(_ db: Database) throws(StoreError) -> [ProjectRecord] {
        try PreparedStatement(cached: Statements.projects, in: db).all { row throws(StoreError) in
            guard let system = IdentitySystem(rawValue: row.text(4)), let form = AnonymousForm(rawValue: row.text(6)),
                MergeRules.isAllowed(maxClusterSize: Int(row.integer(5)))
            else { throw .unreadable("project", row.integer(0)) }
            return ProjectRecord(
                id: ProjectID(row.integer(0)), name: row.text(1), token: row.text(2), secretDigest: row.bytes(3),
                rules: MergeRules(system: system, maxClusterSize: Int(row.integer(5)), anonymousForm: form),
                region: row.isNull(8) ? nil : row.text(8), createdMilliseconds: row.integer(7))
        }
    }

    /// Whether anything was stored for a project: an event, an identity operation or a profile.
    package func holdsContent(_ project: ProjectID) async throws(StoreError) -> Bool {
        try await onReader { db throws(StoreError) in try SQLiteStore.holdsContent(project, db) }
    }

    private static func holdsContent(_ project: ProjectID, _ db: Database) throws(StoreError) -> Bool {
        let statement = try PreparedStatement(Statements.holdsContent, in: db)
        try statement.bind(1, project.rawValue)
        return try statement.first { row in row.isTrue(0) } ?? false
    }
}
