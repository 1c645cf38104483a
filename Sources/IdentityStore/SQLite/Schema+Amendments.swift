extension Schema {
    /// What unmerges, restores and changes of rules leave.
    ///
    /// `log.detail` has the numbers of an amendment (`Amendment.packed`), eight bytes each, big-endian; NULL in the
    /// entry of a statement. `identity.revised_sequence` is the last amendment that computed the row anew.
    static let amendments = """
        ALTER TABLE log ADD COLUMN detail BLOB;
        ALTER TABLE identity ADD COLUMN revised_sequence INTEGER NOT NULL DEFAULT 0;
        CREATE INDEX link_state_from ON link_state (project, from_sequence);

        """
}
