import IdentityEngine

/// What one project's requests with invalid records had stored beside these, the latest noted last.
///
/// Records are kept by group: those that were stored beside the same set of invalid records. So a request costs as much
/// memory as it has records, whatever its numbers of invalid and of stored ones are. A group is found by any of its
/// invalid records.
struct ProjectRepeats {
    /// A record that was stored, in one group.
    private struct Entry {
        let hash: RecordHash
        let group: Int32
        /// How many equal ones are stored.
        var count: Int32
        /// When it came last.
        var milliseconds: Int64
        /// Its place in the order of notes, over all projects.
        var order: UInt64
        var older: Int32 = -1
        var newer: Int32 = -1
        var before: Int32 = -1
        var after: Int32 = -1
    }

    /// The records that were stored beside one set of invalid ones.
    private struct Group {
        let invalid: [RecordHash]
        let hash: RecordHash
        var count = 0
        /// The first of its entries, which are chained.
        var first: Int32 = -1
    }

    private struct Place: Hashable {
        let group: Int32
        let hash: RecordHash
    }

    /// The most groups that one invalid record leads to: those noted last.
    ///
    /// Any other is still found by its other invalid records, and where all of them come again.
    private static let groupsPerRecord = 256
    /// The most groups that are looked through for one request.
    private static let groupsPerRequest = 1024

    private var entries: [Entry] = []
    private var freeEntries: [Int32] = []
    private var places: [Place: Int32] = [:]
    private var groups: [Int32: Group] = [:]
    private var nextGroup: Int32 = 0
    private var groupsBySet: [RecordHash: Int32] = [:]
    private var groupsByRecord: [RecordHash: [Int32]] = [:]
    private var oldest: Int32 = -1
    private var newest: Int32 = -1
    /// How many invalid records the groups name in all.
    private(set) var invalidCount = 0

    /// How many records are kept.
    var count: Int { places.count }

    /// About how much memory it takes, in bytes: an estimate for tables that are neither full nor fresh.
    var sizeBytes: Int { 110 * count + 150 * groups.count + 130 * invalidCount }

    /// The place of the oldest note in the order of all projects; nil where nothing is kept.
    var oldestOrder: UInt64? { oldest < 0 ? nil : entries[Int(oldest)].order }

    /// The time of the oldest note; nil where nothing is kept.
    var oldestMilliseconds: Int64? { oldest < 0 ? nil : entries[Int(oldest)].milliseconds }

    /// How many records equal to each are stored already beside one of some invalid records.
    ///
    /// - Parameters:
    ///   - counts: the records that a request wants to store, and how many there are of each.
    ///   - invalid: the request's invalid records, ascending.
    ///   - milliseconds: only what came after this time counts.
    /// - Returns: the records that are stored, and how many.
    func stored(
        of counts: [RecordHash: Int], beside invalid: [RecordHash], after milliseconds: Int64
    ) -> [RecordHash: Int] {
        var found: [RecordHash: Int] = [:]
        func note(_ entry: Entry) {
            guard entry.milliseconds > milliseconds else { return }
            found[entry.hash] = max(found[entry.hash] ?? 0, Int(entry.count))
        }
        for key in groupKeys(beside: invalid) {
            guard let group = groups[key] else { continue }
            if group.count <= counts.count {
                var place = group.first
                while place >= 0 {
                    let entry = entries[Int(place)]
                    if counts[entry.hash] != nil { note(entry) }
                    place = entry.after
                }
            } else {
                for hash in counts.keys {
                    if let place = places[Place(group: key, hash: hash)] { note(entries[Int(place)]) }
                }
            }
        }
        return found
    }

    /// The groups that have one of some invalid records, the one that has just these first.
    private func groupKeys(beside invalid: [RecordHash]) -> [Int32] {
        var keys: [Int32] = []
        var known: Set<Int32> = []
        if let same = groupsBySet[Self.hash(of: invalid)] {
            keys.append(same)
            known.insert(same)
        }
        for record in invalid {
            for key in (groupsByRecord[record] ?? []).reversed() where known.insert(key).inserted {
                keys.append(key)
                if keys.count == Self.groupsPerRequest { return keys }
            }
        }
        return keys
    }

