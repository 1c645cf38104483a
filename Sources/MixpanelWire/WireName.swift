/// Mixpanel's own names, spelt as they go over the wire (P 6.2, 6.4, 10-1, 10-3, 10-5).
enum WireName {
    static let event: StaticString = "event"
    static let properties: StaticString = "properties"

    static let identify: StaticString = "$identify"
    static let createAlias: StaticString = "$create_alias"
    static let merge: StaticString = "$merge"

    static let token: StaticString = "token"
    static let time: StaticString = "time"
    static let distinctID: StaticString = "distinct_id"
    static let insertID: StaticString = "$insert_id"
    static let identifiedID: StaticString = "$identified_id"
    static let anonID: StaticString = "$anon_id"
    static let anonDistinctID: StaticString = "$anon_distinct_id"
    static let alias: StaticString = "alias"
    static let distinctIDs: StaticString = "$distinct_ids"
    static let deviceID: StaticString = "$device_id"
    static let userID: StaticString = "$user_id"
    static let ignore: StaticString = "$ignore"

    static let failureReason: StaticString = "$failure_reason"
    static let failureDescription: StaticString = "$failure_description"
    static let distinctIDBeforeIdentity: StaticString = "$distinct_id_before_identity"
    static let isReshuffled: StaticString = "$is_reshuffled"
    static let identityFailureReason: StaticString = "$identity_failure_reason"
    static let `import`: StaticString = "$import"
    static let processingTime: StaticString = "mp_processing_time_ms"
    static let apiEndpoint: StaticString = "$mp_api_endpoint"
    static let apiTimestamp: StaticString = "$mp_api_timestamp_ms"
    /// Ours: what an export says of the entry of the log that a verb made (P 7.1-8).
    static let entrySequence: StaticString = "$selfsame_sequence"
    static let revoked: StaticString = "$selfsame_revoked"

    static let updateToken: StaticString = "$token"
    static let updatedID: StaticString = "$distinct_id"
    static let groupKey: StaticString = "$group_key"
    static let groupID: StaticString = "$group_id"
    static let ignoreAlias: StaticString = "$ignore_alias"
    static let ignoreTime: StaticString = "$ignore_time"
    static let set: StaticString = "$set"
    static let setOnce: StaticString = "$set_once"
    static let add: StaticString = "$add"
    static let append: StaticString = "$append"
    static let union: StaticString = "$union"
    static let remove: StaticString = "$remove"
    static let unset: StaticString = "$unset"
    static let delete: StaticString = "$delete"

    /// What marks an id as a device's, in a Simplified project and in current SDKs (P 3.1-2, 8-1).
    static let devicePrefix: StaticString = "$device:"

    static let `true`: StaticString = "true"
    static let `false`: StaticString = "false"
    static let null: StaticString = "null"

    /// The key of our own queries that name several ids.
    static let queriedIDs: StaticString = "distinct_ids"
}

extension StaticString {
    /// Whether a run of bytes is this text.
    @inline(__always)
    func equals(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        count == utf8CodeUnitCount && areEqual(utf8Start, bytes, count)
    }

    /// The text's UTF-8.
    var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: utf8Start, count: utf8CodeUnitCount) }
}

/// Whether two runs of bytes are the same, compared eight at a time.
@inline(__always)
func areEqual(_ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    let left = UnsafeRawPointer(a)
    let right = UnsafeRawPointer(b)
    var offset = 0
    while count &- offset >= 8 {
        guard
            left.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                == right.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        else { return false }
        offset &+= 8
    }
    while offset < count {
        guard a[offset] == b[offset] else { return false }
        offset &+= 1
    }
    return true
}
