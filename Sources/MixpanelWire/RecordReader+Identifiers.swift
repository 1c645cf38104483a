import IdentityEngine

/// An id that was read: its bytes, unescaped, in the text or in the reader's scratch memory.
struct IDText {
    var start: UnsafePointer<UInt8>
    var count: Int

    var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: count) }
}

/// Why a value is no id.
enum IDFault: Error {
    case notText
    case tooLong
    case notUTF8

    func rejection(_ name: StaticString) -> RecordRejection {
        switch self {
        case .notText: .property(name, Rule.text)
        case .tooLong: .property(name, Rule.long)
        case .notUTF8: .notUTF8(name)
        }
    }
}

extension RecordReader {
    /// A known field's value.
    @inline(__always)
    func value(_ field: KnownField) -> ValueReference { values[Int(field.rawValue)] }

    /// Reads a value as an id: a string, or a number in its shortest decimal text (P 6.4-2).
    ///
    /// - Parameters:
    ///   - value: The value, which is not missing.
    ///   - slot: Where to put the bytes if they are not as they stand in the text. What another read put there is lost.
    ///   - isID: False for a text that is none, in which half a surrogate pair stays, in three bytes, and U+FFFD stands
    ///     for a byte that is no UTF-8.
    /// - Returns: The id, which may be empty.
    /// - Throws: Why it is no id.
    mutating func readID(
        _ value: ValueReference,
        slot: Int,
        isID: Bool = true
    ) throws(IDFault) -> IDText {
        let limit = DistinctID.sizeLimitBytes
        if value.kind == .string {
            guard value.end - value.start <= limit else { throw .tooLong }
            return IDText(start: base + value.start, count: value.end - value.start)
        }
        let start = scratch.ids + slot * DecodeScratch.idSlotBytes
        switch value.kind {
        case .escapedString:
            return IDText(start: start, count: try readEscaped(value, start, limit, isID: isID))
        case .number:
            let decimal = DecimalText(UnsafeBufferPointer(start: base + value.start, count: value.end - value.start))
            guard decimal.count <= limit else { throw .tooLong }
            decimal.write(to: start)
            return IDText(start: start, count: decimal.count)
        default:
            throw .notText
        }
    }

    private mutating func readEscaped(
        _ value: ValueReference,
        _ target: UnsafeMutablePointer<UInt8>,
        _ limit: Int,
        isID: Bool
    ) throws(IDFault) -> Int {
        var written = 0
        var source = value.start
        while source < value.end {
            // A scalar is four bytes at most, for which the slot has room past the limit.
            guard written <= limit else { throw .tooLong }
            guard base[source] == UInt8(ascii: "\\") || base[source] >= 0x80 else {
                target[written] = base[source]
                written += 1
                source += 1
                continue
            }
            guard var scalar = try? looseScalar(&source, value.end) else { throw .notText }
            if isID, (0xD800...0xDFFF).contains(scalar) || scalar == LooseUTF8.badByte { throw .notUTF8 }
            if scalar == LooseUTF8.badByte { scalar = 0xFFFD }
            written += writeUTF8(scalar, to: target + written)
        }
        guard written <= limit else { throw .tooLong }
        return written
    }

    /// Reads an id that a verb requires (P 6.3-2, 6.4-2).
    ///
    /// - Parameters:
    ///   - value: The value.
    ///   - name: The property that it came from, for the message.
    ///   - slot: Where to put the bytes.
    /// - Returns: An id that may take part in a merge.
    /// - Throws: The rejection of the record.
    mutating func requiredID(
        _ value: ValueReference,
        _ name: StaticString,
        slot: Int
    ) throws(RecordRejection) -> IDText {
        guard !value.isMissing else { throw .property(name, Rule.blank) }
        let id: IDText
        do throws(IDFault) { id = try readID(value, slot: slot) } catch { throw error.rejection(name) }
        guard !isBlank(id.bytes) else { throw .property(name, Rule.blank) }
        guard !limits.reservedIDs.contains(id.bytes) else { throw .property(name, Rule.reserved) }
        return id
    }

    /// Reads `distinct_id` of an event that need not have one.
    ///
    /// - Returns: The id as sent, which may be empty; nil where it is missing or is no text.
    /// - Throws: The rejection of a record whose id is too long or no UTF-8.
    mutating func optionalID(_ field: KnownField, slot: Int) throws(RecordRejection) -> IDText? {
        let value = value(field)
        guard !value.isMissing else { return nil }
        do throws(IDFault) { return try readID(value, slot: slot) } catch {
            guard case .notText = error else { throw error.rejection(field.name) }
            return nil
        }
    }

    /// The event's time as sent.
    mutating func eventTime() -> EventTime {
        let value = value(.time)
        let text = UnsafeBufferPointer(start: base + value.start, count: value.end - value.start)
        switch value.kind {
        case .absent, .null: return .absent
        case .number: return EventTime.number(text)
        case .string: return EventTime.simple(text) ?? .unreadable
        default: return .unreadable
        }
    }

    /// Adds bytes to the output.
    mutating func append(_ text: IDText) -> EventBatch.Slice {
        reserve(text.count)
        let slice = EventBatch.Slice(offset: sliceBase + used, count: text.count)
        (output + used).update(from: text.start, count: text.count)
        used += text.count
        return slice
    }
}
