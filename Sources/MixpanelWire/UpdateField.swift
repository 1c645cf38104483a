import IdentityEngine

/// A member of a profile update that the decoder reads; any other is checked and left out (P 10-1, 10-3).
enum UpdateField {
    case token
    case distinctID
    case groupKey
    case groupID
    case ignoreAlias
    case ignoreTime
    case operation(ProfileVerb)

    /// The field of a key, given the key's bytes; nil for a member without effect.
    static func named(_ key: UnsafePointer<UInt8>, _ count: Int) -> UpdateField? {
        if WireName.updateToken.equals(key, count) { return .token }
        if WireName.updatedID.equals(key, count) { return .distinctID }
        if WireName.groupKey.equals(key, count) { return .groupKey }
        if WireName.groupID.equals(key, count) { return .groupID }
        if WireName.ignoreAlias.equals(key, count) { return .ignoreAlias }
        if WireName.ignoreTime.equals(key, count) { return .ignoreTime }
        return ProfileVerb.allCases.first { $0.wireName.equals(key, count) }.map { .operation($0) }
    }
}

/// What was found in one profile update.
struct UpdateParts {
    /// An operator with its operand, and what is wrong with that.
    struct Operation {
        var operation: ProfileOperation
        var fault: RecordRejection?
    }

    var token = ValueReference()
    var distinctID = ValueReference()
    var groupKey = ValueReference()
    var groupID = ValueReference()
    var ignoreAlias = ValueReference()
    var ignoreTime = ValueReference()
    var operations: [Operation] = []

    /// Forgets what an earlier record left.
    mutating func clear() {
        let empty = ValueReference()
        (token, distinctID, groupKey, groupID) = (empty, empty, empty, empty)
        (ignoreAlias, ignoreTime) = (empty, empty)
        operations.removeAll(keepingCapacity: true)
    }

    /// Adds an operator; a former one of the same name is given up, with its faults (P 2-11).
    mutating func enter(_ operation: ProfileOperation, fault: RecordRejection?) {
        operations.removeAll { $0.operation.verb == operation.verb }
        operations.append(Operation(operation: operation, fault: fault))
    }
}

extension ProfileVerb {
    /// The operator's name, as it goes over the wire.
    var wireName: StaticString {
        switch self {
        case .set: WireName.set
        case .setOnce: WireName.setOnce
        case .add: WireName.add
        case .append: WireName.append
        case .union: WireName.union
        case .remove: WireName.remove
        case .unset: WireName.unset
        case .merge: WireName.merge
        case .delete: WireName.delete
        }
    }
}
