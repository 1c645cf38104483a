import GRDB
import IdentityEngine

/// A run of one project: records in order, in blocks (decision 0008).
struct PostingRun: Sendable {
    /// What stands in `posting_run.state`; never renumbered.
    enum State: Int64 {
        /// It is being made of others, and nobody reads it.
        case building = 1
        case live = 2
        /// Its records are in another run, or were to be; its blocks go a few at a time.
        case dead = 3
    }

    let number: Int64
    let level: Int64
    let state: State
    /// The run that it is being merged into; nil where it is not.
    let output: Int64?
    /// How many records it had when it was made, or more.
    let recordCount: Int
    let leastMilliseconds: Int64
    let greatestMilliseconds: Int64

    /// Every run of a project, in no order.
    static func all(of project: ProjectID, _ db: Database) throws(StoreError) -> [PostingRun] {
        let statement = try PreparedStatement(cached: Statements.runs, in: db)
        try statement.bind(1, project.rawValue)
        return try statement.all { row throws(StoreError) in try row.postingRun() }
    }

    /// The runs of a project in a state, in the order of their making.
    static func all(
        of project: ProjectID, in state: State, _ db: Database
    ) throws(StoreError) -> [PostingRun] {
        let statement = try PreparedStatement(cached: Statements.runsInState, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, state.rawValue)
        return try statement.all { row throws(StoreError) in try row.postingRun() }
    }

    /// Adds a run without blocks.
    ///
    /// - Returns: its number, which no run had while it was live.
    static func insert(
        of project: ProjectID, level: Int64, _ state: State, recordCount: Int, _ times: ClosedRange<Int64>,
        _ db: Database
    ) throws(StoreError) -> Int64 {
        let statement = try PreparedStatement(cached: Statements.insertRun, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, level)
        try statement.bind(3, state.rawValue)
        try statement.bind(4, Int64(recordCount))
        try statement.bind(5, times.lowerBound)
        try statement.bind(6, times.upperBound)
        try statement.run()
        return db.lastInsertedRowID
    }

    static func set(_ state: State, of run: Int64, _ db: Database) throws(StoreError) {
        let statement = try PreparedStatement(cached: Statements.updateRunState, in: db)
        try statement.bind(1, run)
        try statement.bind(2, state.rawValue)
        try statement.run()
    }
}

extension PreparedStatement {
    /// A row of `posting_run`.
    fileprivate func postingRun() throws(StoreError) -> PostingRun {
        guard let state = PostingRun.State(rawValue: integer(2)), isInteger(5), isInteger(6), integer(5) <= integer(6)
        else {
            throw .unreadable("posting_run", integer(0))
        }
        return PostingRun(
            number: integer(0), level: try number(1, in: StoredNumber.optional, of: "posting_run", 0), state: state,
            output: isNull(3) ? nil : integer(3),
            recordCount: Int(try number(4, in: 0..<1 << 48, of: "posting_run", 0)),
            leastMilliseconds: integer(5), greatestMilliseconds: integer(6))
    }
}

/// The place of a block: its run, its first record, and which block of the run it is.
struct PostingFence: Hashable, Sendable {
    let run: Int64
    let firstHash: UInt64
    let firstMilliseconds: Int64
    let ordinal: Int64
    /// The number of its row in `posting_block`.
    let block: Int64

    /// The first fences of a run after a fence, or the very first ones.
    static func all(
        of run: Int64, after fence: PostingFence?, limit: Int, _ db: Database
    ) throws(StoreError) -> [PostingFence] {
        let statement = try PreparedStatement(cached: Statements.fencesAbove, in: db)
        try statement.bind(1, run)
        // No hash is less than no bytes.
        if let fence { try statement.bind(2, bigEndian: fence.firstHash) } else { try statement.bind(2, []) }
        try statement.bind(3, fence?.firstMilliseconds ?? 0)
        try statement.bind(4, fence?.ordinal ?? 0)
        try statement.bind(5, Int64(limit))
        return try statement.all { row throws(StoreError) in try row.fence(of: run) }
    }

