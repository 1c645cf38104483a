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
            try copyString(at: cursor, textLimit: .max)
            let isEvent = WireName.event.equals(output + mark + 1, used - mark - 2)
            let isProperties = WireName.properties.equals(output + mark + 1, used - mark - 2)
            used = mark
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
        var pairs = 0
        while true {
            try readProperty()
            pairs += 1
            if pairs == limits.properties { breakLimit(.tooManyProperties(limits.properties)) }
            switch byte(at: cursor) {
            case UInt8(ascii: ","): cursor += 1
            case UInt8(ascii: "}"):
                cursor += 1
                return
            default: throw .syntax
            }
        }
    }

    /// Drops what an earlier record, or an earlier `properties` of this one, left in the buffers.
    private mutating func forgetProperties() {
        for field in 0..<KnownField.count { values[field] = ValueReference() }
        keyTop = 0
        frames[0] = DecodeScratch.Frame(isObject: true)
        limitRejection = nil
    }

    /// Reads one pair of `properties` and decides whether the copy keeps it.
    @inline(__always)
    private mutating func readProperty() throws(RecordFault) {
        guard byte(at: cursor) == UInt8(ascii: "\"") else { throw .syntax }
        let pairStart = used
        try copyString(at: cursor, textLimit: .max)
        let keyCount = used - pairStart - 2
        guard byte(at: cursor + 1) == UInt8(ascii: ":") else { throw .syntax }
        put(UInt8(ascii: ":"))
        cursor += 2
        let field = KnownField.named(output + pairStart + 1, keyCount)
        frames[0].pairStart = pairStart
        frames[0].keyCount = keyCount
        let textLimit = field?.isID == true ? Int.max : limits.textScalars
        let value = try copyValue(depthLimit: limits.nestingDepth, textLimit: textLimit, isChecked: true)
        put(UInt8(ascii: ","))
        guard let field else {
            enterKey(0, field: 255)
            return
        }
        values[Int(field.rawValue)] = value
        if field.isTakenOut {
            used = pairStart
        } else {
            enterKey(0, field: field.rawValue)
        }
    }

    /// Closes the copy of `properties`, without the pairs that were dropped.
    mutating func closeProperties() {
        if frames[0].hasRepeats { dropPairs(firstKey: 0) }
        if output[used - 1] == UInt8(ascii: ",") { used -= 1 }
        put(UInt8(ascii: "}"))
    }
}
