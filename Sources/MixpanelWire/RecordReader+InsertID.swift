import IdentityEngine

/// An insert id as sent.
struct SentInsertID {
    var value: ValueReference
    /// Its text; nil where that is longer than an id may be.
    var text: IDText?
    /// Whether it tells copies of the event apart from other events (P 6.5): what is blank or reserved does not.
    var isDeduplicated: Bool
}

extension RecordReader {
    /// P 6.2 #8.
    ///
    /// Elsewhere an event with a bad one is kept, and so is what was sent, unless it is no text (P 6.2-3).
    mutating func insertID(isStrict: Bool) throws(RecordRejection) -> SentInsertID? {
        let value = value(.insertID)
        guard !value.isMissing else {
            if isStrict { throw .insertID("\(Rule.missing)") }
            return nil
        }
        let text: IDText
        do throws(IDFault) { text = try readID(value, slot: 4, isID: false) } catch {
            guard case .tooLong = error else {
                if isStrict { throw .insertID("must be a string of at most \(limits.insertIDBytes) bytes") }
                return nil
            }
            if isStrict { throw .insertID("must be at most \(limits.insertIDBytes) bytes") }
            return SentInsertID(value: value, text: nil, isDeduplicated: true)
        }
        if isStrict {
            if let fault = insertIDFault(text) { throw fault }
            return SentInsertID(value: value, text: text, isDeduplicated: true)
        }
        let isDeduplicated = !isBlank(text.bytes) && !ReservedID.contains(text.bytes)
        return SentInsertID(value: value, text: text, isDeduplicated: isDeduplicated)
    }

    /// What is wrong with an insert id; nil for one that is in order.
    private mutating func insertIDFault(_ id: IDText) -> RecordRejection? {
        guard id.count > 0 else { return .insertID("\(Rule.missing)") }
        var strange: UInt8 = 0
        for byte in id.bytes {
            let digit: UInt8 = byte &- 0x30 < 10 ? 0 : 1
            let letter: UInt8 = (byte | 0x20) &- 0x61 < 26 ? 0 : 1
            let hyphen: UInt8 = byte == UInt8(ascii: "-") ? 0 : 1
            strange |= digit & letter & hyphen
        }
        guard strange == 0 else { return .insertID("must only contain alphanumeric or hyphen '-' characters") }
        guard id.count <= limits.insertIDBytes else {
            return .insertID("must be at most \(limits.insertIDBytes) bytes")
        }
        return ReservedID.contains(id.bytes) ? .insertID("\(Rule.reserved)") : nil
    }

    /// Adds an insert id to the output, and to the event.
    mutating func enter(_ insertID: SentInsertID, in event: inout EventBatch.Event) {
        if let text = insertID.text {
            event.insertID = append(text)
            event.isDeduplicated = insertID.isDeduplicated
        } else {
            let start = used
            event.insertID = appendText(of: insertID.value)
            event.isDeduplicated = !isBlank(UnsafeBufferPointer(start: output + start, count: used - start))
        }
    }

    /// `$insert_id` as sent, for a rejection: at most 255 bytes of it.
    mutating func sentInsertID() -> [UInt8] {
        let value = value(.insertID)
        if let id = try? readID(value, slot: 0, isID: false) { return beginning(of: id.bytes) }
        guard value.isString || value.kind == .number else { return [] }
        let start = used
        defer { used = start }
        _ = appendText(of: value)
        return beginning(of: UnsafeBufferPointer(start: output + start, count: used - start))
    }

    /// The first bytes of a text, up to the end of a character.
    private mutating func beginning(of text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var end = min(text.count, 255)
        while end > 0, end < text.count, text[end] & 0xC0 == 0x80 { end -= 1 }
        return Array(text[..<end])
    }

    /// Adds the text of a string, or a number as it stands, to the output, however long it is.
    private mutating func appendText(of value: ValueReference) -> EventBatch.Slice {
        // U+FFFD is three bytes, for one that is no UTF-8.
        reserve(3 * (value.end - value.start))
        let start = used
        if value.kind == .escapedString {
            var source = value.start
            while source < value.end, let scalar = try? looseScalar(&source, value.end) {
                used += writeUTF8(scalar == LooseUTF8.badByte ? 0xFFFD : scalar, to: output + used)
            }
        } else {
            (output + used).update(from: base + value.start, count: value.end - value.start)
            used += value.end - value.start
        }
        return EventBatch.Slice(offset: sliceBase + start, count: used - start)
    }
}
