import GRDB
import IdentityEngine

/// Keeps a project's events to be found by the id that they are filed under, a little in each commit (decision 0008).
///
/// All state is in tables, and a commit takes its part from them alone: whoever commits next goes on, after a crash
/// too. What is remembered here only spares most commits the look.
struct SQLitePostings {
    private let options: SQLiteOptions.Postings
    private var standings: [ProjectID: Standing] = [:]

    /// What is known of a project.
    private struct Standing {
        /// Open rows and records, or more.
        ///
        /// Another process that commits as well counts for itself.
        var rows = 0
        var records = 0
        /// Whether these were counted, and not more of them may be there.
        var isCounted = false
        /// Whether no run waits for anything.
        var isIdle = false
    }

    init(_ options: SQLiteOptions.Postings) { self.options = options }

    /// Forgets what is known, after a transaction that was rolled back.
    mutating func forget() { standings = [:] }

    /// Does a commit's part, after its arrivals were written, in its transaction.
    ///
    /// - Parameters:
    ///   - project: a project of the commit.
    ///   - added: the records that the commit added.
    ///   - db: the writing connection.
    /// - Throws: `StoreError`.
    mutating func settle(_ project: ProjectID, added: Int, _ db: Database) throws(StoreError) {
        var standing = standings[project] ?? Standing()
        standing.rows += 1 + added / options.openRecordLimit
        standing.records += added
        let mayBeFull = standing.rows >= options.openRowLimit || standing.records >= options.openRecordLimit
        if mayBeFull || !standing.isCounted {
            var closed = 0
            repeat {
                let open = try OpenArrivals(of: project, options, db)
                guard open.isFull else {
                    standing.rows = open.batches.count
                    standing.records = open.records.count
                    standing.isCounted = true
                    break
                }
                closed += open.records.count
                try close(open, of: project, db)
                standing.isCounted = false
                standing.isIdle = false
            } while closed < added
        }
        if !standing.isIdle { standing.isIdle = try !advance(project, added: added, db) }
        standings[project] = standing
    }

    /// Open rows of a project from the oldest on, as many as one run takes.
    private struct OpenArrivals {
        var batches: [Int64] = []
        var records: [Arrival] = []
        /// Whether they are enough to be closed.
        let isFull: Bool

        init(of project: ProjectID, _ options: SQLiteOptions.Postings, _ db: Database) throws(StoreError) {
            let statement = try PreparedStatement(cached: Statements.openArrivals, in: db)
            defer { statement.reset() }
            try statement.bind(1, project.rawValue)
            try statement.bind(2, Int64(options.openRowLimit))
            while records.count < options.openRecordLimit, try statement.step() {
                batches.append(statement.integer(0))
                records += try statement.arrivals(1, of: "arrivals", statement.integer(0))
            }
            isFull = batches.count == options.openRowLimit || records.count >= options.openRecordLimit
        }
    }

    /// Makes open rows a run of level 0.
    private func close(_ open: OpenArrivals, of project: ProjectID, _ db: Database) throws(StoreError) {
        try PreparedStatement(cached: Statements.keepLastBatch, in: db).run()
        let deletion = try PreparedStatement(cached: Statements.deleteArrivals, in: db)
        // First, so that their pages are there for the blocks.
        for batch in open.batches {
            try deletion.bind(1, batch)
            try deletion.run()
        }
        let records = open.records.sorted()
        let times = records.map(\.key.timeMilliseconds)
        guard let least = times.min(), let greatest = times.max() else { return }
        let run = try PostingRun.insert(
            of: project, level: 0, .live, recordCount: records.count, least...greatest, db)
        var writer = try PostingWriter(of: run, blockRecords: options.blockRecords, db)
        for record in records { _ = try writer.append(record, db) }
        try writer.flush(db)
    }
}

