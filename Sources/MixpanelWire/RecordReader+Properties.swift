/// The pairs of `properties`.
///
/// The records of a body mostly have the same keys in the same order. So a key is first compared with the one that
/// stood at its place in an earlier record: where the bytes are the same, all that was found out about it holds again.
extension RecordReader {
    /// Reads one pair and decides whether the copy keeps it.
    ///
    /// - Parameter place: How many pairs of the object came before.
    /// - Throws: The fault that makes the record no JSON.
    mutating func readPair(_ place: Int) throws(RecordFault) {
        guard byte(at: cursor) == UInt8(ascii: "\"") else { throw .syntax }
        let pairStart = used
        let familiar = try copyKey(place)
        cursor += 2
        let field = KnownField(rawValue: familiar.field)
        frames[0].pairStart = pairStart
        frames[0].keyCount = used - pairStart - 3
        let textLimit = field?.isID == true ? Int.max : limits.textScalars
        let value = try copyValue(depthLimit: limits.nestingDepth, textLimit: textLimit, isChecked: true)
        put(UInt8(ascii: ","))
        if let field { values[Int(field.rawValue)] = value }
        if familiar.isTakenOut {
            used = pairStart
        } else if isFollowing {
            familiarKeys[place].pairStart = pairStart
        } else {
            enterKey(0, hash: familiar.hash, field: familiar.field)
        }
    }

    /// Copies the key at the cursor and its colon.
    ///
    /// - Parameter place: How many pairs of the object came before.
    /// - Returns: What is known of the key.
    /// - Throws: `RecordFault.syntax` where it is no string, or no colon follows.
    private mutating func copyKey(_ place: Int) throws(RecordFault) -> DecodeScratch.FamiliarKey {
        let start = position(cursor)
        let pairStart = used
        if place < familiarCount, cursor &+ 1 < cursorEnd {
            let colon = position(cursor &+ 1)
            if colon <= lastWideStart, isFamiliar(familiarKeys + place, start, colon) {
                copyBytes(start, colon &+ 1)
                if place >= distinctCount { stopFollowing(place) }
                return familiarKeys[place]
            }
        }
        stopFollowing(place)
        distinctCount = min(distinctCount, place)
        let key = try copyString(at: cursor, textLimit: .max)
        guard byte(at: cursor + 1) == UInt8(ascii: ":") else { throw .syntax }
        put(UInt8(ascii: ":"))
        let count = used - pairStart - 3
        let field = KnownField.named(output + pairStart + 1, count)
        var familiar = DecodeScratch.FamiliarKey(
            hash: keyHash(output + pairStart + 1, count), field: field?.rawValue ?? 255,
            isTakenOut: field?.isTakenOut ?? false)
        // A key that was changed in the copy, or has white space before its colon, is not to be known again.
        if key.kind == .string, key.end + 1 == position(cursor + 1) {
            familiar.start = UInt32(truncatingIfNeeded: start)
            familiar.count = UInt32(truncatingIfNeeded: count + 3)
        }
        if place < DecodeScratch.familiarCapacity {
            familiarKeys[place] = familiar
            familiarCount = max(familiarCount, place + 1)
        }
        return familiar
    }

    /// Whether a key is spelt like one of an earlier record.
    ///
    /// - Parameters:
    ///   - familiar: The earlier key.
    ///   - start: Where the key starts.
    ///   - colon: Where its colon stands; sixteen bytes from there on can be read.
    /// - Returns: Whether the bytes are the same, from the quote to the colon.
    @inline(__always)
    private func isFamiliar(
        _ familiar: UnsafePointer<DecodeScratch.FamiliarKey>,
        _ start: Int,
        _ colon: Int
    ) -> Bool {
        let count = Int(familiar.pointee.count)
        guard colon &- start &+ 1 == count else { return false }
        let new = UnsafeRawPointer(base + start)
        let old = UnsafeRawPointer(base + Int(familiar.pointee.start))
        func difference(_ offset: Int) -> UInt64 {
            new.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                ^ old.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        }
        // What stands past the colon does not count.
        guard count > 8 else { return difference(0) &<< UInt64(truncatingIfNeeded: 64 &- count &* 8) == 0 }
        var offset = 8
        while offset &+ 8 < count {
            guard difference(offset) == 0 else { return false }
            offset &+= 8
        }
        return difference(0) | difference(count &- 8) == 0
    }

