extension Schema {
    /// Profiles of ids and of groups.
    ///
    /// `profile` has a row for each id that was sent an update; clusters are asked for when it is read. `root` and
    /// `linked_sequence` say in what state its cluster was at its last update, and `ledger` what counts
    /// (`ProfileLedger`). `profile_order` has the last place that was given to an operation on a project's profiles.
    ///
    /// `identity.linked_sequence` is true of roots. Of a cluster that is there already the last sequence of its
    /// project's log is taken: its links came no later, and nothing was sent to its profiles before.
    static let profiles = """
        CREATE TABLE profile (
            project INTEGER NOT NULL,
            distinct_id BLOB NOT NULL,
            root INTEGER NOT NULL,
            linked_sequence INTEGER NOT NULL,
            updated INTEGER NOT NULL,
            ledger BLOB NOT NULL,
            UNIQUE (project, distinct_id)
        ) STRICT;
        CREATE INDEX profile_root ON profile (root, linked_sequence, distinct_id) WHERE root <> 0;
        CREATE TABLE group_profile (
            project INTEGER NOT NULL,
            group_key BLOB NOT NULL,
            group_id BLOB NOT NULL,
            updated INTEGER NOT NULL,
            ledger BLOB NOT NULL,
            UNIQUE (project, group_key, group_id)
        ) STRICT;
        CREATE TABLE profile_order (
            project INTEGER PRIMARY KEY,
            last INTEGER NOT NULL
        ) STRICT;
        ALTER TABLE identity ADD COLUMN linked_sequence INTEGER NOT NULL DEFAULT 0;
        UPDATE identity SET linked_sequence =
            coalesce((SELECT max(sequence) FROM log WHERE log.project = identity.project), 0)
            WHERE parent = key AND size > 1;

        """
}

extension Statements {
    static let profile = "SELECT \(profileColumns) FROM profile WHERE project = ? AND distinct_id = ?"

    static let profilesAfter = """
        SELECT \(profileColumns) FROM profile WHERE project = ?1 AND distinct_id > ?2 ORDER BY distinct_id LIMIT ?3
        """

    static let firstProfiles = """
        SELECT \(profileColumns) FROM profile WHERE project = ?1 ORDER BY distinct_id LIMIT ?2
        """

    static let profilesOfRoot = """
        SELECT \(profileColumns) FROM profile INDEXED BY profile_root
        WHERE root = ?1 AND root <> 0 AND linked_sequence = ?2 AND project = ?3 ORDER BY distinct_id LIMIT ?4
        """

    static let replaceProfile = """
        INSERT INTO profile (project, \(profileColumns)) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (project, distinct_id) DO UPDATE SET
        root = ?3, linked_sequence = ?4, updated = ?5, ledger = ?6
        """

    static let deleteProfile = "DELETE FROM profile WHERE project = ? AND distinct_id = ?"

    static let groupProfile = """
        SELECT updated, ledger FROM group_profile WHERE project = ? AND group_key = ? AND group_id = ?
        """

    static let replaceGroupProfile = """
        INSERT INTO group_profile (project, group_key, group_id, updated, ledger) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (project, group_key, group_id) DO UPDATE SET updated = ?4, ledger = ?5
        """

    static let deleteGroupProfile = """
        DELETE FROM group_profile WHERE project = ? AND group_key = ? AND group_id = ?
        """

    static let lastProfileOrder = "SELECT last FROM profile_order WHERE project = ?"

    static let replaceProfileOrder = "INSERT OR REPLACE INTO profile_order (project, last) VALUES (?, ?)"

    private static let profileColumns = "distinct_id, root, linked_sequence, updated, ledger"
}