extension SQLitePostings {
    /// Takes away blocks of dead runs, and goes on with merging, as far as the commit's records pay for it.
    ///
    /// Each merge moves twice as many records as came, so that runs of no level pile up.
    ///
    /// - Returns: whether there is more to do.
    private func advance(_ project: ProjectID, added: Int, _ db: Database) throws(StoreError) -> Bool {
        let blocks = max(options.stepBlocks, (2 * added + options.blockRecords - 1) / options.blockRecords)
        // First, so that their pages are there for the blocks of the outputs.
        var isDone = try SQLitePostings.purge(project, blockLimit: 3 * blocks, db)
        // A deletion looks at each run once; merging would show it the same records again.
        if try isHeld(project, db) { return true }
        let runs = try PostingRun.all(of: project, db)
        for level in Set(runs.map(\.level)).sorted() {
            if let output = runs.first(where: { $0.state == .building && $0.level == level + 1 }) {
                let inputs = runs.filter { $0.output == output.number }
                try merge(inputs.map(\.number), into: output.number, of: project, blockLimit: blocks, db)
                isDone = false
            } else {
                let live = runs.filter { $0.state == .live && $0.level == level }.sorted { $0.number < $1.number }
                guard live.count >= options.runsPerMerge else { continue }
                try begin(Array(live.prefix(options.runsPerMerge)), of: project, blockLimit: blocks, db)
                isDone = false
            }
        }
        return !isDone
    }

    private func isHeld(_ project: ProjectID, _ db: Database) throws(StoreError) -> Bool {
        let statement = try PreparedStatement(cached: Statements.startedDeletion, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, Int64(PrivacyTask.State.started.rawValue))
        try statement.bind(3, Int64(PrivacyTask.Kind.deletion.rawValue))
        return try statement.first { _ in true } ?? false
    }

    private func begin(
        _ inputs: [PostingRun], of project: ProjectID, blockLimit: Int, _ db: Database
    ) throws(StoreError) {
        guard let level = inputs.first?.level, let least = inputs.map(\.leastMilliseconds).min(),
            let greatest = inputs.map(\.greatestMilliseconds).max()
        else { return }
        let output = try PostingRun.insert(
            of: project, level: level + 1, .building, recordCount: inputs.reduce(0) { $0 + $1.recordCount },
            least...greatest, db)
        let statement = try PreparedStatement(cached: Statements.updateRunOutput, in: db)
        for input in inputs {
            try statement.bind(1, input.number)
            try statement.bind(2, output)
            try statement.run()
        }
        try merge(inputs.map(\.number), into: output, of: project, blockLimit: blockLimit, db)
    }

    /// Moves records into a run that is being built, after what it has; at the end it takes the place of its inputs.
    private func merge(
        _ inputs: [Int64], into output: Int64, of project: ProjectID, blockLimit: Int, _ db: Database
    ) throws(StoreError) {
        var writer = try PostingWriter(of: output, blockRecords: options.blockRecords, db)
        var cursors: [PostingCursor] = []
        for input in inputs { cursors.append(try PostingCursor(of: input, after: writer.last, db)) }
        var left = blockLimit * options.blockRecords
        while left > 0 {
            var least: (place: Int, record: Arrival)?
            for place in cursors.indices {
                guard let record = cursors[place].current else { continue }
                if least.map({ record < $0.record }) ?? true { least = (place, record) }
            }
            guard let least else {
                try writer.flush(db)
                try PostingRun.set(.live, of: output, db)
                try SQLitePostings.retire(inputsOf: output, of: project, as: .dead, db)
                return
            }
            if try writer.append(least.record, db) { left -= 1 }
            try cursors[least.place].advance(db)
        }
    }

    private static func retire(
        inputsOf output: Int64, of project: ProjectID, as state: PostingRun.State, _ db: Database
    ) throws(StoreError) {
        let statement = try PreparedStatement(cached: Statements.retireInputs, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, output)
        try statement.bind(3, state.rawValue)
        try statement.bind(4, PostingRun.State.live.rawValue)
        try statement.run()
    }

    /// Gives up the run that one is being merged into, because the one has changed: the merge is begun anew.
    static func abandonOutput(of run: PostingRun, of project: ProjectID, _ db: Database) throws(StoreError) {
        guard let output = run.output else { return }
        try PostingRun.set(.dead, of: output, db)
        try retire(inputsOf: output, of: project, as: .live, db)
    }

    /// Takes away blocks of dead runs, and the runs whose last they are.
    ///
    /// - Returns: whether no dead run is left.
    static func purge(_ project: ProjectID, blockLimit: Int, _ db: Database) throws(StoreError) -> Bool {
        var left = blockLimit
        for run in try PostingRun.all(of: project, in: .dead, db) {
            let fences = try PostingFence.all(of: run.number, after: nil, limit: left, db)
            for fence in fences {
                try fence.deleteBlock(db)
                try fence.delete(db)
            }
            left -= fences.count
            if left == 0 { return false }
            let deletion = try PreparedStatement(cached: Statements.deleteRun, in: db)
            try deletion.bind(1, run.number)
            try deletion.run()
        }
        return true
    }
}
