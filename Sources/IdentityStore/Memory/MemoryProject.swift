import IdentityEngine

/// What a Memory store holds of one project.
struct MemoryProject {
    var index = IdentityIndex()
    var profiles = MemoryProfiles()
    /// The record with sequence 1 first.
    private(set) var log: [LogRecord] = []
    /// The nodes that a tombstone's entry named and that are still there, by the tombstone's sequence.
    private var nodesByTombstone: [Int64: Set<NodeKey>] = [:]
    var events = MemoryEvents()
    /// The earliest time that the next entry of the log may get.
    private(set) var leastEntryMilliseconds = Int64.min
    private var links: [Link] = []
    private var linksByNode: [NodeKey: [Int]] = [:]
    /// What links changed of canonical ids, by the link's sequence.
    private var changes: [Int64: CanonicalChange] = [:]
    /// The last sequence when a deletion took an id that had been parted from others; 0 where none did.
    private var uncertainSequence: Int64 = 0
    /// What amendments switched each link to, by the link's sequence.
    private(set) var linkStates: [Int64: [LinkState]] = [:]
    /// The unmerge that parted each blocked pair.
    private(set) var blocks: [NodePair: Int64] = [:]

    var isEmpty: Bool { log.isEmpty && events.isEmpty && profiles.isEmpty }

    mutating func append(_ entry: LogEntry, link: Link?, change: CanonicalChange?) {
        append(.entry(entry))
        if let link { append(link) }
        if let change { changes[entry.sequence] = change }
    }

    mutating func append(_ amendment: AmendmentEntry) { append(.amendment(amendment)) }

    private mutating func append(_ record: LogRecord) {
        log.append(record)
        leastEntryMilliseconds = max(leastEntryMilliseconds, record.timeMilliseconds)
    }

    mutating func settle(atMilliseconds time: Int64) {
        leastEntryMilliseconds = max(leastEntryMilliseconds, time + 1)
    }

    mutating func append(_ state: LinkState, of link: Link) { linkStates[link.sequence, default: []].append(state) }

    mutating func block(_ pair: NodePair, sequence: Int64) { blocks[pair] = sequence }

    mutating func forget(blocks pairs: [NodePair]) {
        for pair in pairs { blocks[pair] = nil }
    }

    private mutating func append(_ link: Link) {
        linksByNode[link.from, default: []].append(links.count)
        linksByNode[link.to, default: []].append(links.count)
        links.append(link)
    }

    func links(of key: NodeKey) -> [Link] { (linksByNode[key] ?? []).map { links[$0] } }

    func links(of key: NodeKey, activeAsOf sequence: Int64) -> [Link] {
        links(of: key).filter {
            $0.sequence <= sequence && linkStates[$0.sequence]?.revokedSequence(asOf: sequence) == nil
        }
    }

    func link(_ sequence: Int64) -> Link? {
        let place = links.partitioningIndex { $0.sequence >= sequence }
        return place < links.count && links[place].sequence == sequence ? links[place] : nil
    }

    func linkChanges(after sequence: Int64, upTo last: Int64, isLatestFirst: Bool, limit: Int) -> [LinkChange] {
        let start = links.partitioningIndex { $0.sequence > sequence }
        let end = max(links.partitioningIndex { $0.sequence > last }, start)
        func changed(_ link: Link) -> LinkChange? {
            let isCertain = link.sequence > uncertainSequence
            if isCertain, changes[link.sequence] == nil { return nil }
            let change = changes[link.sequence] ?? CanonicalChange(canonical: 0, pieces: [])
            return LinkChange(link: link, change: change, isCertain: isCertain)
        }
        let range = links[start..<end].lazy
        if isLatestFirst { return Array(range.reversed().compactMap(changed).prefix(max(limit, 0))) }
        return Array(range.compactMap(changed).prefix(max(limit, 0)))
    }

    func record(_ sequence: Int64) -> LogRecord? {
        sequence >= 1 && sequence <= log.count ? log[Int(sequence) - 1] : nil
    }

