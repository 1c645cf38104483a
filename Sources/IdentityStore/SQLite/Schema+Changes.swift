extension Schema {
    /// What links changed of canonical ids (`CanonicalChange`).
    ///
    /// `canonical` is 0 where a link changed nothing, and NULL where that was not recorded, as in links that are older
    /// than the columns. The three columns of a piece of the ring are NULL where there is none.
    static let changes = """
        ALTER TABLE link ADD COLUMN canonical INTEGER;
        ALTER TABLE link ADD COLUMN root INTEGER;
        ALTER TABLE link ADD COLUMN first INTEGER;
        ALTER TABLE link ADD COLUMN former INTEGER;
        ALTER TABLE link ADD COLUMN other_root INTEGER;
        ALTER TABLE link ADD COLUMN other_first INTEGER;
        ALTER TABLE link ADD COLUMN other_former INTEGER;

        """
}
