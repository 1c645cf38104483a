/// What kind of statement an entry of the log makes about two ids.
///
/// The raw value is stored; it is never renumbered.
package enum Verb: UInt8, CaseIterable, Sendable {
    /// `$identify`: an anonymous id belongs to an identified one (P 7.2).
    case identify = 1
    /// `$create_alias`: a new id for one already in use (P 7.5, 9-2).
    case alias = 2
    /// `$merge`: two ids are one someone (P 7.6).
    case merge = 3
    /// An ordinary event of a Simplified project that carries a device and a user (P 8-2).
    case device = 4
    /// An operator switched links off (`Amendment`).
    case unmerge = 5
    /// An operator undid an unmerge.
    case restore = 6
    /// An operator lifted the block of a parted pair.
    case unblock = 7
    /// The project's rules changed.
    case rules = 8

    /// The name that goes over the wire and into the log's answers.
    package var name: String {
        switch self {
        case .identify: "$identify"
        case .alias: "$create_alias"
        case .merge: "$merge"
        case .device: "device"
        case .unmerge: "unmerge"
        case .restore: "restore"
        case .unblock: "unblock"
        case .rules: "rules"
        }
    }
}

/// One statement about two ids, as a record made it.
///
/// `primary` is the side that ranks first where one link gives both ids their place (P 7.8-1): the identified id, the
/// `distinct_id` of an alias, the first id of a merge, the user of a device. `secondary` is the anonymous id, the
/// alias, the second id, the device.
package struct IdentityEvent: Hashable, Sendable {
    package let verb: Verb
    package let primary: DistinctID
    package let secondary: DistinctID

    package init(verb: Verb, primary: DistinctID, secondary: DistinctID) {
        self.verb = verb
        self.primary = primary
        self.secondary = secondary
    }
}
