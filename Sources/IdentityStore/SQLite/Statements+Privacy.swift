/// The statements of deletions and retrievals: their tasks, then what a deletion reads and changes.
extension Statements {
    static let insertTask = """
        INSERT INTO privacy_task (tracking_id, project, kind, compliance_type, requested_by, created, id_count, state,
        ids, finished) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """

    static let task = "SELECT \(taskColumns) FROM privacy_task WHERE tracking_id = ?"

    static let tasksInState = "SELECT \(taskColumns) FROM privacy_task WHERE state = ? ORDER BY number"

    static let updateTask = """
        UPDATE privacy_task SET state = ?3, ids = ?4, finished = ?5 WHERE tracking_id = ?1 AND state = ?2
        """

    /// A project's tasks that are open (pending, started, erasing) or, where they count, hold a file (available).
    static let occupiedTasks = """
        SELECT count(*) FROM privacy_task WHERE project = ?1 AND (state IN (1, 2, 3) OR (?2 AND state = 5))
        """

    static let deleteOldestTasks = """
        DELETE FROM privacy_task WHERE number IN (
            SELECT number FROM privacy_task WHERE state NOT IN (1, 2, 3, 5) ORDER BY number
            LIMIT max((SELECT count(*) FROM privacy_task) - ?, 0))
        """

    static let eventIDs = """
        SELECT sent_id, filed_id, properties FROM event WHERE project = ? AND time = ? AND hash = ?
        """

    static let event = """
        SELECT time, hash, name, sent_id, filed_id, insert_id, properties, endpoint, received, sequence, conflict
        FROM event WHERE project = ? AND time = ? AND hash = ?
        """

    static let deleteEvent = "DELETE FROM event WHERE project = ? AND time = ? AND hash = ?"

    /// Entries about one id: where it had no node, `log_node` does not have them.
    static let entriesAboutOneID = """
        SELECT sequence, CASE WHEN primary_id = secondary_id AND outcome < 4 THEN primary_id END FROM log
        WHERE project = ? AND sequence > ? ORDER BY sequence LIMIT ?
        """

    static let sequencesOfNode = "SELECT sequence FROM log_node WHERE project = ? AND node = ?"

    /// The time is that of the entry before, so that times do not go back.
    static let buryEntry = """
        UPDATE log SET primary_id = x'', secondary_id = x'', outcome = 4, refusal = NULL, has_link = 0,
        cluster_size = 0, max_cluster_size = 0, endpoint = 0, principal = '', detail = NULL, time = coalesce(
            (SELECT time FROM log AS former WHERE former.project = ?1 AND former.sequence = ?2 - 1), 0)
        WHERE project = ?1 AND sequence = ?2 AND outcome <> 4
        """

    static let deleteEntryNodes = "DELETE FROM log_node WHERE project = ? AND node = ?"

    static let deleteLinkStates = """
        DELETE FROM link_state WHERE project = ?1 AND link IN (
            SELECT sequence FROM link INDEXED BY link_from WHERE from_key = ?2 AND project = ?1
            UNION ALL
            SELECT sequence FROM link INDEXED BY link_to WHERE to_key = ?2 AND project = ?1)
        """

    static let deleteLinksFrom = "DELETE FROM link WHERE from_key = ?2 AND project = ?1"

    static let deleteLinksTo = "DELETE FROM link WHERE to_key = ?2 AND project = ?1"

    /// Of a block, either end may be deleted; no index has the second.
    static let blockedPairs = "SELECT low_key, high_key FROM block WHERE project = ?"

    static let deleteIdentity = "DELETE FROM identity WHERE project = ? AND key = ?"

    static let keepLastKey = """
        INSERT INTO counter (name, value)
        SELECT 'node', max(key) FROM identity WHERE key < \(StoredNumber.limit) HAVING max(key) IS NOT NULL
        ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)
        """

    /// ?2 is the last sequence: what links recorded up to it no longer holds of revised clusters (`LinkChange`).
    static let keepUncertainSequence = """
        INSERT INTO counter (name, value) VALUES ('parted ' || ?1, ?2)
        ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)
        """

    private static let taskColumns = """
        tracking_id, project, kind, compliance_type, requested_by, created, id_count, state, ids, finished
        """
}
