import IdentityEngine

extension RecordReader {
    /// Closes the record's copy, writes its ids behind it, and makes its entry.
    ///
    /// `voidStatement` says of a record that joined nothing whether it would state something otherwise; it is nil for
    /// any other record.
    mutating func event(
        _ project: ProjectID,
        _ name: IDText,
        _ ids: RecordIDs,
        _ insertID: SentInsertID?,
        _ time: Int64,
        voidStatement: Bool?,
        index: Int
    ) -> EventBatch.Event {
        var event = EventBatch.Event(project: project)
        event.recordIndex = UInt32(truncatingIfNeeded: index)
        if ids.deviceProperty != nil || ids.userProperty != nil { replaceIDProperties(ids) }
        // What is added behind the last pair would go with it, were that dropped afterwards.
        if let voidStatement { keepFailure(isStatement: voidStatement) }
        closeProperties()
        event.properties = EventBatch.Slice(offset: sliceBase + outputStart, count: used - outputStart)
        event.name = append(name)
        if let insertID { enter(insertID, in: &event) }
        if let sent = ids.sent { event.sentID = append(sent) }
        if let filed = ids.filed { event.filedID = append(filed, unlessSameAs: event.sentID) }
        if let verb = ids.verb, let primary = ids.primary, let secondary = ids.secondary {
            event.verb = verb
            event.primaryID = append(primary, unlessSameAs: event.filedID)
            event.secondaryID = append(secondary)
        }
        event.timeMilliseconds = time
        return event
    }

    /// Adds an id to the output, or shares the bytes of one that was added and is equal.
    private mutating func append(_ id: IDText, unlessSameAs slice: EventBatch.Slice) -> EventBatch.Slice {
        guard Int(slice.count) == id.count, areEqual(output + (Int(slice.offset) - sliceBase), id.start, id.count)
        else {
            return append(id)
        }
        return slice
    }

    /// Takes `$device_id` and `$user_id` out of the open copy and adds what the event resolved to (P 8-1).
    private mutating func replaceIDProperties(_ ids: RecordIDs) {
        stopFollowing(pairCount)
        for key in 0..<keyTop {
            let field = keys[key].field
            guard field == KnownField.deviceID.rawValue || field == KnownField.userID.rawValue else { continue }
            keys[key].isDropped = true
            frames[0].hasRepeats = true
        }
        if frames[0].hasRepeats {
            dropPairs(firstKey: 0)
            frames[0].hasRepeats = false
        }
        if let id = ids.deviceProperty { putProperty(WireName.deviceID, id) }
        if let id = ids.userProperty { putProperty(WireName.userID, id) }
    }

    private mutating func putProperty(_ name: StaticString, _ id: IDText) {
        reserve(name.utf8CodeUnitCount + 6 * id.count + 8)
        put(UInt8(ascii: "\""))
        for byte in name.bytes { put(byte) }
        put(UInt8(ascii: "\""))
        put(UInt8(ascii: ":"))
        put(UInt8(ascii: "\""))
        for byte in id.bytes {
            if byte < 0x20 || byte == 0x22 || byte == 0x5C {
                let escape = EscapeText(byte)
                escape.write(to: output + used)
                used += escape.count
            } else {
                put(byte)
            }
        }
        put(UInt8(ascii: "\""))
        put(UInt8(ascii: ","))
    }
}