    /// From here on each key of the record is compared with those before it.
    ///
    /// - Parameter place: How many pairs of the object came before.
    mutating func stopFollowing(_ place: Int) {
        guard isFollowing else { return }
        isFollowing = false
        for key in 0..<place where !familiarKeys[key].isTakenOut {
            let familiar = familiarKeys[key]
            frames[0].filter |= 1 << UInt64(familiar.hash & 63)
            keys[keyTop] = DecodeScratch.Key(
                hash: familiar.hash, isDropped: false, field: familiar.field, pairStart: familiar.pairStart,
                keyCount: Int(familiar.count) - 3)
            keyTop += 1
        }
    }

    /// After an object whose keys were compared with one another.
    ///
    /// - Parameter count: How many pairs it had.
    mutating func noteDistinctKeys(_ count: Int) {
        let isDistinct = !frames[0].hasRepeats && limitRejection == nil
        distinctCount = isDistinct ? min(count, familiarCount) : 0
    }

    /// Reads pairs whose keys are the familiar ones and whose values are short strings, numbers and literals: what
    /// nearly every pair is.
    ///
    /// It only ever accepts. Before the first pair that is anything else it stops, and leaves that to `readPair`.
    ///
    /// - Parameter place: How many pairs of the object came before; set to how many have been read.
    /// - Returns: Whether the object was read to its end. If not, the cursor stands at the next pair.
    mutating func readFamiliarPairs(_ place: inout Int) -> Bool {
        // The last pair that the limit allows is left to `readPair`, and so is the text's end.
        let familiarEnd = familiarKeys + min(distinctCount, limits.properties &- 1)
        let lastStructural = positions + (min(cursorEnd, wideCursorEnd) &- 3)
        let base = base
        let textLimit = limits.textScalars
        var structural = positions + cursor
        var familiar = familiarKeys + place
        // What stands in the text as it is to stand in the copy is copied at one go.
        var (runStart, runEnd) = (0, 0)
        var knownPlainEnd = position(cursor) >= plainStart ? plainEnd : 0
        var isClosed = false
        while familiar < familiarEnd, structural < lastStructural {
            let keyStart = Int(structural[0])
            let colon = Int(structural[1])
            guard isFamiliar(familiar, keyStart, colon) else { break }
            let start = Int(structural[2])
            let next = Int(structural[3])
            let follower = base[next]
            guard follower == UInt8(ascii: ",") || follower == UInt8(ascii: "}") else { break }
            var kind = ValueReference.Kind.number
            if base[start] == UInt8(ascii: "\"") {
                let length = next &- start &- 2
                guard base[next &- 1] == UInt8(ascii: "\""), length >= 0, length <= textLimit else { break }
                if next > knownPlainEnd {
                    guard isPlainAfterSearch(start, next) else { break }
                    knownPlainEnd = plainEnd
                }
                kind = .string
            } else if let literal = literal(start, next) {
                kind = literal
            } else {
                // What follows the number ends the search for its end.
                guard Self.endOfNumber(start, { base[$0] }) == next else { break }
            }
            if familiar.pointee.field != 255 {
                note(kind, start, next, cursor: structural - positions + 2, of: familiar.pointee.field)
            }
            if !familiar.pointee.isTakenOut {
                if keyStart != runEnd {
                    copyRun(runStart, runEnd)
                    runStart = keyStart
                }
                familiar.pointee.pairStart = used &+ (keyStart &- runStart)
                if start != colon &+ 1 {
                    copyRun(runStart, colon &+ 1)
                    runStart = start
                }
                runEnd = next &+ 1
            }
            structural += 4
            familiar += 1
            if follower == UInt8(ascii: "}") {
                isClosed = true
                break
            }
        }
        if runEnd > 0 {
            copyRun(runStart, runEnd)
            output[used &- 1] = UInt8(ascii: ",")
        }
        cursor = structural - positions
        place = familiar - familiarKeys
        return isClosed
    }

    /// Copies bytes of the text as they are.
    @inline(never)
    private mutating func copyRun(_ start: Int, _ end: Int) { copyBytes(start, end) }

    /// Notes a known field's value.
    @inline(never)
    private mutating func note(_ kind: ValueReference.Kind, _ start: Int, _ end: Int, cursor: Int, of field: UInt8) {
        let quote = kind == .string ? 1 : 0
        values[Int(field)] = ValueReference(kind: kind, start: start &+ quote, end: end &- quote, cursor: cursor)
    }

    /// What kind of literal stands between two offsets; nil for anything else.
    @inline(__always)
    private func literal(_ start: Int, _ end: Int) -> ValueReference.Kind? {
        guard base[start] >= UInt8(ascii: "f") else { return nil }
        let count = end &- start
        if WireName.true.equals(base + start, count) || WireName.false.equals(base + start, count) { return .boolean }
        return WireName.null.equals(base + start, count) ? .null : nil
    }
}
