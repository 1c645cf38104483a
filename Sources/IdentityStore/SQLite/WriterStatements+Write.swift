import IdentityEngine

extension WriterStatements {
    /// Writes all that a plan changes.
    ///
    /// - Parameters:
    ///   - plan: a plan whose decisions are made.
    ///   - group: the group that it was made for.
    ///   - firstNewKey: the least key of the nodes that it makes; a lesser one has its row already.
    /// - Throws: `StoreError`; the transaction is to be rolled back then.
    func write(_ plan: inout CommitPlan, of group: [EventBatch], firstNewKey: NodeKey) throws(StoreError) {
        for slot in plan.projects.indices {
            let changed = plan.projects[slot].index.takeChangedNodes()
            let project = plan.projects[slot].id
            for node in changed { try write(node, of: project, isNew: node.key >= firstNewKey) }
            for pair in plan.projects[slot].index.takeLiftedBlocks() { try delete(pair, of: project) }
        }
        for entry in plan.entries { try write(entry, of: plan.projects[entry.slot].id) }
        try writeEvents(&plan, of: group)
    }

    private func write(_ node: Node, of project: ProjectID, isNew: Bool) throws(StoreError) {
        if isNew {
            try insertIdentity.bind(node, of: project)
            try insertIdentity.run()
        } else {
            try updateIdentity.bind(1, node.key)
            try updateIdentity.bindState(of: node, from: 2)
            try updateIdentity.run()
        }
    }

    private func delete(_ block: NodePair, of project: ProjectID) throws(StoreError) {
        try deleteBlock.bind(block, of: project)
        try deleteBlock.run()
    }

    private func write(_ planned: CommitPlan.Entry, of project: ProjectID) throws(StoreError) {
        try insertEntry.bind(planned.entry, of: project)
        try insertEntry.run()
        for node in planned.nodes {
            try insertEntryNode.bind(1, project.rawValue)
            try insertEntryNode.bind(2, node)
            try insertEntryNode.bind(3, planned.entry.sequence)
            try insertEntryNode.run()
        }
        guard let link = planned.link else { return }
        try insertLink.bind(1, project.rawValue)
        try insertLink.bind(2, link.sequence)
        try insertLink.bind(3, Int64(link.verb.rawValue))
        try insertLink.bind(4, link.from)
        try insertLink.bind(5, link.to)
        try insertLink.bind(planned.change, from: 6)
        try insertLink.run()
    }

    private func writeEvents(_ plan: inout CommitPlan, of group: [EventBatch]) throws(StoreError) {
        var repeated: [Int] = []
        defer { for submission in repeated { plan.countRepeat(of: submission) } }
        var arrivals = plan.projects.map { _ in Arrivals() }
        if arrivals.count == 1 { arrivals[0].reserveCapacity(plan.rows.count) }
        var start = 0
        while start < plan.rows.count {
            let submission = plan.rows[start].submission
            let batch = group[submission]
            start = try batch.bytes.withBytes { arena throws(StoreError) in
                var index = start
                while index < plan.rows.count, plan.rows[index].submission == submission {
                    let row = plan.rows[index]
                    let project = plan.projects[row.slot].id
                    if batch.countsRepeats, try hasEvent(row.key, in: project) { repeated.append(submission) }
                    try write(row, of: batch, arena, project: project, &arrivals[row.slot])
                    index += 1
                }
                return index
            }
        }
        for (slot, arrivals) in arrivals.enumerated() { try write(arrivals, of: plan.projects[slot].id) }
    }

    private func hasEvent(_ key: EventKey, in project: ProjectID) throws(StoreError) -> Bool {
        try withUnsafeBytes(of: (key.hashHigh.bigEndian, key.hashLow.bigEndian)) { hash throws(StoreError) in
            try anyEvent.bind(1, project.rawValue)
            try anyEvent.bind(2, key.timeMilliseconds)
            try anyEvent.bind(3, inPlace: hash)
            return try anyEvent.first { _ in true } ?? false
        }
    }

    /// Writes a row, or several where one would be more than a run takes.
    private func write(_ arrivals: Arrivals, of project: ProjectID) throws(StoreError) {
        let sizeBytes = Arrivals.rowRecordLimit * Arrival.sizeBytes
        try arrivals.packed.withBytes { packed throws(StoreError) in
            for start in stride(from: 0, to: packed.count, by: sizeBytes) {
                try insertArrivals.bind(1, project.rawValue)
                try insertArrivals.bind(
                    2, inPlace: UnsafeRawBufferPointer(rebasing: packed[start...].prefix(sizeBytes)))
                try insertArrivals.run()
            }
        }
    }

    private func write(
        _ row: CommitPlan.EventRow, of batch: EventBatch, _ arena: UnsafeRawBufferPointer, project: ProjectID,
        _ arrivals: inout Arrivals
    ) throws(StoreError) {
        let event = batch.events[row.position]
        let sentID = arena.slice(event.sentID)
        let filedID = arena.slice(event.filedID)
        let hash = (row.key.hashHigh.bigEndian, row.key.hashLow.bigEndian)
        try withUnsafeBytes(of: hash) { hash throws(StoreError) in
            try replaceEvent.bind(1, project.rawValue)
            try replaceEvent.bind(2, row.key.timeMilliseconds)
            try replaceEvent.bind(3, inPlace: hash)
            try replaceEvent.bind(4, inPlace: arena.slice(event.name))
            try replaceEvent.bind(5, inPlace: sentID)
            if let mapped = row.filedID?.bytes {
                try replaceEvent.bind(6, mapped)
                mapped.withUnsafeBytes { arrivals.append(row.key, filedID: $0) }
            } else {
                let isSame = event.filedID == event.sentID || filedID.elementsEqual(sentID)
                if isSame { try replaceEvent.bindNull(6) } else { try replaceEvent.bind(6, inPlace: filedID) }
                arrivals.append(row.key, filedID: filedID)
            }
            let insertID = arena.slice(event.insertID)
            if insertID.isEmpty { try replaceEvent.bindNull(7) } else { try replaceEvent.bind(7, inPlace: insertID) }
            try replaceEvent.bind(8, inPlace: arena.slice(event.properties))
            try replaceEvent.bind(9, Int64(batch.origin.endpoint.rawValue))
            try replaceEvent.bind(10, batch.receivedMilliseconds)
            if row.sequence == 0 { try replaceEvent.bindNull(11) } else { try replaceEvent.bind(11, row.sequence) }
            if let conflict = row.conflict {
                try replaceEvent.bind(12, conflict.column)
            } else {
                try replaceEvent.bindNull(12)
            }
            try replaceEvent.run()
        }
    }
}

/// What a row of `arrivals` says of a commit's events in one project, 32 bytes for each.
private struct Arrivals {
    static let rowRecordLimit = 16_384

    private(set) var packed: [UInt8] = []

    mutating func reserveCapacity(_ count: Int) { packed.reserveCapacity(32 * count) }

    mutating func append(_ key: EventKey, filedID: UnsafeRawBufferPointer) {
        Arrival(key, filedID: filedID).append(to: &packed)
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func slice(_ slice: EventBatch.Slice) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[slice.range])
    }
}
