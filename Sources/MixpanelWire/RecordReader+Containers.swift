extension RecordReader {
    /// Copies the value at the cursor and sets the cursor past it.
    ///
    /// - Parameters:
    ///   - depthLimit: How many containers may stand inside one another.
    ///   - textLimit: The length that strings are cut to, in unicode scalars.
    ///   - isChecked: Whether this is part of `properties`, where too deep a container breaks a limit and keys may not
    ///     repeat. Elsewhere too deep a container is a fault.
    /// - Returns: What the value is and where it stands.
    /// - Throws: The fault that makes it no JSON value.
    @inline(__always)
    mutating func copyValue(
        depthLimit: Int,
        textLimit: Int,
        isChecked: Bool
    ) throws(RecordFault) -> ValueReference {
        let head = byte(at: cursor)
        if head == UInt8(ascii: "{") || head == UInt8(ascii: "[") {
            let kind: ValueReference.Kind = head == UInt8(ascii: "{") ? .object : .array
            let start = cursor
            try copyContainer(depthLimit: depthLimit, textLimit: textLimit, isChecked: isChecked)
            return ValueReference(kind: kind, start: position(start), end: position(cursor), cursor: start)
        }
        let value = try copyScalar(head, textLimit: textLimit)
        cursor += 1
        return value
    }

    /// Copies the string, number or literal at the cursor, which stays.
    @inline(__always)
    mutating func copyScalar(_ head: UInt8, textLimit: Int) throws(RecordFault) -> ValueReference {
        switch head {
        case UInt8(ascii: "\""):
            return try copyString(at: cursor, textLimit: textLimit)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            return try copyNumber()
        case UInt8(ascii: "t"): return try copyLiteral("true", .boolean)
        case UInt8(ascii: "f"): return try copyLiteral("false", .boolean)
        case UInt8(ascii: "n"): return try copyLiteral("null", .null)
        default: throw .syntax
        }
    }

    /// Copies the object or array at the cursor, and all that is in it, without recursion.
    private mutating func copyContainer(depthLimit: Int, textLimit: Int, isChecked: Bool) throws(RecordFault) {
        var depth = 0
        open(&depth)
        while depth > 0 {
            let isObject = frames[depth].isObject
            let closing = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
            if frames[depth].elements == 0, byte(at: cursor) == closing {
                close(&depth, closing, isChecked: isChecked)
            } else {
                if isObject { try copyKey(depth) }
                let head = byte(at: cursor)
                if head == UInt8(ascii: "{") || head == UInt8(ascii: "[") {
                    if depth < depthLimit {
                        open(&depth)
                        continue
                    }
                    guard isChecked else { throw .tooDeep }
                    breakLimit(.tooDeep(propertyPath, depthLimit))
                    try skipValue()
                } else {
                    _ = try copyScalar(head, textLimit: textLimit)
                    cursor += 1
                }
            }
            try finishElements(&depth, isChecked: isChecked)
        }
    }

    /// After a value: enters its key, and steps over the comma or out of every container that ends here.
    @inline(__always)
    private mutating func finishElements(_ depth: inout Int, isChecked: Bool) throws(RecordFault) {
        while depth > 0 {
            put(UInt8(ascii: ","))
            frames[depth].elements += 1
            let isObject = frames[depth].isObject
            if isChecked {
                let limit = isObject ? limits.nestedKeys : limits.arrayElements
                if frames[depth].elements == limit {
                    breakLimit(.tooManyElements(propertyPath, limit, isObject: isObject))
                }
                if isObject {
                    let key = output + frames[depth].pairStart + 1
                    enterKey(depth, hash: keyHash(key, frames[depth].keyCount), field: 255)
                }
            }
            let next = byte(at: cursor)
            if next == UInt8(ascii: ",") {
                cursor += 1
                return
            }
            let closing = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
            guard next == closing else { throw .syntax }
            close(&depth, closing, isChecked: isChecked)
        }
    }

    @inline(__always)
    private mutating func open(_ depth: inout Int) {
        let bracket = byte(at: cursor)
        depth += 1
        frames[depth] = DecodeScratch.Frame(isObject: bracket == UInt8(ascii: "{"), firstKey: keyTop)
        put(bracket)
        cursor += 1
    }

    @inline(__always)
    private mutating func close(_ depth: inout Int, _ bracket: UInt8, isChecked: Bool) {
        if frames[depth].hasRepeats { dropPairs(firstKey: frames[depth].firstKey) }
        if frames[depth].elements > 0 { used -= 1 }
        keyTop = frames[depth].firstKey
        put(bracket)
        cursor += 1
        depth -= 1
    }

    /// Copies a nested object's key and its colon, and sets the cursor to the value.
    @inline(__always)
    private mutating func copyKey(_ depth: Int) throws(RecordFault) {
        guard byte(at: cursor) == UInt8(ascii: "\"") else { throw .syntax }
        let pairStart = used
        try copyString(at: cursor, textLimit: .max)
        frames[depth].pairStart = pairStart
        frames[depth].keyCount = used - pairStart - 2
        guard byte(at: cursor + 1) == UInt8(ascii: ":") else { throw .syntax }
        put(UInt8(ascii: ":"))
        cursor += 2
    }

    /// Enters the key of a pair that was copied, and marks a former pair of the same key as dropped (P 2-11).
    ///
    /// Keys are compared as copied: escapes are normalised there, so equal keys are equal bytes.
    ///
    /// - Parameters:
    ///   - depth: The depth of the object; zero for `properties`.
    ///   - hash: The key's hash.
    ///   - field: The raw value of the key's `KnownField`; 255 for none.
    @inline(__always)
    mutating func enterKey(_ depth: Int, hash: UInt32, field: UInt8) {
        // Past its limits a record is refused, so what it would have repeated does not matter.
        guard limitRejection == nil else { return }
        let pairStart = frames[depth].pairStart
        let keyCount = frames[depth].keyCount
        let bit: UInt64 = 1 << UInt64(hash & 63)
        if frames[depth].filter & bit != 0 {
            for other in frames[depth].firstKey..<keyTop
            where keys[other].hash == hash && keys[other].keyCount == keyCount && !keys[other].isDropped {
                guard areEqual(output + keys[other].pairStart + 1, output + pairStart + 1, keyCount) else { continue }
                keys[other].isDropped = true
                frames[depth].hasRepeats = true
            }
        }
        frames[depth].filter |= bit
        keys[keyTop] = DecodeScratch.Key(
            hash: hash, isDropped: false, field: field, pairStart: pairStart, keyCount: keyCount)
        keyTop += 1
    }

    /// Moves the pairs of an object together over those that were dropped.
    mutating func dropPairs(firstKey: Int) {
        guard firstKey < keyTop else { return }
        var target = keys[firstKey].pairStart
        for index in firstKey..<keyTop {
            let start = keys[index].pairStart
            let end = index + 1 < keyTop ? keys[index + 1].pairStart : used
            guard !keys[index].isDropped else { continue }
            if target != start { (output + target).update(from: output + start, count: end - start) }
            target += end - start
        }
        used = target
    }

    /// The property that is being read, with what holds it, for a message.
    private var propertyPath: String { propertyPath(frames[0].pairStart, frames[0].keyCount) }

    /// A property as copied, not more than 64 bytes of its name, with what holds it.
    func propertyPath(_ pairStart: Int, _ keyCount: Int) -> String {
        let key = output + pairStart + 1
        var kept = min(keyCount, 64)
        while kept > 0, kept < keyCount, key[kept] & 0xC0 == 0x80 { kept -= 1 }
        return "\(holder)." + String(decoding: UnsafeBufferPointer(start: key, count: kept), as: UTF8.self)
    }
}

/// A hash of a key's bytes, which may be read eight at a time past their end.
@inline(__always)
func keyHash(_ key: UnsafePointer<UInt8>, _ count: Int) -> UInt32 {
    let raw = UnsafeRawPointer(key)
    var hash = UInt64(truncatingIfNeeded: count) &* 0x9E37_79B9_7F4A_7C15
    var offset = 0
    while count - offset >= 8 {
        hash = (hash ^ raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* 0xFF51_AFD7_ED55_8CCD
        hash ^= hash >> 32
        offset += 8
    }
    if count > offset {
        let word = raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        let mask: UInt64 = (1 << UInt64((count - offset) * 8)) - 1
        hash = (hash ^ (word & mask)) &* 0xFF51_AFD7_ED55_8CCD
        hash ^= hash >> 32
    }
    return UInt32(truncatingIfNeeded: hash)
}
