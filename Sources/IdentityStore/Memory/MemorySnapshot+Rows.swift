import IdentityEngine

extension MemorySnapshot: StoreRows {
    func nodeKeys(in project: ProjectID, after key: NodeKey, limit: Int) -> [NodeKey] {
        nodes(in: project, after: key, limit: limit).map(\.key)
    }

    func projectsWithRows() -> [ProjectID] { projects.sorted() }

    /// There are no files.
    func fileFaults(limit: Int) -> [String] { [] }

    func rowFaults() -> [String] { [] }

    func links(in project: ProjectID, after sequence: Int64, limit: Int) -> [Link] {
        let links = nodes(in: project, after: 0, limit: .max).flatMap { self.links(from: $0.key, in: project) }
        let wanted = links.filter { $0.sequence > sequence }.sorted { $0.sequence < $1.sequence }
        return Array(wanted.prefix(max(limit, 0)))
    }

    func linkSwitches(in project: ProjectID, after last: LinkSwitch?, limit: Int) -> [LinkSwitch] {
        let switches = linkStates(in: project).flatMap { link, states in
            states.map { LinkSwitch(link: link, sequence: $0.fromSequence, isActive: $0.isActive) }
        }
        let start = last?.place ?? (.min, .min)
        let wanted = switches.filter { $0.place > start }.sorted { $0.place < $1.place }
        return Array(wanted.prefix(max(limit, 0)))
    }

    func namings(in project: ProjectID, after last: Naming?, limit: Int) -> [Naming] {
        let start = last?.place ?? (.min, .min)
        var namings: [Naming] = []
        let nodes = nodes(in: project, after: (last?.node ?? 1) - 1, limit: .max)
        for node in nodes where namings.count < limit {
            let records = logRecords(LogQuery(limit: .max, distinctID: node.id), in: project)
            namings += records.map { Naming(node: node.key, sequence: $0.sequence) }
                .filter { $0.place > start }
        }
        return Array(namings.prefix(max(limit, 0)))
    }

    func tombstones(in project: ProjectID) -> [Int64] {
        logRecords(LogQuery(limit: .max), in: project).compactMap { record in
            if case .tombstone(let tombstone) = record { tombstone.sequence } else { nil }
        }
    }

    func eventSequences(in project: ProjectID, after key: EventKey, limit: Int) -> EventSequences {
        let page = events(in: project, after: key, beforeMilliseconds: .max, limit: limit, sizeLimitBytes: .max)
        return EventSequences(sequences: page.map(\.sequence), last: page.count == limit ? page.last?.key : nil)
    }
}

extension LinkSwitch {
    /// Where it stands among the others.
    var place: (Int64, Int64) { (link, sequence) }
}

extension Naming {
    fileprivate var place: (Int64, Int64) { (node, sequence) }
}
