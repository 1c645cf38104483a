import IdentityEngine

/// Links, what amendments switched them to, blocks, and which records name which ids.
extension Verification {
    mutating func compareLinks() throws(StoreError) {
        var next = 0
        var after: Int64 = .min
        while true {
            let page = try rows.links(in: project, after: after, limit: Self.pageSize)
            guard let end = page.last?.sequence else { break }
            for link in page {
                while next < replay.links.count, replay.links[next].sequence < link.sequence { missing(&next) }
                guard next < replay.links.count, replay.links[next].sequence == link.sequence else {
                    try note(at: link.sequence, "link \(link.sequence)") { (verification) throws(StoreError) in
                        ("none", try verification.text(ofStored: link))
                    }
                    continue
                }
                let expected = replay.links[next]
                next += 1
                let isSame =
                    expected.verb == link.verb && stored(expected.from) == link.from
                    && stored(expected.to) == link.to
                // An end whose row is missing differs because of that row.
                guard !isSame, stored(expected.from) != 0, stored(expected.to) != 0 else { continue }
                try note(at: link.sequence, "link \(link.sequence)") { (verification) throws(StoreError) in
                    (verification.text(of: expected), try verification.text(ofStored: link))
                }
            }
            after = end
            tell(.links, next, of: replay.links.count)
        }
        while next < replay.links.count { missing(&next) }
    }

    /// Compares what is recorded with links of the canonical ids that they changed, which the feed of changes rests on.
    ///
    /// What was never recorded is found out when it is asked for, and cannot differ.
    mutating func compareChanges() throws(StoreError) {
        var next = 0
        var after: Int64 = 0
        while true {
            let page = try rows.linkChanges(
                in: project, after: after, upTo: .max, isLatestFirst: false, limit: Self.pageSize)
            for found in page {
                while next < replay.links.count, replay.links[next].sequence < found.link.sequence {
                    compare(nil, at: next)
                    next += 1
                }
                guard next < replay.links.count, replay.links[next].sequence == found.link.sequence else { continue }
                // An empty record says that the link changed nothing.
                if let change = found.change { compare(change.pieces.isEmpty ? nil : change, at: next) }
                next += 1
            }
            guard let end = page.last?.link.sequence else { break }
            after = end
        }
        while next < replay.links.count {
            compare(nil, at: next)
            next += 1
        }
    }

    private mutating func compare(_ found: CanonicalChange?, at place: Int) {
        let link = replay.links[place]
        // What a deletion took had its place in the ring, and a link that is not there differs already.
        guard !replay.frayed.contains(link.from), !replay.frayed.contains(link.to),
            !missingLinks.contains(link.sequence)
        else { return }
        let expected = replay.changes[place].map { change in
            CanonicalChange(
                canonical: stored(change.canonical),
                pieces: change.pieces.map {
                    RingPiece(root: stored($0.root), first: stored($0.first), former: stored($0.former))
                })
        }
        // A node whose row is missing differs because of that row.
        guard expected != found, expected?.canonical != 0,
            expected?.pieces.contains(where: { $0.root == 0 || $0.first == 0 || $0.former == 0 }) != true
        else { return }
        tally.add(at: link.sequence, "the changes recorded with link \(link.sequence)") {
            (Self.text(of: expected), Self.text(of: found))
        }
    }

    private static func text(of change: CanonicalChange?) -> String {
        guard let change else { return "none" }
        let pieces = change.pieces.map { "\($0.first) to \($0.root), before under \($0.former)" }
        return "under key \(change.canonical): keys \(pieces.joined(separator: "; "))"
    }

    private mutating func missing(_ next: inout Int) {
        let link = replay.links[next]
        missingLinks.insert(link.sequence)
        let text = text(of: link)
        tally.add(at: link.sequence, "link \(link.sequence)") { (text, "none") }
        next += 1
    }

    private func text(of link: Link) -> String { "\(link.verb.name) from \(id(link.from)) to \(id(link.to))" }

    private func text(ofStored link: Link) throws(StoreError) -> String {
        "\(link.verb.name) from \(try name(ofStored: link.from)) to \(try name(ofStored: link.to))"
    }

    mutating func compareSwitches() throws(StoreError) {
        let expected = replay.switches.sorted { $0.place < $1.place }
        var next = 0
        var last: LinkSwitch?
        repeat {
            let page = try rows.linkSwitches(in: project, after: last, limit: Self.pageSize)
            last = page.last
            for found in page {
                while next < expected.count, expected[next].place < found.place {
                    note(expected[next], nil)
                    next += 1
                }
                if next < expected.count, expected[next].place == found.place {
                    if expected[next] != found { note(expected[next], found) }
                    next += 1
                } else {
                    note(nil, found)
                }
            }
        } while last != nil
        for expected in expected[next...] { note(expected, nil) }
    }

    private mutating func note(_ expected: LinkSwitch?, _ found: LinkSwitch?) {
        guard let one = expected ?? found else { return }
        func text(_ value: LinkSwitch?) -> String { value.map { $0.isActive ? "on" : "off" } ?? "not switched" }
        tally.add(at: one.sequence, "link \(one.link) from entry \(one.sequence) on") { (text(expected), text(found)) }
    }

