import GRDB

/// The tables of a SQLite store.
///
/// Migrations are numbered, and never edited once released.
enum Schema {
    /// What `PRAGMA application_id` says of our files: "self" in ASCII.
    static let applicationID: Int64 = 0x7365_6c66

    static let pageSizeBytes = 8_192

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator().disablingDeferredForeignKeyChecks()
        migrator.registerMigration("1") { db in
            try db.execute(sql: "PRAGMA application_id = \(applicationID)")
            try db.execute(sql: projects + events + identities + log + links)
        }
        migrator.registerMigration("2") { db in try db.execute(sql: profiles) }
        migrator.registerMigration("3") { db in try db.execute(sql: privacy) }
        migrator.registerMigration("4") { db in try db.execute(sql: "ALTER TABLE project ADD COLUMN region TEXT") }
        migrator.registerMigration("5") { db in try db.execute(sql: postings) }
        migrator.registerMigration("6") { db in try db.execute(sql: amendments) }
        migrator.registerMigration("7") { db in try db.execute(sql: changes) }
        // No table changes: it keeps servers out that cannot read the ledgers of profiles with `$last_seen`.
        migrator.registerMigration("8") { _ in }
        return migrator
    }

    /// Everything but projects and accounts, in an order in which it may be emptied.
    static let contentTables = [
        "event", "arrivals", "posting_run", "posting_block", "posting_fence", "identity", "log", "log_node", "link",
        "link_state", "block", "profile", "group_profile",
        "profile_order", "counter", "privacy_task",
    ]

    /// Those of them whose rows do not say which project they are of.
    static let tablesWithoutProject: Set = ["posting_block", "posting_fence", "counter"]

    private static let projects = """
        CREATE TABLE project (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            token TEXT NOT NULL UNIQUE,
            secret_digest BLOB NOT NULL UNIQUE,
            identity_system TEXT NOT NULL,
            max_cluster_size INTEGER NOT NULL,
            anonymous_form TEXT NOT NULL,
            created INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE account (
            username TEXT PRIMARY KEY NOT NULL,
            secret_digest BLOB NOT NULL,
            created INTEGER NOT NULL
        ) WITHOUT ROWID, STRICT;
        CREATE TABLE account_role (
            username TEXT NOT NULL,
            project INTEGER NOT NULL,
            role TEXT NOT NULL,
            PRIMARY KEY (username, project)
        ) WITHOUT ROWID, STRICT;

        """

    /// Events, and what indexes of them are built from.
    ///
    /// `event` is clustered by time, so that live traffic appends; its key is what makes an event one (P 6.5), so that
    /// a copy replaces it without being looked for. It gets no second index: one in random order costs more than the
    /// rows.
    ///
    /// `filed_id` is NULL where it equals `sent_id`, `insert_id` where there is none, `sequence` on a plain event.
    ///
    /// `arrivals` has a row for each commit and project, or several, until `Schema.postings` has what it says: for each
    /// event the first 8 bytes of the stable hash of its filed id, its time, and its hash, 32 bytes, all numbers
    /// big-endian. Numbers of rows ascend, and none is given twice: `counter` has the greatest of those that are gone.
    private static let events = """
        CREATE TABLE event (
            project INTEGER NOT NULL,
            time INTEGER NOT NULL,
            hash BLOB NOT NULL,
            name BLOB NOT NULL,
            sent_id BLOB NOT NULL,
            filed_id BLOB,
            insert_id BLOB,
            properties BLOB NOT NULL,
            endpoint INTEGER NOT NULL,
            received INTEGER NOT NULL,
            sequence INTEGER,
            conflict INTEGER,
            PRIMARY KEY (project, time, hash)
        ) WITHOUT ROWID, STRICT;
        CREATE TABLE arrivals (
            batch INTEGER PRIMARY KEY,
            project INTEGER NOT NULL,
            packed BLOB NOT NULL
        ) STRICT;

        """

    /// The ids that have a node.
    ///
    /// Keys ascend, so `identity_project` is only ever appended to; without it a page of a small project would read the
    /// rows of a large one.
    private static let identities = """
        CREATE TABLE identity (
            key INTEGER PRIMARY KEY,
            project INTEGER NOT NULL,
            distinct_id BLOB NOT NULL,
            first_sequence INTEGER NOT NULL,
            first_seen INTEGER NOT NULL,
            anonymous_form INTEGER NOT NULL,
            parent INTEGER NOT NULL,
            joined_sequence INTEGER NOT NULL,
            next INTEGER NOT NULL,
            link_order INTEGER NOT NULL,
            identified_sequence INTEGER NOT NULL,
            alias_sequence INTEGER NOT NULL,
            size INTEGER NOT NULL,
            canonical INTEGER NOT NULL,
            canonical_rank INTEGER NOT NULL,
            canonical_since INTEGER NOT NULL,
            identified_count INTEGER NOT NULL,
            UNIQUE (project, distinct_id)
        ) STRICT;
        CREATE INDEX identity_project ON identity (project, key);

        """

    /// The log of identity operations.
    ///
    /// `log_node` says which entries name a node. An entry about an id that has no node has no row there.
    private static let log = """
        CREATE TABLE log (
            project INTEGER NOT NULL,
            sequence INTEGER NOT NULL,
            time INTEGER NOT NULL,
            verb INTEGER NOT NULL,
            primary_id BLOB NOT NULL,
            secondary_id BLOB NOT NULL,
            outcome INTEGER NOT NULL,
            refusal INTEGER,
            has_link INTEGER NOT NULL,
            cluster_size INTEGER NOT NULL,
            max_cluster_size INTEGER NOT NULL,
            endpoint INTEGER NOT NULL,
            principal TEXT NOT NULL,
            PRIMARY KEY (project, sequence)
        ) WITHOUT ROWID, STRICT;
        CREATE TABLE log_node (
            project INTEGER NOT NULL,
            node INTEGER NOT NULL,
            sequence INTEGER NOT NULL,
            PRIMARY KEY (project, node, sequence)
        ) WITHOUT ROWID, STRICT;

        """

    /// What successful statements said of pairs, and whether it still counts.
    ///
    /// Link rows never change. `link_state` is append-only: the latest row of a link says whether it is active, and a
    /// link without rows is active since its own sequence. `block` has the pairs that an unmerge parted (P 7.2-3b).
    private static let links = """
        CREATE TABLE link (
            project INTEGER NOT NULL,
            sequence INTEGER NOT NULL,
            verb INTEGER NOT NULL,
            from_key INTEGER NOT NULL,
            to_key INTEGER NOT NULL,
            PRIMARY KEY (project, sequence)
        ) WITHOUT ROWID, STRICT;
        CREATE INDEX link_from ON link (from_key, to_key, verb);
        CREATE INDEX link_to ON link (to_key);
        CREATE TABLE link_state (
            project INTEGER NOT NULL,
            link INTEGER NOT NULL,
            from_sequence INTEGER NOT NULL,
            active INTEGER NOT NULL,
            PRIMARY KEY (project, link, from_sequence)
        ) WITHOUT ROWID, STRICT;
        CREATE TABLE block (
            project INTEGER NOT NULL,
            low_key INTEGER NOT NULL,
            high_key INTEGER NOT NULL,
            sequence INTEGER NOT NULL,
            PRIMARY KEY (project, low_key, high_key)
        ) WITHOUT ROWID, STRICT;

        """

    /// Deletions and retrievals, and what must outlive them.
    ///
    /// `ids` holds those that a task has still to deal with, each after its length of four bytes, big-endian; it is
    /// empty once a task is done. `number` keeps the order of their making. `counter` has the greatest node key ever
    /// given as of the last deletion, so that no key is given twice; under `parted` and the project's number its last
    /// sequence when a deletion took an id that had been parted from others; and under `settled` and that number the
    /// time up to which no entry of it is to come any more.
    private static let privacy = """
        CREATE TABLE privacy_task (
            number INTEGER PRIMARY KEY,
            tracking_id TEXT NOT NULL UNIQUE,
            project INTEGER NOT NULL,
            kind INTEGER NOT NULL,
            compliance_type TEXT NOT NULL,
            requested_by TEXT NOT NULL,
            created INTEGER NOT NULL,
            id_count INTEGER NOT NULL,
            state INTEGER NOT NULL,
            ids BLOB NOT NULL,
            finished INTEGER
        ) STRICT;
        CREATE INDEX privacy_task_state ON privacy_task (state);
        CREATE TABLE counter (
            name TEXT PRIMARY KEY NOT NULL,
            value INTEGER NOT NULL
        ) WITHOUT ROWID, STRICT;

        """
}
