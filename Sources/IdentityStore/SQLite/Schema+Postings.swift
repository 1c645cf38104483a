extension Schema {
    /// Where the events are that are filed under an id (decision 0008).
    ///
    /// Rows of `arrivals` are open until they are closed into a *run*: the same records, sorted by id and time, cut
    /// into the blocks of `posting_block`. `posting_fence` has the first record of each block, and the place of the
    /// block in its run. Runs of one level are merged into one of the next; `output` is the run that one is being
    /// merged into. What `state` says is in `PostingRun.State`. `records` is how many a run had when it was made, or
    /// more.
    static let postings = """
        CREATE INDEX arrivals_project ON arrivals (project);
        CREATE TABLE posting_run (
            run INTEGER PRIMARY KEY,
            project INTEGER NOT NULL,
            level INTEGER NOT NULL,
            state INTEGER NOT NULL,
            output INTEGER,
            records INTEGER NOT NULL,
            least_time INTEGER NOT NULL,
            greatest_time INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX posting_run_project ON posting_run (project, state);
        CREATE TABLE posting_block (
            id INTEGER PRIMARY KEY,
            records BLOB NOT NULL
        ) STRICT;
        CREATE TABLE posting_fence (
            run INTEGER NOT NULL,
            first_hash BLOB NOT NULL,
            first_time INTEGER NOT NULL,
            ordinal INTEGER NOT NULL,
            block INTEGER NOT NULL,
            PRIMARY KEY (run, first_hash, first_time, ordinal)
        ) WITHOUT ROWID, STRICT;

        """
}

/// The statements about arrivals and runs.
extension Statements {
    /// The greatest number may have been deleted: `counter` has it then.
    ///
    /// A greater one than any that is given is damaged, and must not keep every project from getting numbers.
    static let insertArrivals = """
        INSERT INTO arrivals (batch, project, packed) VALUES (1 + max(
            coalesce((SELECT max(batch) FROM arrivals WHERE batch < \(StoredNumber.limit)), 0),
            coalesce((SELECT value FROM counter WHERE name = 'batch' AND value < \(StoredNumber.limit)), 0)), ?, ?)
        """

    /// To be run before the last row may be deleted, so that no number is given twice.
    static let keepLastBatch = """
        INSERT INTO counter (name, value)
        SELECT 'batch', max(batch) FROM arrivals WHERE batch < \(StoredNumber.limit)
        HAVING max(batch) IS NOT NULL
        ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)
        """

    static let openArrivals = "SELECT batch, packed FROM arrivals WHERE project = ? ORDER BY batch LIMIT ?"

    static let arrivalsAfter = """
        SELECT batch, packed FROM arrivals WHERE project = ? AND batch > ? ORDER BY batch
        """

    static let arrivals = "SELECT packed FROM arrivals WHERE batch = ?"

    static let updateArrivals = "UPDATE arrivals SET packed = ?2 WHERE batch = ?1"

    static let deleteArrivals = "DELETE FROM arrivals WHERE batch = ?"

    static let runs = "SELECT \(runColumns) FROM posting_run WHERE project = ?"

    static let runsInState = "SELECT \(runColumns) FROM posting_run WHERE project = ? AND state = ? ORDER BY run"

    static let insertRun = """
        INSERT INTO posting_run (project, level, state, output, records, least_time, greatest_time)
        VALUES (?, ?, ?, NULL, ?, ?, ?)
        """

    static let updateRunState = "UPDATE posting_run SET state = ?2 WHERE run = ?1"

    static let updateRunOutput = "UPDATE posting_run SET output = ?2 WHERE run = ?1"

    /// The runs that were merged into one.
    static let retireInputs = """
        UPDATE posting_run SET state = ?3, output = NULL WHERE project = ?1 AND state = ?4 AND output = ?2
        """

    static let deleteRun = "DELETE FROM posting_run WHERE run = ?"

    static let insertPostingBlock = "INSERT INTO posting_block (records) VALUES (?)"

    static let postingBlock = "SELECT records FROM posting_block WHERE id = ?"

    static let updatePostingBlock = "UPDATE posting_block SET records = ?2 WHERE id = ?1"

    static let deletePostingBlock = "DELETE FROM posting_block WHERE id = ?"

    static let insertFence = """
        INSERT INTO posting_fence (run, first_hash, first_time, ordinal, block) VALUES (?, ?, ?, ?, ?)
        """

    static let fencesAbove = """
        SELECT first_hash, first_time, ordinal, block FROM posting_fence
        WHERE run = ?1 AND (first_hash, first_time, ordinal) > (?2, ?3, ?4)
        ORDER BY first_hash, first_time, ordinal LIMIT ?5
        """

    static let fenceBelow = """
        SELECT first_hash, first_time, ordinal, block FROM posting_fence
        WHERE run = ?1 AND (first_hash, first_time, ordinal) < (?2, ?3, ?4)
        ORDER BY first_hash DESC, first_time DESC, ordinal DESC LIMIT 1
        """

    static let fence = """
        SELECT block FROM posting_fence WHERE run = ? AND first_hash = ? AND first_time = ? AND ordinal = ?
        """

    static let deleteFence = """
        DELETE FROM posting_fence WHERE run = ? AND first_hash = ? AND first_time = ? AND ordinal = ?
        """

    /// Whether a deletion of a project's ids runs, or was cut short.
    static let startedDeletion = "SELECT 1 FROM privacy_task WHERE state = ?2 AND kind = ?3 AND project = ?1 LIMIT 1"

    private static let runColumns = "run, level, state, output, records, least_time, greatest_time"
}
