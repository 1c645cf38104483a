import IdentityEngine
import MixpanelWire

extension WhereValue {
    /// As `number(…)` makes it: a text that is a number, 1 and 0 for true and false, the seconds of a time.
    var asNumber: WhereValue {
        switch self {
        case .number: self
        case .boolean(let value): .number(.integer(value ? 1 : 0))
        case .string(let text): WhereNumber(written: text).map { .number($0) } ?? .undefined
        case .time(let milliseconds): .number(WhereNumber(seconds: milliseconds))
        case .undefined, .array, .object: .undefined
        }
    }

    /// As `string(…)` makes it: a number in its shortest form, a list or an object as JSON, a time as properties have
    /// it.
    var asString: WhereValue {
        switch self {
        case .undefined, .string: self
        case .boolean(let value): .string(Array((value ? "true" : "false").utf8)[...])
        case .number(let number): .string(Array(number.text.utf8)[...])
        case .array(let json), .object(let json): .string(json)
        case .time(let milliseconds): .string(Array(Timestamp.propertyText(milliseconds: milliseconds).utf8)[...])
        }
    }

    /// As `datetime(…)` makes it.
    var asTime: WhereValue { milliseconds.map { .time($0) } ?? .undefined }

    /// As `list(…)` makes it: a list stays, anything else that is there becomes the one element of a list.
    var asList: WhereValue {
        var json = [UInt8(ascii: "[")]
        switch self {
        case .undefined, .array: return self
        case .object(let object): json += object
        case .number(let number): json += Array(number.text.utf8)
        case .boolean(let value): json += Array((value ? "true" : "false").utf8)
        case .string(let text): JSONText.appendJSONString(text, to: &json)
        case .time(let milliseconds):
            JSONText.appendJSONString(Timestamp.propertyText(milliseconds: milliseconds), to: &json)
        }
        json.append(UInt8(ascii: "]"))
        return .array(json[...])
    }

    /// The time that the value stands for, in milliseconds since 1970: of a number that is seconds, or milliseconds
    /// where it is too great for the seconds of a year with four digits, and of a text that names a day or a time.
    var milliseconds: Int64? {
        switch self {
        case .time(let milliseconds): milliseconds
        case .number(let number): number.milliseconds
        case .string(let text):
            text.count <= 64 ? Timestamp.milliseconds(ofProperty: String(decoding: text, as: UTF8.self)) : nil
        case .undefined, .boolean, .array, .object: nil
        }
    }
}

extension WhereNumber {
    /// The seconds of a time.
    init(seconds milliseconds: Int64) {
        if milliseconds % 1000 == 0 {
            self = .integer(milliseconds / 1000)
        } else {
            self = .double(Double(milliseconds) / 1000)
        }
    }

    /// Reads a text that is a number, perhaps between blanks; nil where it is none.
    init?(written text: ArraySlice<UInt8>) {
        let blanks: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
        guard let first = text.firstIndex(where: { !blanks.contains($0) }),
            let last = text.lastIndex(where: { !blanks.contains($0) }), last - first < 400
        else { return nil }
        let number = text[first...last]
        // What else Swift takes for a number: `nan`, `inf`, hexadecimal digits.
        guard number.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }) else { return nil }
        self.init(number)
    }

    /// The shortest text that is the number.
    var text: String {
        switch self {
        case .integer(let integer): String(integer)
        case .double(let double): "\(double)"
        }
    }

    fileprivate var milliseconds: Int64? {
        switch self {
        case .integer(let integer):
            if Timestamp.secondsRange.contains(integer) { return integer * 1000 }
            return Timestamp.secondsRange.contains(integer / 1000) ? integer : nil
        case .double(let double):
            guard abs(double) < 1e15 else { return nil }
            let isSeconds = Timestamp.secondsRange.contains(Int64(double.rounded(.down)))
            let time = Int64((isSeconds ? double * 1000 : double).rounded(.down))
            return Timestamp.secondsRange.contains(time / 1000) ? time : nil
        }
    }
}
