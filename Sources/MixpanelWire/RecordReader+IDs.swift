import IdentityEngine

extension RecordReader {
    /// The ids that a verb states (P 6.4).
    ///
    /// - Parameter verb: One of the three verbs; the others are no event's name.
    /// - Returns: The ids, all of them usable.
    /// - Throws: The rejection of a record that lacks one.
    mutating func ids(of verb: Verb) throws(RecordRejection) -> RecordIDs {
        switch verb {
        case .identify: try identifyIDs()
        case .alias: try aliasIDs()
        case .merge: try mergeIDs()
        case .device, .unmerge, .restore, .unblock, .rules: RecordIDs()
        }
    }

    /// P 3.1-1: the documented names first, then those that the SDKs send.
    private mutating func identifyIDs() throws(RecordRejection) -> RecordIDs {
        let named = value(.identifiedID)
        let distinct = value(.distinctID)
        let isNamed = !named.isMissing || distinct.isMissing
        let identified = try requiredID(
            isNamed ? named : distinct, isNamed ? WireName.identifiedID : WireName.distinctID, slot: 1)
        let documented = value(.anonID)
        let sdk = value(.anonDistinctID)
        let isDocumented = !documented.isMissing || sdk.isMissing
        let anonymous = try requiredID(
            isDocumented ? documented : sdk, isDocumented ? WireName.anonID : WireName.anonDistinctID, slot: 2)
        let sent = try optionalID(.distinctID, slot: 0).flatMap { isBlank($0.bytes) ? nil : $0 } ?? identified
        return RecordIDs(verb: .identify, sent: sent, filed: sent, primary: identified, secondary: anonymous)
    }

    private mutating func aliasIDs() throws(RecordRejection) -> RecordIDs {
        let original = try requiredID(value(.distinctID), WireName.distinctID, slot: 1)
        let alias = try requiredID(value(.alias), WireName.alias, slot: 2)
        return RecordIDs(verb: .alias, sent: original, filed: original, primary: original, secondary: alias)
    }

    private mutating func mergeIDs() throws(RecordRejection) -> RecordIDs {
        let pair = try mergedPair()
        let first = try requiredID(pair.first, WireName.distinctIDs, slot: 1)
        let second = try requiredID(pair.second, WireName.distinctIDs, slot: 2)
        // `""` is an id as sent: the event of nobody that mixpanel-utils sends (P 6.2-1).
        let sent = try optionalID(.distinctID, slot: 0) ?? first
        return RecordIDs(verb: .merge, sent: sent, filed: sent, primary: first, secondary: second)
    }

    /// The two elements of `$distinct_ids`.
    private mutating func mergedPair() throws(RecordRejection) -> (first: ValueReference, second: ValueReference) {
        let array = value(.distinctIDs)
        guard array.kind == .array else { throw .notAPair }
        let cursorAfter = cursor
        let usedBefore = used
        defer {
            cursor = cursorAfter
            used = usedBefore
        }
        reserve(0)
        cursor = array.cursor + 1
        guard let first = element(), byte(at: cursor) == UInt8(ascii: ",") else { throw .notAPair }
        cursor += 1
        guard let second = element(), byte(at: cursor) == UInt8(ascii: "]") else { throw .notAPair }
        return (first, second)
    }

    /// The array element at the cursor; nil where there is none.
    private mutating func element() -> ValueReference? {
        try? copyValue(depthLimit: DecodeScratch.depthLimit, textLimit: .max, isChecked: false)
    }

    /// The ids of an event that is no verb.
    ///
    /// - Parameters:
    ///   - system: The project's identity system.
    ///   - ids: Set to the ids; left as they are for an event of nobody.
    /// - Throws: The rejection of a record whose id is too long or no UTF-8.
    mutating func plainIDs(_ system: IdentitySystem, _ ids: inout RecordIDs) throws(RecordRejection) {
        if case .simplified = system {
            ids = try simplifiedIDs(usesDistinctID: true)
        } else if let sent = try optionalID(.distinctID, slot: 0) {
            ids.sent = sent
            ids.filed = sent
        }
    }

    /// P 8-1, 8-5, 8-6, 8-10.
    ///
    /// - Parameter usesDistinctID: Whether a bare `distinct_id` counts.
    /// - Returns: The ids.
    /// - Throws: The rejection of a record whose id is too long or no UTF-8.
    mutating func simplifiedIDs(usesDistinctID: Bool) throws(RecordRejection) -> RecordIDs {
        let prefix = WireName.devicePrefix
        var named = try optionalID(.userID, slot: 1).flatMap { usable($0) }
        if let id = named, hasPrefix(id, prefix) { named = nil }
        var device = try optionalID(.deviceID, slot: 2).map { withoutPrefix($0, prefix) }.flatMap { usable($0) }
        let sent = usesDistinctID ? try optionalID(.distinctID, slot: 0).flatMap { usable($0) } : nil
        if named == nil, device == nil, let sent {
            if hasPrefix(sent, prefix) {
                device = usable(withoutPrefix(sent, prefix))
            } else {
                named = sent
            }
        }
        let prefixed = device.map { withPrefix($0, prefix) }
        var ids = RecordIDs(deviceProperty: device, userProperty: named)
        ids.filed = named ?? prefixed
        ids.sent = sent ?? ids.filed
        if let named, let prefixed {
            ids.verb = .device
            ids.primary = named
            ids.secondary = prefixed
        }
        return ids
    }

    /// An id with a prefix.
    private mutating func withPrefix(_ id: IDText, _ prefix: StaticString) -> IDText {
        let length = prefix.utf8CodeUnitCount
        let start = scratch.ids + DecodeScratch.prefixedSlot * DecodeScratch.idSlotBytes
        start.update(from: prefix.utf8Start, count: length)
        (start + length).update(from: id.start, count: id.count)
        return IDText(start: start, count: id.count + length)
    }
}

/// An id, unless it stands for nobody (P 8-10).
private func usable(_ id: IDText) -> IDText? {
    isBlank(id.bytes) || ReservedID.contains(id.bytes) ? nil : id
}

private func hasPrefix(_ id: IDText, _ prefix: StaticString) -> Bool {
    id.count >= prefix.utf8CodeUnitCount && prefix.equals(id.start, prefix.utf8CodeUnitCount)
}

/// An id without one prefix; what follows a second one is kept (P 8-5).
private func withoutPrefix(_ id: IDText, _ prefix: StaticString) -> IDText {
    guard hasPrefix(id, prefix) else { return id }
    let length = prefix.utf8CodeUnitCount
    return IDText(start: id.start + length, count: id.count - length)
}
