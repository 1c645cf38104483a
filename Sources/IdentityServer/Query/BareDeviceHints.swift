import IdentityEngine
import IdentityStore

/// What is said of an `$identify` that names a device by its bare id, while the device's events come as
/// `$device:<id>`: to an Original project these are two ids (P 7.6-6), so the events stay where they are.
struct BareDeviceHints {
    /// How many entries of one answer are looked up, the first ones.
    static let lookUpLimit = 100

    private var ids: [Int64: DistinctID] = [:]

    /// Looks up the events of devices that entries name so.
    ///
    /// - Parameters:
    ///   - records: the entries of an answer.
    ///   - snapshot: the state that they are of.
    ///   - project: their project.
    /// - Throws: `StoreError` where the store cannot read.
    init(
        of records: some Sequence<LogRecord>, in snapshot: any StoreSnapshot, _ project: ProjectID
    ) throws(StoreError) {
        let identity = snapshot.identity(of: project)
        var lookUps = 0
        for record in records {
            guard case .entry(let entry) = record, entry.event.verb == .identify else { continue }
            let bare = entry.event.secondary
            guard !bare.bytes.starts(with: DeviceID.prefix), lookUps < Self.lookUpLimit else { continue }
            lookUps += 1
            let device = DistinctID(DeviceID.prefix + bare.bytes)
            guard try snapshot.eventCount(filedUnder: device, in: project, limit: 1) > 0 else { continue }
            // Whoever joined the two by other means needs no hint.
            let canonicalIDs = (try identity.resolve(bare).canonicalID, try identity.resolve(device).canonicalID)
            if canonicalIDs.0 != canonicalIDs.1 { ids[entry.sequence] = device }
        }
    }

    /// What to do about an entry, in plain words; nil for one that names no device so.
    func hint(_ record: LogRecord) -> String? {
        guard case .entry(let entry) = record, let device = ids[entry.sequence] else { return nil }
        return
            "Events of this device came as \"\(device)\", which is another id than \"\(entry.event.secondary)\". Send "
            + "it with $device: before it as $anon_id, and join the two with $merge."
    }
}
