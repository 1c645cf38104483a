package import IdentityEngine

/// The profile of one id as a store has it.
package struct StoredProfile: Hashable, Sendable {
    package let id: DistinctID
    /// The root of the id's cluster at its last update; 0 where it was in none.
    package var root: NodeKey
    /// The latest link of the cluster then.
    package var linkedSequence: Int64
    /// When the last update was received.
    package var updatedMilliseconds: Int64
    package var ledger: ProfileLedger

    package init(
        id: DistinctID, root: NodeKey = 0, linkedSequence: Int64 = 0, updatedMilliseconds: Int64 = .min,
        ledger: ProfileLedger = ProfileLedger()
    ) {
        self.id = id
        self.root = root
        self.linkedSequence = linkedSequence
        self.updatedMilliseconds = updatedMilliseconds
        self.ledger = ledger
    }
}

/// The name of a group: the bytes of `$group_key` and of `$group_id`.
package struct GroupName: Hashable, Sendable {
    package let key: [UInt8]
    package let id: [UInt8]

    package init(key: [UInt8], id: [UInt8]) {
        self.key = key
        self.id = id
    }
}

/// The profile of a group as a store has it.
package struct StoredGroup: Hashable, Sendable {
    package var updatedMilliseconds: Int64
    package var ledger: ProfileLedger

    package init(updatedMilliseconds: Int64 = .min, ledger: ProfileLedger = ProfileLedger()) {
        self.updatedMilliseconds = updatedMilliseconds
        self.ledger = ledger
    }
}
