import Foundation
import IdentityEngine
import IdentityStore

extension Export.Moment {
    /// An event as a raw export writes it: with the entry of the log that it made, and the unmerge that took its link
    /// back (P 7.1-8).
    ///
    /// - Parameters:
    ///   - event: an event that was checked.
    ///   - canonicalID: the id that it is found under.
    ///   - system: the identity system of its project.
    /// - Returns: the text.
    /// - Throws: `StoreError`.
    func text(of event: StoredEvent, canonicalID: [UInt8], system: IdentitySystem) throws(StoreError) -> EventText {
        let entry = event.sequence == 0 ? nil : try snapshot.logEntry(event.sequence, in: project)
        var text = EventText(event: event, canonicalID: canonicalID, entry: entry, marksEntry: true)
        if isAmended, entry?.hasLink == true {
            text.revokedSequence = try snapshot.linkStates(of: event.sequence, in: project)
                .revokedSequence(asOf: sequence)
        } else if isAmended, system == .simplified, event.sequence == 0, event.conflict == nil {
            text.revokedSequence = try partingSequence(of: event)
        }
        return text
    }

    /// The unmerge that parted the device and the user of a Simplified event which made no entry: another event had
    /// linked them before it.
    ///
    /// Without being told, who imports the event would link them again (P 8-2).
    ///
    /// - Parameter event: an event of a Simplified project.
    /// - Returns: the sequence of the unmerge; nil for an event without both ids, and where their link counts.
    /// - Throws: `StoreError`.
    private func partingSequence(of event: StoredEvent) throws(StoreError) -> Int64? {
        guard let device = Self.device(of: event), let from = try identity.node(for: device),
            let to = try identity.node(for: DistinctID(event.filedID))
        else { return nil }
        var parting: Int64?
        for link in try snapshot.links(from: from.key, in: project)
        where link.to == to.key && link.sequence <= sequence {
            let states = try snapshot.linkStates(of: link.sequence, in: project)
            guard let revoked = states.revokedSequence(asOf: sequence) else { return nil }
            parting = revoked
        }
        return parting
    }

    /// The id of the event's device, where it was filed under a user.
    private static func device(of event: StoredEvent) -> DistinctID? {
        var named: DistinctID?
        MinifiedJSON.forEachMember(of: event.properties[...]) { key, value in
            guard key.elementsEqual(#""$device_id""#.utf8),
                let text = try? JSONDecoder().decode(String.self, from: Data(value))
            else { return }
            named = DistinctID(DeviceID.prefix + Array(text.utf8))
        }
        return named?.bytes == event.filedID ? nil : named
    }
}
