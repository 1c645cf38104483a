extension RecordReader {
    /// Reads the record at the cursor, an object, and sets the cursor past it.
    ///
    /// - Throws: The fault that makes it no JSON object; the cursor is then anywhere inside it.
    mutating func readRecord() throws(RecordFault) {
        recordCursor = cursor
        outputStart = used
        event = ValueReference()
        properties = .absent
        isEmptyRecord = false
        badByteOffset = -1
        forgetProperties()
        reserve(0)
        guard byte(at: cursor) == UInt8(ascii: "{") else { throw .syntax }
        cursor += 1
        if byte(at: cursor) == UInt8(ascii: "}") {
            isEmptyRecord = true
        } else {
            try readMembers()
        }
        cursor += 1
        recordBytes = position(cursor - 1) + 1 - position(recordCursor)
    }

    /// Reads the members of a record up to its closing bracket; those that are not known are checked and left out.
    private mutating func readMembers() throws(RecordFault) {
        while true {
            guard byte(at: cursor) == UInt8(ascii: "\"") else { throw .syntax }
            let mark = used
            var isEvent = isKey(WireName.event)
            var isProperties = !isEvent && isKey(WireName.properties)
            if !isEvent, !isProperties {
                // It may still be one of the two, spelt with escapes.
                try copyString(at: cursor, textLimit: .max)
                isEvent = WireName.event.equals(output + mark + 1, used - mark - 2)
                isProperties = WireName.properties.equals(output + mark + 1, used - mark - 2)
                used = mark
            }
            guard byte(at: cursor + 1) == UInt8(ascii: ":") else { throw .syntax }
            cursor += 2
            if isProperties {
                // A second `properties` wins over the first (P 2-11), whose copy is given up.
                used = outputStart
                try readProperties()
            } else {
                let keysBefore = keyTop
                let value = try copyValue(depthLimit: DecodeScratch.depthLimit, textLimit: .max, isChecked: false)
                used = mark
                keyTop = keysBefore
                if isEvent { event = value }
            }
            switch byte(at: cursor) {
            case UInt8(ascii: ","): cursor += 1
            case UInt8(ascii: "}"): return
            default: throw .syntax
            }
        }
    }

    /// Whether the string at the cursor is a key, spelt without escapes and with its colon right behind it.
    @inline(__always)
    private func isKey(_ name: StaticString) -> Bool {
        let start = position(cursor) &+ 1
        let end = start &+ name.utf8CodeUnitCount
        return position(cursor &+ 1) == end &+ 1 && base[end] == UInt8(ascii: "\"")
            && name.equals(base + start, end &- start)
    }

    /// Reads the value of `properties`.
    ///
    /// Its copy stays open: without its closing bracket, with repeated keys still in it.
    private mutating func readProperties() throws(RecordFault) {
        if properties != .absent { forgetProperties() }
        guard byte(at: cursor) == UInt8(ascii: "{") else {
            properties = try copyValue(depthLimit: DecodeScratch.depthLimit, textLimit: .max, isChecked: false).kind
            used = outputStart
            return
        }
        properties = .object
        put(UInt8(ascii: "{"))
        cursor += 1
        if byte(at: cursor) == UInt8(ascii: "}") {
            cursor += 1
            return
        }
        var place = 0
        while true {
            if isFollowing, readFamiliarPairs(&place) { break }
            try readPair(place)
            place += 1
            if place == limits.properties { breakLimit(.tooManyProperties(limits.properties)) }
            let follower = byte(at: cursor)
            cursor += 1
            if follower == UInt8(ascii: "}") { break }
            guard follower == UInt8(ascii: ",") else { throw .syntax }
        }
        pairCount = place
        if !isFollowing { noteDistinctKeys(place) }
    }

    /// Drops what an earlier record, or an earlier `properties` of this one, left in the buffers.
    private mutating func forgetProperties() {
        for field in 0..<KnownField.count { values[field].kind = .absent }
        keyTop = 0
        frames[0] = DecodeScratch.Frame(isObject: true)
        limitRejection = nil
        isFollowing = true
        pairCount = 0
    }

    /// Closes the copy of `properties`, without the pairs that were dropped.
    mutating func closeProperties() {
        if frames[0].hasRepeats { dropPairs(firstKey: 0) }
        if output[used - 1] == UInt8(ascii: ",") { used -= 1 }
        put(UInt8(ascii: "}"))
    }
}
