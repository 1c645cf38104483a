import GRDB
import IdentityEngine

/// Looking at runs, and changing them.
extension SQLiteDeletion {
    /// Looks at live runs that were not looked at to their end.
    ///
    /// - Returns: whether none is left.
    mutating func lookAtRuns(
        _ finding: inout Finding, _ left: inout Int, _ db: Database
    ) throws(StoreError) -> Bool {
        for run in try unlookedRuns(db) {
            if lastFence?.run != run.number { lastFence = nil }
            while left > 0, let fence = try PostingFence.all(of: run.number, after: lastFence, limit: 1, db).first {
                lastFence = fence
                let records = try fence.records(db)
                left -= records.count
                for record in records where try isConcerned(record, db) {
                    finding.places.append(.block(fence, of: run))
                    break
                }
            }
            guard left > 0 else { return false }
            lookedRuns.insert(run.number)
            lastFence = nil
        }
        return true
    }

    /// How many records the live runs have that were not looked at to their end.
    func runRecordsToLookAt(_ db: Database) throws(StoreError) -> Int {
        try unlookedRuns(db).reduce(0) { $0 + $1.recordCount }
    }

    /// The one that is being looked at comes first.
    private func unlookedRuns(_ db: Database) throws(StoreError) -> [PostingRun] {
        let runs = try PostingRun.all(of: project, in: .live, db).filter { !lookedRuns.contains($0.number) }
        return runs.filter { $0.number == lastFence?.run } + runs.filter { $0.number != lastFence?.run }
    }

    /// Changes the events of one block, and the block.
    ///
    /// A record that is another from now on becomes an open row, since its place in the order is another.
    ///
    /// - Returns: how many records it had; none where its run is not live any more: the run that took its place is
    ///   looked at.
    func change(
        _ fence: PostingFence, of run: PostingRun, generating hashes: inout GeneratedHashes, _ db: Database
    ) throws(StoreError) -> Int {
        guard let run = try PostingRun.all(of: project, in: .live, db).first(where: { $0.number == run.number }),
            try fence.stands(db)
        else { return 0 }
        let records = try fence.records(db)
        var kept: [Arrival] = []
        var moved: [Arrival] = []
        for record in records {
            guard let now = try change(record, generating: &hashes, db) else { continue }
            if now == record { kept.append(record) } else { moved.append(now) }
        }
        if !moved.isEmpty {
            let insertion = try PreparedStatement(cached: Statements.insertArrivals, in: db)
            try insertion.bind(1, project.rawValue)
            try insertion.bind(2, moved.packed)
            try insertion.run()
        }
        guard kept.count < records.count else { return records.count }
        // What it was merged into so far has what is gone from here.
        try SQLitePostings.abandonOutput(of: run, of: project, db)
        if kept.first != records.first { try fence.delete(db) }
        guard let first = kept.first else {
            try fence.deleteBlock(db)
            return records.count
        }
        let update = try PreparedStatement(cached: Statements.updatePostingBlock, in: db)
        try update.bind(1, fence.block)
        try update.bind(2, kept.packed)
        try update.run()
        if first != records.first {
            try PostingFence(
                run: fence.run, firstHash: first.filedHash, firstMilliseconds: first.key.timeMilliseconds,
                ordinal: fence.ordinal, block: fence.block
            ).insert(db)
        }
        return records.count
    }
}
