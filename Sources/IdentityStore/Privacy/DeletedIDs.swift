import IdentityEngine

/// The ids that a deletion takes away, and what becomes of an event because of them.
struct DeletedIDs: Sendable {
    private(set) var ids: Set<DistinctID> = []
    /// The first eight bytes of the stable hash of each, as in `arrivals`: most events are told apart by these alone.
    private var hashes: Set<UInt64> = []

    init(_ ids: some Sequence<DistinctID> = []) { insert(ids) }

    mutating func insert(_ added: some Sequence<DistinctID>) {
        for id in added where ids.insert(id).inserted {
            hashes.insert(id.bytes.withUnsafeBytes { DeletedIDs.hash(of: $0) })
        }
    }

    mutating func subtract(_ gone: some Sequence<DistinctID>) {
        for id in gone where ids.remove(id) != nil {
            hashes.remove(id.bytes.withUnsafeBytes { DeletedIDs.hash(of: $0) })
        }
    }

    func contains(_ id: DistinctID) -> Bool { ids.contains(id) }

    func contains(_ bytes: UnsafeRawBufferPointer) -> Bool {
        !bytes.isEmpty && hashes.contains(DeletedIDs.hash(of: bytes)) && ids.contains(DistinctID(Array(bytes)))
    }

    func contains(hash: UInt64) -> Bool { hashes.contains(hash) }

    static func hash(of bytes: UnsafeRawBufferPointer) -> UInt64 {
        var hash = StableHash()
        hash.update(bytes)
        return hash.finish().high
    }
}

extension DeletedIDs {
    /// What a deletion makes of an event.
    enum Verdict: Equatable {
        /// It has nothing to do with the ids.
        case keep
        /// It is of a deleted cluster, or of nobody but deleted ids.
        case delete
        /// It is of another cluster, and named a deleted id: this is what is left.
        case replace(StoredEvent)
    }

    /// Judges an event, which belongs to the cluster of the id that it is filed under.
    ///
    /// One that merely names a deleted id stays, with that id taken out of it; where it had been sent under the id, it
    /// gets a key that nothing can be concluded from.
    ///
    /// - Parameters:
    ///   - event: the event as it is stored.
    ///   - refusal: why the statement that the event makes was refused. The event keeps the reason, for its entry of
    ///     the log becomes a tombstone.
    ///   - hashes: where the key of an event that was sent under a deleted id comes from.
    /// - Returns: what becomes of it.
    func verdict(
        on event: StoredEvent, refusal: MergeRefusal?, generating hashes: inout GeneratedHashes
    ) -> Verdict {
        if event.filedID.withUnsafeBytes({ contains($0) }) { return .delete }
        let isSentUnder = event.sentID.withUnsafeBytes { contains($0) }
        let redacted = event.properties.withUnsafeBytes { IdentityRedaction($0, without: self) }
        guard isSentUnder || redacted.isNeeded else { return .keep }
        if event.filedID.isEmpty, isSentUnder || event.sentID.isEmpty, !redacted.namesOthers { return .delete }
        var event = event
        if redacted.isNeeded { event.properties = redacted.properties(of: event.properties) }
        if let refusal, !event.properties.isEmpty {
            let isEmpty = event.properties.count == 2
            event.properties.removeLast()
            event.properties += Array("\(isEmpty ? "" : ",")\"$failure_reason\":\"\(refusal.failureReason)\"}".utf8)
        }
        if isSentUnder {
            event.sentID = event.filedID
            event.key = hashes.nextKey(timeMilliseconds: event.key.timeMilliseconds)
        }
        return .replace(event)
    }

    /// The reason of a refusal that nothing tells any more once its entry is a tombstone; nil for an entry that stays.
    func lostRefusal(of entry: LogEntry?) -> MergeRefusal? {
        guard let entry, contains(entry.event.primary) || contains(entry.event.secondary) else { return nil }
        return entry.refusal
    }

    /// Whether the verdict on an event may be another than to keep it.
    func concern(
        sentID: UnsafeRawBufferPointer, filedID: UnsafeRawBufferPointer, properties: UnsafeRawBufferPointer
    ) -> Bool {
        contains(sentID) || contains(filedID) || IdentityRedaction(properties, without: self).isNeeded
    }
}
