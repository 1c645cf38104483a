/// Every statement of a SQLite store, in the order: events, identities, log, links, projects, accounts.
///
/// Columns are always read and bound by place, in the order of the table.
enum Statements {
    static let begin = "BEGIN IMMEDIATE"
    static let beginReading = "BEGIN DEFERRED"
    static let commit = "COMMIT"
    static let rollback = "ROLLBACK"

    static let replaceEvent = """
        INSERT OR REPLACE INTO event
        (project, time, hash, name, sent_id, filed_id, insert_id, properties, endpoint, received, sequence, conflict)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """

    static let anyEvent = "SELECT 1 FROM event WHERE project = ? AND time = ? AND hash = ?"

    static let eventsAfter = """
        SELECT time, hash, name, sent_id, filed_id, insert_id, properties, endpoint, received, sequence, conflict
        FROM event WHERE project = ?1 AND (time, hash) > (?2, ?3) AND time < ?4
        ORDER BY time, hash LIMIT ?5
        """

    static let identityByID = "SELECT \(identityColumns) FROM identity WHERE project = ? AND distinct_id = ?"

    static let identityByKey = "SELECT \(identityColumns) FROM identity WHERE key = ? AND project = ?"

    /// The index by project gives the order; the one by id would have to sort the whole project for one page.
    static let identitiesAfter = """
        SELECT \(identityColumns) FROM identity INDEXED BY identity_project
        WHERE project = ? AND key > ? ORDER BY key LIMIT ?
        """

    /// The greatest key may have been deleted: `counter` has it then.
    ///
    /// A greater one than any that is given is damaged, and must not keep every project from getting keys.
    static let lastKey = """
        SELECT max(
            coalesce((SELECT max(key) FROM identity WHERE key < \(StoredNumber.limit)), 0),
            coalesce((SELECT value FROM counter WHERE name = 'node' AND value < \(StoredNumber.limit)), 0))
        """

    static let insertIdentity = """
        INSERT INTO identity (project, \(identityColumns))
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """

    static let updateIdentity = """
        UPDATE identity SET parent = ?2, joined_sequence = ?3, next = ?4, link_order = ?5, identified_sequence = ?6,
        alias_sequence = ?7, size = ?8, canonical = ?9, canonical_rank = ?10, canonical_since = ?11,
        identified_count = ?12, linked_sequence = ?13, revised_sequence = ?14 WHERE key = ?1
        """

    static let insertEntry = """
        INSERT INTO log (project, \(entryColumns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """

    static let insertEntryNode = "INSERT INTO log_node (project, node, sequence) VALUES (?, ?, ?)"

    static let lastSequence = "SELECT sequence FROM log WHERE project = ? ORDER BY sequence DESC LIMIT 1"

    /// The earliest time that the next entry of the project ?1 may get; the least number where any will do.
    static let leastEntryTime = """
        SELECT max(
            coalesce((SELECT time FROM log WHERE project = ?1 ORDER BY sequence DESC LIMIT 1), -9223372036854775808),
            coalesce((SELECT value + 1 FROM counter WHERE name = 'settled ' || ?1), -9223372036854775808))
        """

    /// From here on no entry of the project ?1 gets a time up to ?2.
    static let settleTime = """
        INSERT INTO counter (name, value) VALUES ('settled ' || ?1, ?2)
        ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)
        """

    /// The entry that the event with the key (?2, ?3) shows.
    static let entryOfEvent = """
        SELECT \(entryColumns) FROM log WHERE project = ?1 AND sequence =
            (SELECT sequence FROM event WHERE project = ?1 AND time = ?2 AND hash = ?3)
        """

    static let entry = "SELECT \(entryColumns) FROM log WHERE project = ? AND sequence = ?"

    static let entries = "\(wantedEntries) ORDER BY sequence LIMIT ?5"

    static let entriesLatestFirst = "\(wantedEntries) ORDER BY sequence DESC LIMIT ?5"