    mutating func compareBlocks() throws(StoreError) {
        var expected: [NodePair: (sequence: Int64, pair: NodePair)] = [:]
        for (pair, sequence) in replay.blocks where stored(pair.low) != 0 && stored(pair.high) != 0 {
            expected[NodePair(stored(pair.low), stored(pair.high))] = (sequence, pair)
        }
        var lifted: [NodePair: Int64] = [:]
        for (pair, sequence) in replay.lifted where stored(pair.low) != 0 && stored(pair.high) != 0 {
            lifted[NodePair(stored(pair.low), stored(pair.high))] = sequence
        }
        var last: NodePair?
        repeat {
            let page: [Block]
            do throws(StoreError) {
                page = try rows.blocks(in: project, after: last, limit: Self.pageSize)
            } catch {
                guard error.code == .corrupt else { throw error }
                // Which blocks stand behind it cannot be told, so that no others are missed either.
                let first = expected.values.map(\.sequence).min() ?? 0
                tally.add(at: first, "a block") { ("the blocks of the log", "a row that no version has written") }
                return
            }
            last = page.last?.pair
            for block in page {
                report.blocks += 1
                let wanted = expected.removeValue(forKey: block.pair)?.sequence
                guard wanted != block.sequence else { continue }
                let sequence = wanted ?? lifted[block.pair] ?? block.sequence
                try note(at: sequence, "a block") { (verification) throws(StoreError) in
                    let low = try verification.name(ofStored: block.pair.low)
                    let pair = "\(low) and \(try verification.name(ofStored: block.pair.high))"
                    return (
                        wanted.map { "\(pair) since \($0)" } ?? "none of \(pair)", "\(pair) since \(block.sequence)"
                    )
                }
            }
        } while last != nil
        for (sequence, pair) in expected.values.sorted(by: { $0.sequence < $1.sequence })
        where !replay.uncertainBlocks.contains(pair) {
            tally.add(at: sequence, "the block of \(id(pair.low)) and \(id(pair.high))") {
                ("since \(sequence)", "none")
            }
        }
    }
}

/// Which records name which ids.
extension Verification {
    /// The most ids of which it is found out which record is missing.
    private static let explainedLimit = 64

    mutating func compareNamings() throws(StoreError) {
        let places = keys.indices.filter { keys[$0] != 0 }.sorted { keys[$0] < keys[$1] }
        var unexplained: [DistinctID: [Int64]] = [:]
        var next = 0
        var sum: UInt64 = 0
        var count = 0
        // Of an id whose row is missing, that is the difference.
        let missing = Set(keys.indices.filter { keys[$0] == 0 }.map { replay.naming(at: $0) })
        var stray: (node: NodeKey, sequence: Int64, sum: UInt64)?
        func finishStray(_ verification: inout Verification) {
            guard let found = stray else { return }
            stray = nil
            guard !missing.contains(found.sum) else { return }
            verification.tally.add(at: found.sequence, "the names of the entry") {
                ("no such id", "key \(found.node)")
            }
        }
        func finish(_ verification: inout Verification) {
            let place = places[next]
            if sum != verification.replay.naming(at: place), unexplained.count < Self.explainedLimit {
                unexplained[verification.replay.node(at: place).id] = []
            }
            sum = 0
            next += 1
        }
        var last: Naming?
        repeat {
            let page = try rows.namings(in: project, after: last, limit: Self.pageSize)
            last = page.last
            for naming in page {
                while next < places.count, keys[places[next]] < naming.node { finish(&self) }
                if stray?.node != naming.node { finishStray(&self) }
                let mixed = replay.isTombstone(naming.sequence) ? 0 : Replay.mixed(naming.sequence)
                if next < places.count, keys[places[next]] == naming.node {
                    sum &+= mixed
                } else {
                    stray = (naming.node, stray?.sequence ?? naming.sequence, (stray?.sum ?? 0) &+ mixed)
                }
            }
            count += page.count
            tell(.names, count)
        } while last != nil
        finishStray(&self)
        while next < places.count { finish(&self) }
        if !unexplained.isEmpty { try explain(&unexplained) }
    }

    /// Finds the records that `log_node` is wrong about.
    private mutating func explain(_ ids: inout [DistinctID: [Int64]]) throws(StoreError) {
        for id in ids.keys {
            guard let place = replay.place(of: id) else { continue }
            var last: Naming? = Naming(node: keys[place], sequence: .min)
            while let from = last {
                let page = try rows.namings(in: project, after: from, limit: Self.pageSize)
                let own = page.prefix { $0.node == keys[place] }
                ids[id]? += own.map(\.sequence).filter { !replay.isTombstone($0) }
                last = own.count == Self.pageSize ? own.last : nil
            }
        }
        var after: Int64 = 0
        while true {
            let page = try rows.logRecords(LogQuery(after: after, limit: Self.pageSize), in: project)
            guard let end = page.last?.sequence else { break }
            for record in page {
                for id in Set(record.ids) {
                    guard let found = ids[id], let node = replay.index.node(for: id),
                        node.firstSequence <= record.sequence
                    else { continue }
                    guard let place = found.firstIndex(of: record.sequence) else {
                        tally.add(at: record.sequence, "log_node of id \(id)") { ("the entry", "not the entry") }
                        continue
                    }
                    ids[id]?.remove(at: place)
                }
            }
            after = end
        }
        for (id, left) in ids {
            for sequence in left {
                tally.add(at: sequence, "log_node of id \(id)") { ("not the entry", "the entry") }
            }
        }
    }
}