    /// The last fence of a run below a place; nil where there is none.
    static func last(
        of run: Int64, below hash: UInt64, _ timeMilliseconds: Int64, _ ordinal: Int64, _ db: Database
    ) throws(StoreError) -> PostingFence? {
        let statement = try PreparedStatement(cached: Statements.fenceBelow, in: db)
        try statement.bind(1, run)
        try statement.bind(2, bigEndian: hash)
        try statement.bind(3, timeMilliseconds)
        try statement.bind(4, ordinal)
        return try statement.first { row throws(StoreError) in try row.fence(of: run) }
    }

    /// The fence before this one.
    func previous(_ db: Database) throws(StoreError) -> PostingFence? {
        try PostingFence.last(of: run, below: firstHash, firstMilliseconds, ordinal, db)
    }

    /// Adds a block with its fence.
    static func insert(
        _ records: [Arrival], _ ordinal: Int64, to run: Int64, _ db: Database
    ) throws(StoreError) {
        guard let first = records.first else { return }
        let block = try PreparedStatement(cached: Statements.insertPostingBlock, in: db)
        try records.packed.withBytes { bytes throws(StoreError) in
            try block.bind(1, inPlace: bytes)
            try block.run()
        }
        try PostingFence(
            run: run, firstHash: first.filedHash, firstMilliseconds: first.key.timeMilliseconds, ordinal: ordinal,
            block: db.lastInsertedRowID
        ).insert(db)
    }

    func insert(_ db: Database) throws(StoreError) {
        let statement = try PreparedStatement(cached: Statements.insertFence, in: db)
        try bindKey(of: statement)
        try statement.bind(5, block)
        try statement.run()
    }

    /// Takes the fence away, but not its block.
    func delete(_ db: Database) throws(StoreError) {
        let statement = try PreparedStatement(cached: Statements.deleteFence, in: db)
        try bindKey(of: statement)
        try statement.run()
    }

    func deleteBlock(_ db: Database) throws(StoreError) {
        let statement = try PreparedStatement(cached: Statements.deletePostingBlock, in: db)
        try statement.bind(1, block)
        try statement.run()
    }

    /// Whether the fence still stands, before the same block.
    func stands(_ db: Database) throws(StoreError) -> Bool {
        let statement = try PreparedStatement(cached: Statements.fence, in: db)
        try bindKey(of: statement)
        return try statement.first { $0.integer(0) } == block
    }

    /// The records of its block, in order.
    ///
    /// - Throws: `StoreError.corrupt` where they do not stand in their order behind the fence: who goes through a run
    ///   would leave some out, or never come to its end.
    func records(_ db: Database) throws(StoreError) -> [Arrival] {
        let statement = try PreparedStatement(cached: Statements.postingBlock, in: db)
        try statement.bind(1, block)
        let found = try statement.first { row throws(StoreError) in
            try row.arrivals(0, of: "posting_block", block)
        }
        guard let records = found, let first = records.first, first.filedHash == firstHash,
            first.key.timeMilliseconds == firstMilliseconds, zip(records, records.dropFirst()).allSatisfy({ $0 < $1 })
        else { throw .unreadable("posting_fence", run) }
        return records
    }

    private func bindKey(of statement: PreparedStatement) throws(StoreError) {
        try statement.bind(1, run)
        try statement.bind(2, bigEndian: firstHash)
        try statement.bind(3, firstMilliseconds)
        try statement.bind(4, ordinal)
    }
}

extension PreparedStatement {
    /// Binds a number as eight bytes, whose order is that of the numbers.
    fileprivate func bind(_ place: Int32, bigEndian number: UInt64) throws(StoreError) {
        try bind(place, withUnsafeBytes(of: number.bigEndian) { Array($0) })
    }

    /// Columns of `posting_fence`: first hash, first time, ordinal, block.
    fileprivate func fence(of run: Int64) throws(StoreError) -> PostingFence {
        let hash = bytesInPlace(0)
        guard isBlob(0), hash.count == 8 else { throw .unreadable("posting_fence", run) }
        return PostingFence(
            run: run, firstHash: UInt64(bigEndian: hash.loadUnaligned(as: UInt64.self)),
            firstMilliseconds: try number(1, of: "posting_fence", 2),
            ordinal: try number(2, in: StoredNumber.optional, of: "posting_fence", 2),
            block: integer(3))
    }
}