    static let nodeEntries = "\(wantedNodeEntries) ORDER BY named LIMIT ?5"

    static let nodeEntriesLatestFirst = "\(wantedNodeEntries) ORDER BY named DESC LIMIT ?5"

    /// ?3 has the bit 1 << outcome of each outcome that is wanted; ?4 is the verb, or 0 for all.
    private static let wantedEntries = """
        SELECT \(entryColumns) FROM log
        WHERE project = ?1 AND sequence > ?2 AND sequence < ?6 AND (?3 >> outcome) & 1 AND (?4 = 0 OR verb = ?4)
        """

    /// The same for the entries that name the node ?7.
    private static let wantedNodeEntries = """
        SELECT \(entryColumns) FROM
            (SELECT sequence AS named FROM log_node
             WHERE project = ?1 AND node = ?7 AND sequence > ?2 AND sequence < ?6)
            CROSS JOIN log ON project = ?1 AND sequence = named
        WHERE (?3 >> outcome) & 1 AND (?4 = 0 OR verb = ?4)
        """

    static let insertLink = """
        INSERT INTO link (project, sequence, verb, from_key, to_key, \(changeColumns))
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """

    static let linkChanges = "\(changedLinks) ORDER BY sequence LIMIT ?4"

    static let linkChangesLatestFirst = "\(changedLinks) ORDER BY sequence DESC LIMIT ?4"

    private static let changedLinks = """
        SELECT sequence, verb, from_key, to_key, \(changeColumns), sequence > \(uncertainSequence) FROM link
        WHERE project = ?1 AND sequence > ?2 AND sequence <= ?3
            AND (canonical IS NOT 0 OR sequence <= \(uncertainSequence))
        """

    private static let uncertainSequence = "coalesce((SELECT value FROM counter WHERE name = 'parted ' || ?1), 0)"

    private static let changeColumns = "canonical, root, first, former, other_root, other_first, other_former"

    static let activeLink = """
        SELECT 1 FROM link WHERE from_key = ?2 AND to_key = ?3 AND verb = ?4 AND project = ?1 AND coalesce(
            (SELECT active FROM link_state WHERE project = ?1 AND link = link.sequence
             ORDER BY from_sequence DESC LIMIT 1), 1)
        LIMIT 1
        """

    static let linksFromNode = """
        SELECT sequence, verb, from_key, to_key FROM link INDEXED BY link_from WHERE from_key = ?2 AND project = ?1
        ORDER BY sequence
        """

    /// No link has one node at both ends, so that nothing comes twice.
    static let linksOfNode = """
        SELECT sequence, verb, from_key, to_key FROM link INDEXED BY link_from WHERE from_key = ?2 AND project = ?1
        UNION ALL
        SELECT sequence, verb, from_key, to_key FROM link INDEXED BY link_to WHERE to_key = ?2 AND project = ?1
        ORDER BY 1
        """

    static let link = "SELECT sequence, verb, from_key, to_key FROM link WHERE project = ? AND sequence = ?"

    /// The links at either end of the node ?2 that are active as of the sequence ?3.
    static let activeLinksOfNode = """
        SELECT sequence, verb, from_key, to_key FROM link INDEXED BY link_from
        WHERE from_key = ?2 AND project = ?1 AND sequence <= ?3 AND \(isActiveAsOf)
        UNION ALL
        SELECT sequence, verb, from_key, to_key FROM link INDEXED BY link_to
        WHERE to_key = ?2 AND project = ?1 AND sequence <= ?3 AND \(isActiveAsOf)
        ORDER BY 1
        """

    private static let isActiveAsOf = """
        coalesce((SELECT active FROM link_state WHERE project = ?1 AND link = link.sequence AND from_sequence <= ?3
            ORDER BY from_sequence DESC LIMIT 1), 1)
        """

    static let linkStates = """
        SELECT from_sequence, active FROM link_state WHERE project = ? AND link = ? ORDER BY from_sequence
        """

