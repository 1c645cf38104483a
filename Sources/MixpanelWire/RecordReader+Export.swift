import IdentityEngine

/// What an export says of an event beside what was sent, which counts where the sender is trusted (P 7.1-7).
extension RecordReader {
    /// Makes the id as sent that the record names the one that is read as its `distinct_id`.
    ///
    /// - Returns: the `distinct_id` of the record itself, under which an export found the event; nil where it is the id
    ///   as sent too.
    mutating func takeIDBeforeIdentity() -> ValueReference? {
        guard isGiven(.idBeforeIdentity) else { return nil }
        let found = value(.distinctID)
        values[Int(KnownField.distinctID.rawValue)] = value(.idBeforeIdentity)
        return found
    }

    /// Files an event of a Legacy project under the id that its export found it under (P 7.1-7).
    ///
    /// - Throws: The rejection of a record whose id is too long or no UTF-8.
    mutating func file(_ ids: inout RecordIDs, under found: ValueReference) throws(RecordRejection) {
        guard !found.isMissing else { return }
        do throws(IDFault) { ids.filed = try readID(found, slot: DecodeScratch.prefixedSlot) } catch {
            guard case .notText = error else { throw error.rejection(WireName.distinctID) }
        }
    }

    /// Whether the record says of itself that it joined nothing, or that what it joined was parted again.
    mutating func joinedNothing(_ system: IdentitySystem) -> Bool {
        if isGiven(.failureReason) || isGiven(.revoked) { return true }
        if case .simplified = system { return isGiven(.identityFailureReason) }
        return false
    }

    /// Where the statement of the record stood among those of its export (P 7.1-8); nil where that is not said.
    mutating func exportOrder() -> EventBatch.ExportOrder? {
        if let sequence = wholeNumber(.entrySequence), sequence > 0 { return .sequence(sequence) }
        return wholeNumber(.processingTime).map { .processed(milliseconds: $0) }
    }

    /// Keeps what the record says of why it joined nothing among the properties of the open copy.
    ///
    /// - Parameter isStatement: whether the record would state something if it said nothing of that. Then the copy says
    ///   it in any case, so that an export of the event joins nothing either.
    mutating func keepFailure(isStatement: Bool) {
        var isMarked = isGiven(.failureReason) && isScalar(.failureReason)
        if isGiven(.revoked) && isScalar(.revoked) {
            keep(.revoked)
            isMarked = true
        } else if isStatement, !isMarked {
            keepMark()
        }
        keep(.failureReason)
        keep(.failureDescription)
        keep(.identityFailureReason)
    }

    /// Whether a field has a value that says something.
    private mutating func isGiven(_ field: KnownField) -> Bool {
        let value = value(field)
        switch value.kind {
        case .absent, .null: return false
        case .string:
            return !isBlank(UnsafeBufferPointer(start: base + value.start, count: value.end - value.start))
        default: return true
        }
    }

    private mutating func wholeNumber(_ field: KnownField) -> Int64? {
        let value = value(field)
        guard value.kind == .number, value.end - value.start <= 18 else { return nil }
        var number: Int64 = 0
        for offset in value.start..<value.end {
            guard base[offset] &- 0x30 < 10 else { return nil }
            number = number * 10 + Int64(base[offset] &- 0x30)
        }
        return number
    }

    private func isScalar(_ field: KnownField) -> Bool {
        let value = value(field)
        return value.isString || value.kind == .number || value.kind == .boolean
    }

    /// Says that a link was taken back, of no unmerge that is known.
    private mutating func keepMark() {
        putName(.revoked, valueSize: 4)
        for byte in ("true," as StaticString).bytes { put(byte) }
    }

    private mutating func putName(_ field: KnownField, valueSize: Int) {
        if frames[0].hasRepeats {
            dropPairs(firstKey: 0)
            frames[0].hasRepeats = false
        }
        let name = field.name
        reserve(name.utf8CodeUnitCount + valueSize + 8)
        put(UInt8(ascii: "\""))
        for byte in name.bytes { put(byte) }
        put(UInt8(ascii: "\""))
        put(UInt8(ascii: ":"))
    }

    private mutating func keep(_ field: KnownField) {
        let value = value(field)
        guard isScalar(field) else { return }
        if frames[0].hasRepeats {
            dropPairs(firstKey: 0)
            frames[0].hasRepeats = false
        }
        let mark = used
        putName(field, valueSize: value.end - value.start)
        let cursorAfter = cursor
        cursor = value.cursor
        // It was copied once, when the record was read.
        let copied = try? copyScalar(byte(at: cursor), textLimit: limits.textScalars)
        cursor = cursorAfter
        if copied == nil { used = mark } else { put(UInt8(ascii: ",")) }
    }
}
