import Foundation
import IdentityEngine
import IdentityStore

extension Export.Moment {
    /// The unmerge that parted the device and the user of a Simplified event which made no entry: another event had
    /// linked them before it.
    ///
    /// Without being told, who imports the event would link them again (P 8-2).
    ///
    /// - Parameter event: an event of a Simplified project.
    /// - Returns: the sequence of the unmerge; nil for an event without both ids, and where their link counts.
    /// - Throws: `StoreError`.
    func partingSequence(of event: StoredEvent) throws(StoreError) -> Int64? {
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