    static let insertLinkState = "INSERT INTO link_state (project, link, from_sequence, active) VALUES (?, ?, ?, ?)"

    static let amendmentSequences = """
        SELECT DISTINCT from_sequence FROM link_state INDEXED BY link_state_from
        WHERE project = ? AND from_sequence > ? ORDER BY from_sequence LIMIT ?
        """

    static let replaceBlock = "INSERT OR REPLACE INTO block (project, low_key, high_key, sequence) VALUES (?, ?, ?, ?)"

    static let deleteBlock = "DELETE FROM block WHERE project = ? AND low_key = ? AND high_key = ?"

    static let blocksAfter = """
        SELECT low_key, high_key, sequence FROM block WHERE project = ?1 AND (low_key, high_key) > (?2, ?3)
        ORDER BY low_key, high_key LIMIT ?4
        """

    static let anyBlock = "SELECT 1 FROM block LIMIT 1"

    static let blockOfPair = "SELECT sequence FROM block WHERE project = ? AND low_key = ? AND high_key = ?"

    static let projects = """
        SELECT id, name, token, secret_digest, identity_system, max_cluster_size, anonymous_form, created, region
        FROM project ORDER BY id
        """

    static let replaceProject = """
        INSERT OR REPLACE INTO project
        (id, name, token, secret_digest, identity_system, max_cluster_size, anonymous_form, created, region)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """

    static let holdsContent = """
        SELECT EXISTS (SELECT 1 FROM event WHERE project = ?1) OR EXISTS (SELECT 1 FROM log WHERE project = ?1)
            OR EXISTS (SELECT 1 FROM profile WHERE project = ?1)
            OR EXISTS (SELECT 1 FROM group_profile WHERE project = ?1)
        """

    static let updateProjectSecret = "UPDATE project SET secret_digest = ?2 WHERE id = ?1"

    static let updateAccountSecret = "UPDATE account SET secret_digest = ?2 WHERE username = ?1"

    static let countSecrets = "SELECT (SELECT count(*) FROM project) + (SELECT count(*) FROM account)"

    /// A row of a size, of no project: never to be committed.
    static let insertTrial = "INSERT INTO arrivals (project, packed) VALUES (0, zeroblob(?))"

    static let accounts = "SELECT username, secret_digest, created FROM account ORDER BY username"

    static let accountRoles = "SELECT username, project, role FROM account_role"

    static let replaceAccount = "INSERT OR REPLACE INTO account (username, secret_digest, created) VALUES (?, ?, ?)"

    static let deleteRoles = "DELETE FROM account_role WHERE username = ?"

    static let insertRole = "INSERT INTO account_role (username, project, role) VALUES (?, ?, ?)"

    /// Everything of one project, in an order in which it may be deleted: what has no project of its own first.
    static let resetProject =
        [
            "DELETE FROM posting_block WHERE id IN (SELECT block FROM posting_fence WHERE run IN \(runsOfProject))",
            "DELETE FROM posting_fence WHERE run IN \(runsOfProject)",
            "DELETE FROM counter WHERE name IN ('parted ' || ?1, 'settled ' || ?1)",
        ]
        + Schema.contentTables.filter { !Schema.tablesWithoutProject.contains($0) }
        .map { "DELETE FROM \($0) WHERE project = ?1" }

    private static let runsOfProject = "(SELECT run FROM posting_run WHERE project = ?1)"

    static let identityColumns = """
        key, distinct_id, first_sequence, first_seen, anonymous_form, parent, joined_sequence, next, link_order,
        identified_sequence, alias_sequence, size, canonical, canonical_rank, canonical_since, identified_count,
        linked_sequence, revised_sequence
        """

    static let entryColumns = """
        sequence, time, verb, primary_id, secondary_id, outcome, refusal, has_link, cluster_size, max_cluster_size,
        endpoint, principal, detail
        """
}
