/// A property that the decoder reads, or takes out, wherever it stands in `properties`.
enum KnownField: UInt8 {
    case token = 0
    case time
    case distinctID
    case insertID
    case identifiedID
    case anonID
    case anonDistinctID
    case alias
    case distinctIDs
    case deviceID
    case userID
    case ignore
    /// One that a server stamps; taken out of what clients send (P 7.1-6, 10-5).
    case stamped
    // Stamps too, which mean what an export says where the sender is trusted (P 7.1-7).
    case idBeforeIdentity
    case failureReason
    case failureDescription
    case identityFailureReason
    case processingTime
    case entrySequence
    case revoked

    /// How many fields there are.
    static let count = 20

    /// The field of a key, given the key's bytes; nil for a property that is only carried.
    ///
    /// Told apart by length first, so that an ordinary key costs one comparison at most.
    @inline(__always)
    static func named(_ key: UnsafePointer<UInt8>, _ count: Int) -> KnownField? {
        switch count {
        case 4: WireName.time.equals(key, 4) ? .time : nil
        case 5: WireName.token.equals(key, 5) ? .token : WireName.alias.equals(key, 5) ? .alias : nil
        case 7: WireName.ignore.equals(key, 7) ? .ignore : stamped(WireName.import, key, 7)
        case 8: WireName.anonID.equals(key, 8) ? .anonID : WireName.userID.equals(key, 8) ? .userID : nil
        case 10: WireName.insertID.equals(key, 10) ? .insertID : WireName.deviceID.equals(key, 10) ? .deviceID : nil
        case 11: WireName.distinctID.equals(key, 11) ? .distinctID : nil
        case 13: WireName.distinctIDs.equals(key, 13) ? .distinctIDs : nil
        case 14: WireName.identifiedID.equals(key, 14) ? .identifiedID : stamped(WireName.isReshuffled, key, 14)
        case 15: WireName.failureReason.equals(key, 15) ? .failureReason : nil
        case 16: stamped(WireName.apiEndpoint, key, 16)
        case 17:
            WireName.anonDistinctID.equals(key, 17)
                ? .anonDistinctID : WireName.revoked.equals(key, 17) ? .revoked : nil
        case 18: WireName.entrySequence.equals(key, 18) ? .entrySequence : nil
        case 20:
            WireName.failureDescription.equals(key, 20)
                ? .failureDescription : stamped(WireName.apiTimestamp, key, 20)
        case 21: WireName.processingTime.equals(key, 21) ? .processingTime : nil
        case 24: WireName.identityFailureReason.equals(key, 24) ? .identityFailureReason : nil
        case 28: WireName.distinctIDBeforeIdentity.equals(key, 28) ? .idBeforeIdentity : nil
        default: nil
        }
    }

    private static func stamped(_ name: StaticString, _ key: UnsafePointer<UInt8>, _ count: Int) -> KnownField? {
        name.equals(key, count) ? .stamped : nil
    }

    /// Whether the value is an id, which is never cut (P 7.6-5).
    var isID: Bool {
        switch self {
        case .token, .time, .ignore, .stamped, .failureReason, .failureDescription, .identityFailureReason,
            .processingTime, .entrySequence, .revoked:
            false
        default: true
        }
    }

    /// Whether the pair never reaches the stored copy.
    var isTakenOut: Bool {
        switch self {
        case .token, .time, .distinctID, .insertID, .stamped, .idBeforeIdentity, .failureReason, .failureDescription,
            .identityFailureReason, .processingTime, .entrySequence, .revoked:
            true
        default: false
        }
    }

    /// The property's name.
    var name: StaticString {
        switch self {
        case .token: WireName.token
        case .time: WireName.time
        case .distinctID: WireName.distinctID
        case .insertID: WireName.insertID
        case .identifiedID: WireName.identifiedID
        case .anonID: WireName.anonID
        case .anonDistinctID: WireName.anonDistinctID
        case .alias: WireName.alias
        case .distinctIDs: WireName.distinctIDs
        case .deviceID: WireName.deviceID
        case .userID: WireName.userID
        case .ignore: WireName.ignore
        case .stamped: WireName.import
        case .idBeforeIdentity: WireName.distinctIDBeforeIdentity
        case .failureReason: WireName.failureReason
        case .failureDescription: WireName.failureDescription
        case .identityFailureReason: WireName.identityFailureReason
        case .processingTime: WireName.processingTime
        case .entrySequence: WireName.entrySequence
        case .revoked: WireName.revoked
        }
    }
}