    /// Records in order, or the other way round.
    ///
    /// An entry names an id only if the id had its node by then, as in the stores that look up by node.
    func records(_ query: LogQuery) -> [LogRecord] {
        let node = query.distinctID.flatMap { index.node(for: $0) }
        let first = query.distinctID == nil ? 0 : node?.firstSequence ?? .max
        let count = Int64(log.count)
        let last = min(query.before == .min ? 0 : query.before - 1, count)
        let start = min(max(query.after, first == .max ? count : first - 1, 0), count)
        let rest = start < last ? log[Int(start)..<Int(last)] : []
        let isWanted = { (record: LogRecord) -> Bool in
            switch record {
            case .entry(let entry): return query.matches(entry)
            case .amendment(let amendment): return query.matches(amendment)
            case .tombstone(let tombstone):
                if let node, nodesByTombstone[tombstone.sequence]?.contains(node.key) != true { return false }
                return query.outcomes == nil && (query.verb == nil || query.verb == tombstone.verb)
            }
        }
        let limit = max(query.limit, 0)
        return query.isLatestFirst
            ? Array(rest.lazy.reversed().filter(isWanted).prefix(limit))
            : Array(rest.lazy.filter(isWanted).prefix(limit))
    }

    /// Deletes ids, whole clusters of them, and everything about them.
    ///
    /// - Returns: how many bytes less the project takes.
    mutating func delete(_ ids: DeletedIDs, generating hashes: inout GeneratedHashes) -> Int {
        let nodes = ids.ids.compactMap { index.node(for: $0) }
        let gone = Set(nodes.map(\.key))
        if nodes.contains(where: { $0.revisedSequence > 0 }) { uncertainSequence = log.last?.sequence ?? 0 }
        var refusals: [Int64: MergeRefusal] = [:]
        for place in log.indices {
            let record = log[place]
            guard record.ids.contains(where: ids.contains) else { continue }
            refusals[record.sequence] = record.entry?.refusal
            let named = record.ids.compactMap { index.node(for: $0) }
            nodesByTombstone[record.sequence] = Set(
                named.lazy.filter { $0.firstSequence <= record.sequence }.map(\.key))
            log[place] = .tombstone(
                LogTombstone(
                    sequence: record.sequence, verb: record.verb,
                    timeMilliseconds: place == 0 ? 0 : log[place - 1].timeMilliseconds))
        }
        for sequence in nodesByTombstone.keys { nodesByTombstone[sequence]?.subtract(gone) }
        index.remove(gone)
        let kept = links.filter { !gone.contains($0.from) && !gone.contains($0.to) }
        links = []
        linksByNode = [:]
        for link in kept { append(link) }
        let sequences = Set(kept.map(\.sequence))
        linkStates = linkStates.filter { sequences.contains($0.key) }
        changes = changes.filter { sequences.contains($0.key) }
        blocks = blocks.filter { !gone.contains($0.key.low) && !gone.contains($0.key.high) }
        var freed = MemoryCost.perNode * gone.count
        for id in ids.ids { freed += profiles.removeProfile(of: id) }
        var keptEvents: [StoredEvent] = []
        for event in events.all {
            switch ids.verdict(on: event, refusal: refusals[event.sequence], generating: &hashes) {
            case .keep: keptEvents.append(event)
            case .delete: freed += MemoryCost.of(event)
            case .replace(let event): keptEvents.append(event)
            }
        }
        events = MemoryEvents(keptEvents)
        return freed
    }

    func nodes(after key: NodeKey, limit: Int) -> [Node] {
        let nodes = index.allNodes
        let start = nodes.partitioningIndex { $0.key > key }
        return Array(nodes[start...].prefix(max(limit, 0)))
    }
}

extension Array {
    /// The first place whose element satisfies a predicate that holds for every element after it too.
    func partitioningIndex(where predicate: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if predicate(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
