import IdentityEngine

/// The events of one project in memory, in the order of their keys: of all of them, and of each id's.
struct MemoryEvents {
    private var events: [EventKey: StoredEvent] = [:]
    private var keys: [EventKey] = []
    /// The keys of the events that are filed under an id.
    private var keysByID: [DistinctID: [EventKey]] = [:]

    var isEmpty: Bool { events.isEmpty }

    var all: some Sequence<StoredEvent> { events.values }

    subscript(key: EventKey) -> StoredEvent? { events[key] }

    init() {}

    init(_ events: [StoredEvent]) { _ = store(events) }

    /// Puts events in; one whose key is there already replaces it.
    ///
    /// - Returns: how many bytes more they take.
    mutating func store(_ added: [StoredEvent]) -> Int {
        var growth = 0
        var newKeys: [EventKey] = []
        var newKeysByID: [DistinctID: [EventKey]] = [:]
        for event in added {
            let id = DistinctID(event.filedID)
            growth += MemoryCost.of(event)
            if let old = events.updateValue(event, forKey: event.key) {
                growth -= MemoryCost.of(old)
                if old.filedID == event.filedID { continue }
                // A Legacy project's map has another id for it by now.
                newKeysByID[DistinctID(old.filedID)]?.removeAll { $0 == event.key }
                keysByID[DistinctID(old.filedID)]?.removeAll { $0 == event.key }
            } else {
                newKeys.append(event.key)
            }
            newKeysByID[id, default: []].append(event.key)
        }
        Self.insert(newKeys.sorted(), into: &keys)
        for (id, keys) in newKeysByID { Self.insert(keys.sorted(), into: &keysByID[id, default: []]) }
        return growth
    }

    /// Merges sorted keys into sorted keys from the end, so that only what is greater than the least of them moves.
    private static func insert(_ added: [EventKey], into keys: inout [EventKey]) {
        guard let least = added.first else { return }
        var from = keys.count - 1
        var to = keys.count + added.count - 1
        var next = added.count - 1
        keys.append(contentsOf: repeatElement(least, count: added.count))
        while next >= 0 {
            if from >= 0, added[next] < keys[from] {
                keys[to] = keys[from]
                from -= 1
            } else {
                keys[to] = added[next]
                next -= 1
            }
            to -= 1
        }
    }

    /// Events after a key, oldest first.
    func page(after key: EventKey, beforeMilliseconds: Int64, limit: Int, sizeLimitBytes: Int) -> [StoredEvent] {
        var page: [StoredEvent] = []
        var sizeBytes = 0
        for key in keys[keys.partitioningIndex(where: { $0 > key })...].prefix(max(limit, 0)) {
            guard key.timeMilliseconds < beforeMilliseconds, let event = events[key] else { break }
            page.append(event)
            sizeBytes += event.properties.count
            if sizeBytes >= sizeLimitBytes { break }
        }
        return page
    }

    /// Events that are filed under one of some ids, before a key, newest first.
    func page(of ids: Set<DistinctID>, before key: EventKey, limit: Int, sizeLimitBytes: Int) -> [StoredEvent] {
        let limit = min(max(limit, 0), keys.count)
        var newest: [EventKey] = []
        for id in ids {
            guard let keys = keysByID[id] else { continue }
            // Once there are enough, only what is newer than the last of them counts.
            let least = newest.count == limit ? newest.last : nil
            let added = keys[..<keys.partitioningIndex { $0 >= key }].suffix(limit).drop { $0 < least ?? $0 }
            if added.isEmpty { continue }
            newest += added
            if newest.count >= limit { newest = Array(newest.sorted(by: >).prefix(limit)) }
        }
        var page: [StoredEvent] = []
        var sizeBytes = 0
        for key in newest.sorted(by: >) {
            guard sizeBytes < sizeLimitBytes || page.isEmpty, let event = events[key] else { break }
            page.append(event)
            sizeBytes += event.properties.count
        }
        return page
    }

    func count(filedUnder id: DistinctID) -> Int { keysByID[id]?.count ?? 0 }
}
