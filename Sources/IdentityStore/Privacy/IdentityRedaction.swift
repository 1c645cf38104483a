import IdentityEngine

/// Where the properties of an event name deleted ids, in the fields that hold ids by their meaning (P 6.4).
///
/// Other properties are the project's own content: a short id may stand in them as any word does.
struct IdentityRedaction {
    /// The values that are to become `null`, in order.
    private var values: [Range<Int>] = []
    /// Whether one of the fields names an id that is not deleted.
    private(set) var namesOthers = false

    private static let fields: [[UInt8]] = [
        "$user_id", "$device_id", "$anon_id", "$anon_distinct_id", "$identified_id", "$distinct_ids", "alias",
    ].map { Array($0.utf8) }
    private static let deviceField = Array("$device_id".utf8)
    private static let devicePrefix = Array("$device:".utf8)

    var isNeeded: Bool { !values.isEmpty }

    /// Looks through the members of an object.
    ///
    /// - Parameters:
    ///   - properties: a minified JSON object that was checked; anything else names nobody.
    ///   - ids: the deleted ids.
    init(_ properties: UnsafeRawBufferPointer, without ids: DeletedIDs) {
        var reader = MinifiedReader(properties)
        guard reader.skip(UInt8(ascii: "{")) else { return }
        while let key = reader.string() {
            guard reader.skip(UInt8(ascii: ":")) else { return }
            let start = reader.place
            reader.skipValue()
            if let field = Self.field(named: properties[key]) {
                find(start..<reader.place, of: properties, field, ids)
            }
            guard reader.skip(UInt8(ascii: ",")) else { return }
        }
    }

    /// The properties with `null` in place of each deleted id.
    func properties(of old: [UInt8]) -> [UInt8] {
        var new: [UInt8] = []
        new.reserveCapacity(old.count)
        var copied = 0
        for range in values {
            new += old[copied..<range.lowerBound]
            new += Array("null".utf8)
            copied = range.upperBound
        }
        return new + old[copied...]
    }

    private static func field(named key: Slice<UnsafeRawBufferPointer>) -> [UInt8]? {
        guard key.count >= 5, key.count <= 17 || key.contains(UInt8(ascii: "\\")) else { return nil }
        if key.contains(UInt8(ascii: "\\")) {
            let name = MinifiedReader.decoded(key)
            return fields.first { $0 == name }
        }
        return fields.first { $0.elementsEqual(key) }
    }

    private mutating func find(
        _ value: Range<Int>, of properties: UnsafeRawBufferPointer, _ field: [UInt8], _ ids: DeletedIDs
    ) {
        guard let first = properties[value].first else { return }
        guard first == UInt8(ascii: "[") else {
            return judge(value, properties[value], isDevice: field == Self.deviceField, ids)
        }
        var reader = MinifiedReader(properties, from: value.lowerBound + 1)
        while reader.place < value.upperBound - 1 {
            let start = reader.place
            reader.skipValue()
            guard reader.place > start else { return }
            judge(start..<reader.place, properties[start..<reader.place], isDevice: false, ids)
            guard reader.skip(UInt8(ascii: ",")) else { return }
        }
    }

    private mutating func judge(
        _ range: Range<Int>, _ text: Slice<UnsafeRawBufferPointer>, isDevice: Bool, _ ids: DeletedIDs
    ) {
        guard let id = Self.id(text), !id.isEmpty else { return }
        let isDeleted =
            ids.contains(DistinctID(id)) || isDevice && ids.contains(DistinctID(Self.devicePrefix + id))
        if isDeleted { values.append(range) } else { namesOthers = true }
    }

    /// What a value is as an id: a string's text, or a number as it is written (P 6.4); nil for any other value.
    private static func id(_ text: Slice<UnsafeRawBufferPointer>) -> [UInt8]? {
        guard let first = text.first else { return nil }
        switch first {
        case UInt8(ascii: "\""): return MinifiedReader.decoded(text.dropFirst().dropLast())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return Array(text)
        default: return nil
        }
    }
}

/// Goes over JSON that was checked and minified when it was stored; never beyond its end.
private struct MinifiedReader {
    private let bytes: UnsafeRawBufferPointer
    private(set) var place: Int

    init(_ bytes: UnsafeRawBufferPointer, from place: Int = 0) {
        self.bytes = bytes
        self.place = place
    }

    private var byte: UInt8? { place < bytes.count ? bytes[place] : nil }

    mutating func skip(_ expected: UInt8) -> Bool {
        guard byte == expected else { return false }
        place += 1
        return true
    }

    /// Goes over a string; what is between its quotes, as it is written.
    mutating func string() -> Range<Int>? {
        guard skip(UInt8(ascii: "\"")) else { return nil }
        let start = place
        while let byte {
            if byte == UInt8(ascii: "\"") {
                defer { place += 1 }
                return start..<place
            }
            place = min(place + (byte == UInt8(ascii: "\\") ? 2 : 1), bytes.count)
        }
        return nil
    }

    mutating func skipValue() {
        var depth = 0
        while let byte {
            switch byte {
            case UInt8(ascii: "\""): if string() == nil { return }
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                place += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return }
                depth -= 1
                place += 1
            case UInt8(ascii: ","):
                if depth == 0 { return }
                place += 1
            default: place += 1
            }
        }
    }

    /// The UTF-8 of a string's text.
    static func decoded(_ text: Slice<UnsafeRawBufferPointer>) -> [UInt8] {
        guard text.contains(UInt8(ascii: "\\")) else { return Array(text) }
        var decoded: [UInt8] = []
        var place = text.startIndex
        while place < text.endIndex {
            guard text[place] == UInt8(ascii: "\\"), place + 1 < text.endIndex else {
                decoded.append(text[place])
                place += 1
                continue
            }
            let escape = text[place + 1]
            place += 2
            switch escape {
            case UInt8(ascii: "b"): decoded.append(8)
            case UInt8(ascii: "f"): decoded.append(12)
            case UInt8(ascii: "n"): decoded.append(10)
            case UInt8(ascii: "r"): decoded.append(13)
            case UInt8(ascii: "t"): decoded.append(9)
            case UInt8(ascii: "u"):
                var scalar = unit(text, at: place) ?? 0xFFFD
                place = min(place + 4, text.endIndex)
                if 0xD800..<0xDC00 ~= scalar, text.dropFirst(place - text.startIndex).starts(with: [0x5C, 0x75]),
                    let low = unit(text, at: place + 2), 0xDC00..<0xE000 ~= low
                {
                    scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
                    place += 6
                }
                decoded += Array(String(Unicode.Scalar(scalar) ?? "\u{FFFD}").utf8)
            default: decoded.append(escape)
            }
        }
        return decoded
    }

    private static func unit(_ text: Slice<UnsafeRawBufferPointer>, at place: Int) -> UInt32? {
        guard place + 4 <= text.endIndex else { return nil }
        return UInt32(String(decoding: text[place..<(place + 4)], as: UTF8.self), radix: 16)
    }
}
