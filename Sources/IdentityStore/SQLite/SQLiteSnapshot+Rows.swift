import GRDB
import IdentityEngine

extension SQLiteSnapshot: StoreRows {
    func projectsWithRows() throws(StoreError) -> [ProjectID] {
        var found: Set<ProjectID> = []
        for table in ["event", "identity", "link", "log", "profile"] {
            let statement = try PreparedStatement("SELECT min(project) FROM \(table) WHERE project > ?", in: db)
            var last = Int64.min
            while true {
                try statement.bind(1, last)
                let next = try statement.first { $0.isNull(0) ? Int64.min : $0.integer(0) } ?? .min
                guard next > last else { break }
                found.insert(ProjectID(next))
                last = next
            }
        }
        return found.sorted()
    }

    func fileFaults(limit: Int) throws(StoreError) -> [String] {
        let lines = try PreparedStatement("PRAGMA integrity_check(\(limit))", in: db).all { $0.text(0) }
        return lines == ["ok"] ? [] : lines
    }

    func rowFaults() throws(StoreError) -> [String] {
        var faults: [String] = []
        for table in ["identity", "arrivals", "counter"] {
            let column = ["identity": "key", "arrivals": "batch", "counter": "value"][table] ?? ""
            // A time up to which no entry is to come may be that of any clock.
            let isTime = table == "counter" ? "AND name NOT LIKE 'settled %'" : ""
            let statement = try PreparedStatement(
                "SELECT count(*) FROM \(table) WHERE \(column) NOT BETWEEN 0 AND \(StoredNumber.limit - 1) \(isTime)",
                in: db)
            let count = try statement.first { $0.integer(0) } ?? 0
            if count > 0 { faults.append("\(count) rows of \(table) have a number that no store gives") }
        }
        let numbers = try PreparedStatement("SELECT number, tracking_id FROM privacy_task", in: db)
        for (number, trackingID) in try numbers.all({ ($0.integer(0), $0.text(1)) }) {
            do throws(StoreError) {
                _ = try SQLiteStore.task(trackingID, db)
            } catch {
                faults.append("the deletion or retrieval with number \(number) cannot be read")
            }
        }
        return faults
    }

    func nodeKeys(in project: ProjectID, after key: NodeKey, limit: Int) throws(StoreError) -> [NodeKey] {
        let statement = try PreparedStatement(cached: Statements.keysAfter, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, key)
        try statement.bind(3, Int64(max(limit, 0)))
        return try statement.all { $0.integer(0) }
    }

    func links(in project: ProjectID, after sequence: Int64, limit: Int) throws(StoreError) -> [Link] {
        let statement = try PreparedStatement(cached: Statements.linksAfter, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, sequence)
        try statement.bind(3, Int64(max(limit, 0)))
        return try statement.all { statement throws(StoreError) in try statement.link() }
    }

    func linkSwitches(
        in project: ProjectID, after last: LinkSwitch?, limit: Int
    ) throws(StoreError) -> [LinkSwitch] {
        let statement = try PreparedStatement(cached: Statements.linkStatesAfter, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, last?.link ?? .min)
        try statement.bind(3, last?.sequence ?? .min)
        try statement.bind(4, Int64(max(limit, 0)))
        return try statement.all { row throws(StoreError) in
            LinkSwitch(
                link: try row.number(0, of: "link_state", 0), sequence: try row.number(1, of: "link_state", 0),
                isActive: row.isTrue(2))
        }
    }

    func namings(in project: ProjectID, after last: Naming?, limit: Int) throws(StoreError) -> [Naming] {
        let statement = try PreparedStatement(cached: Statements.entryNodesAfter, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, last?.node ?? .min)
        try statement.bind(3, last?.sequence ?? .min)
        try statement.bind(4, Int64(max(limit, 0)))
        return try statement.all { row throws(StoreError) in
            Naming(node: try row.number(0, of: "log_node", 0), sequence: try row.number(1, of: "log_node", 0))
        }
    }

    func tombstones(in project: ProjectID) throws(StoreError) -> [Int64] {
        let statement = try PreparedStatement(cached: Statements.tombstones, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, LogTombstone.column)
        return try statement.all { $0.integer(0) }
    }

    func eventSequences(
        in project: ProjectID, after key: EventKey, limit: Int
    ) throws(StoreError) -> EventSequences {
        let statement = try PreparedStatement(cached: Statements.eventSequencesAfter, in: db)
        try statement.bind(1, project.rawValue)
        try statement.bind(2, key.timeMilliseconds)
        let hash = (key.hashHigh.bigEndian, key.hashLow.bigEndian)
        try statement.bind(3, withUnsafeBytes(of: hash) { Array($0) })
        try statement.bind(4, Int64(max(limit, 0)))
        defer { statement.reset() }
        var page = EventSequences()
        while try statement.step() {
            page.sequences.append(statement.integer(2))
            guard page.sequences.count == limit else { continue }
            let time = try statement.number(0, of: "event", 0)
            guard let hash = statement.halves(1) else { throw .unreadable("event", time) }
            page.last = EventKey(timeMilliseconds: time, hashHigh: hash.high, hashLow: hash.low)
        }
        return page
    }
}

extension Statements {
    static let keysAfter = """
        SELECT key FROM identity INDEXED BY identity_project WHERE project = ? AND key > ? ORDER BY key LIMIT ?
        """

    static let linksAfter = """
        SELECT sequence, verb, from_key, to_key FROM link WHERE project = ? AND sequence > ? ORDER BY sequence LIMIT ?
        """

    static let linkStatesAfter = """
        SELECT link, from_sequence, active FROM link_state WHERE project = ?1 AND (link, from_sequence) > (?2, ?3)
        ORDER BY link, from_sequence LIMIT ?4
        """

    static let entryNodesAfter = """
        SELECT node, sequence FROM log_node WHERE project = ?1 AND (node, sequence) > (?2, ?3)
        ORDER BY node, sequence LIMIT ?4
        """

    static let tombstones = "SELECT sequence FROM log WHERE project = ? AND outcome = ? ORDER BY sequence"

    static let eventSequencesAfter = """
        SELECT time, hash, coalesce(sequence, 0) FROM event WHERE project = ?1 AND (time, hash) > (?2, ?3)
        ORDER BY time, hash LIMIT ?4
        """
}