    /// Notes what is stored of a request: what was before, and what it added.
    ///
    /// - Parameters:
    ///   - counts: the records, and how many there are of each.
    ///   - invalid: the request's invalid records, ascending.
    ///   - milliseconds: the time.
    ///   - order: the next number in the order of all projects' notes.
    mutating func note(
        _ counts: [RecordHash: Int], beside invalid: [RecordHash], atMilliseconds milliseconds: Int64,
        order: inout UInt64
    ) {
        guard !counts.isEmpty else { return }
        let key = group(of: invalid)
        for (hash, count) in counts {
            order += 1
            let count = Int32(clamping: count)
            if let place = places[Place(group: key, hash: hash)] {
                unlink(place)
                entries[Int(place)].count = max(entries[Int(place)].count, count)
                entries[Int(place)].milliseconds = milliseconds
                entries[Int(place)].order = order
                link(place)
            } else {
                add(Entry(hash: hash, group: key, count: count, milliseconds: milliseconds, order: order))
            }
        }
        // What an invalid record leads to is looked through from the latest on.
        for record in invalid where groupsByRecord[record]?.last != key {
            groupsByRecord[record, default: []].removeAll { $0 == key }
            groupsByRecord[record, default: []].append(key)
            if let count = groupsByRecord[record]?.count, count > Self.groupsPerRecord {
                groupsByRecord[record]?.removeFirst()
            }
        }
    }

    /// The group of a set of invalid records, made where there is none.
    private mutating func group(of invalid: [RecordHash]) -> Int32 {
        let hash = Self.hash(of: invalid)
        if let key = groupsBySet[hash] { return key }
        let key = nextGroup
        nextGroup &+= 1
        groups[key] = Group(invalid: invalid, hash: hash)
        groupsBySet[hash] = key
        invalidCount += invalid.count
        return key
    }

    private static func hash(of invalid: [RecordHash]) -> RecordHash {
        var hash = StableHash()
        for record in invalid {
            hash.update(record.high)
            hash.update(record.low)
        }
        let halves = hash.finish()
        return RecordHash(high: halves.high, low: halves.low)
    }

    private mutating func add(_ entry: Entry) {
        let place: Int32
        if let free = freeEntries.popLast() {
            place = free
            entries[Int(place)] = entry
        } else {
            place = Int32(entries.count)
            entries.append(entry)
        }
        places[Place(group: entry.group, hash: entry.hash)] = place
        let first = groups[entry.group]?.first ?? -1
        entries[Int(place)].after = first
        if first >= 0 { entries[Int(first)].before = place }
        groups[entry.group]?.first = place
        groups[entry.group]?.count += 1
        link(place)
    }

    /// Forgets the record that came last the longest time ago; its group goes with the last of its records.
    mutating func removeOldest() {
        guard oldest >= 0 else { return }
        let place = oldest
        let entry = entries[Int(place)]
        unlink(place)
        places[Place(group: entry.group, hash: entry.hash)] = nil
        if entry.before >= 0 { entries[Int(entry.before)].after = entry.after }
        if entry.after >= 0 { entries[Int(entry.after)].before = entry.before }
        freeEntries.append(place)
        guard var group = groups[entry.group] else { return }
        group.count -= 1
        if entry.before < 0 { group.first = entry.after }
        groups[entry.group] = group
        if group.count == 0 { remove(entry.group, group) }
    }

    private mutating func remove(_ key: Int32, _ group: Group) {
        groups[key] = nil
        groupsBySet[group.hash] = nil
        invalidCount -= group.invalid.count
        for record in group.invalid {
            groupsByRecord[record]?.removeAll { $0 == key }
            if groupsByRecord[record]?.isEmpty == true { groupsByRecord[record] = nil }
        }
    }

    /// Makes an entry the newest.
    private mutating func link(_ place: Int32) {
        entries[Int(place)].older = newest
        entries[Int(place)].newer = -1
        if newest >= 0 { entries[Int(newest)].newer = place } else { oldest = place }
        newest = place
    }

    private mutating func unlink(_ place: Int32) {
        let (older, newer) = (entries[Int(place)].older, entries[Int(place)].newer)
        if older >= 0 { entries[Int(older)].newer = newer } else { oldest = newer }
        if newer >= 0 { entries[Int(newer)].older = older } else { newest = older }
    }
}
