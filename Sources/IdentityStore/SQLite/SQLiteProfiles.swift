import GRDB
import IdentityEngine

/// Profiles as a connection of a SQLite store reads and writes them.
///
/// Statements come from the connection's own cache, so that commits without updates of profiles prepare none of them.
struct SQLiteProfiles: ProfileRows {
    let db: Database

    func profile(of id: DistinctID, in project: ProjectID) throws(StoreError) -> StoredProfile? {
        let statement = try PreparedStatement(cached: Statements.profile, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, id.bytes)
        return try statement.first { row throws(StoreError) in try row.profile() }
    }

    func profiles(
        ofRoot root: NodeKey, linkedSequence: Int64, in project: ProjectID, limit: Int
    ) throws(StoreError) -> [StoredProfile] {
        let statement = try PreparedStatement(cached: Statements.profilesOfRoot, in: db)
        try statement.bind(1, root)
        try statement.bind(2, linkedSequence)
        try statement.bind(3, project.rawValue)
        try statement.bind(4, Int64(max(limit, 0)))
        return try statement.all { row throws(StoreError) in try row.profile() }
    }

    func profiles(
        in project: ProjectID, after id: DistinctID?, limit: Int, sizeLimitBytes: Int
    ) throws(StoreError) -> [StoredProfile] {
        let sql = id == nil ? Statements.firstProfiles : Statements.profilesAfter
        let statement = try PreparedStatement(cached: sql, in: db)
        try statement.bind(1, project.rawValue)
        if let id { try statement.bind(2, id.bytes) }
        try statement.bind(id == nil ? 2 : 3, Int64(max(limit, 0)))
        defer { statement.reset() }
        var page: [StoredProfile] = []
        var sizeBytes = 0
        while sizeBytes < sizeLimitBytes || page.isEmpty, try statement.step() {
            let profile = try statement.profile()
            sizeBytes += profile.ledger.sizeBytes
            page.append(profile)
        }
        return page
    }

    func group(_ name: GroupName, in project: ProjectID) throws(StoreError) -> StoredGroup? {
        let statement = try PreparedStatement(cached: Statements.groupProfile, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, name.key)
        try statement.bind(3, name.id)
        return try statement.first { row throws(StoreError) in
            let updated = row.integer(0)
            return StoredGroup(
                updatedMilliseconds: updated,
                ledger: try row.ledger(1, of: "group_profile", 0, updatedMilliseconds: updated, linkedSequence: 0))
        }
    }

    func lastProfileOrder(of project: ProjectID) throws(StoreError) -> Int64 {
        let statement = try PreparedStatement(cached: Statements.lastProfileOrder, in: db)
        try statement.bind(1, project.rawValue)
        return try statement.first { row throws(StoreError) in
            try row.number(0, in: StoredNumber.optional, of: "profile_order", 0)
        } ?? 0
    }

    /// Writes what a group of requests changed; a profile of which nothing is left loses its row.
    func write(_ drafts: ProfileDrafts) throws(StoreError) {
        for project in drafts.projects.values {
            for id in project.changedIDs.sorted() {
                if let profile = project.profiles[id] { try write(profile, in: project.id) }
            }
            for (name, group) in project.groups { try write(group, name, in: project.id) }
            let statement = try PreparedStatement(cached: Statements.replaceProfileOrder, in: db)
            try statement.bind(1, project.id.rawValue)
            try statement.bind(2, project.lastOrder)
            try statement.run()
        }
    }

    private func write(_ profile: StoredProfile, in project: ProjectID) throws(StoreError) {
        let isGone = profile.ledger.isEmpty
        let statement = try PreparedStatement(
            cached: isGone ? Statements.deleteProfile : Statements.replaceProfile, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, profile.id.bytes)
        if !isGone {
            try statement.bind(3, profile.root)
            try statement.bind(4, profile.linkedSequence)
            try statement.bind(5, profile.updatedMilliseconds)
            try statement.bind(6, profile.ledger.encoded)
        }
        try statement.run()
    }

    private func write(_ group: StoredGroup, _ name: GroupName, in project: ProjectID) throws(StoreError) {
        let isGone = group.ledger.isEmpty
        let statement = try PreparedStatement(
            cached: isGone ? Statements.deleteGroupProfile : Statements.replaceGroupProfile, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, name.key)
        try statement.bind(3, name.id)
        if !isGone {
            try statement.bind(4, group.updatedMilliseconds)
            try statement.bind(5, group.ledger.encoded)
        }
        try statement.run()
    }
}

extension SQLiteSnapshot {
    func profile(of id: DistinctID, in project: ProjectID) throws(StoreError) -> StoredProfile? {
        try SQLiteProfiles(db: db).profile(of: id, in: project)
    }

    func profiles(
        in project: ProjectID, after id: DistinctID?, limit: Int, sizeLimitBytes: Int
    ) throws(StoreError) -> [StoredProfile] {
        try SQLiteProfiles(db: db).profiles(in: project, after: id, limit: limit, sizeLimitBytes: sizeLimitBytes)
    }

    func group(_ name: GroupName, in project: ProjectID) throws(StoreError) -> StoredGroup? {
        try SQLiteProfiles(db: db).group(name, in: project)
    }
}

extension PreparedStatement {
    /// A row of `profile`, without its project.
    fileprivate func profile() throws(StoreError) -> StoredProfile {
        let linkedSequence = try number(2, in: StoredNumber.optional, of: "profile", 3)
        let updated = integer(3)
        return StoredProfile(
            id: try distinctID(0, of: "profile", 3),
            root: try number(1, in: StoredNumber.optional, of: "profile", 3), linkedSequence: linkedSequence,
            updatedMilliseconds: updated,
            ledger: try ledger(4, of: "profile", 3, updatedMilliseconds: updated, linkedSequence: linkedSequence))
    }

    fileprivate func ledger(
        _ column: Int32, of table: String, _ key: Int32, updatedMilliseconds: Int64, linkedSequence: Int64
    ) throws(StoreError) -> ProfileLedger {
        let ledger = ProfileLedger(
            encoded: bytes(column), updatedMilliseconds: updatedMilliseconds, linkedSequence: linkedSequence)
        guard let ledger else { throw .unreadable(table, integer(key)) }
        return ledger
    }
}
