import Foundation
import IdentityEngine
import MixpanelWire

/// The fields of a request's body that is one JSON object.
///
/// A field that nobody asks for is refused: where something is to be changed, a name with a slip in it must not be
/// taken for nothing.
struct RequestFields {
    private var values: [String: Value]
    private var asked: Set<String> = []

    private enum Value: Decodable {
        case text(String)
        case number(Int64)
        case decimal(Double)
        case flag(Bool)
        case list([Value])
        case null
        case other

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if container.decodeNil() {
                self = .null
            } else if let flag = try? container.decode(Bool.self) {
                self = .flag(flag)
            } else if let number = try? container.decode(Int64.self) {
                self = .number(number)
            } else if let decimal = try? container.decode(Double.self) {
                self = .decimal(decimal)
            } else if let text = try? container.decode(String.self) {
                self = .text(text)
            } else if let list = try? container.decode([Value].self) {
                self = .list(list)
            } else {
                self = .other
            }
        }
    }

    /// The fields of a body.
    ///
    /// - Parameter body: the bytes; none at all are an object without fields.
    /// - Throws: `QueryFault` where it is no JSON object.
    init(_ body: [UInt8]) throws(QueryFault) {
        if body.isEmpty {
            values = [:]
            return
        }
        let body = LooseUTF8.joined(body)
        guard let values = try? JSONDecoder().decode([String: Value].self, from: Data(body)) else {
            throw .badRequest("the body must be a JSON object")
        }
        // Which of two counts is not left to chance where something is to be changed.
        if let name = Self.repeatedName(body) { throw .badRequest("\(name) must be given once") }
        self.values = values
    }

    /// A name that stands twice in an object that was parsed; nil where there is none.
    private static func repeatedName(_ body: [UInt8]) -> String? {
        var names: Set<[UInt8]> = []
        var depth = 0
        var isName = false
        var place = 0
        while place < body.count {
            switch body[place] {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                isName = depth == 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: ","): isName = depth == 1
            case UInt8(ascii: "\""):
                let start = place + 1
                place = start
                while place < body.count, body[place] != UInt8(ascii: "\"") {
                    place += body[place] == UInt8(ascii: "\\") ? 2 : 1
                }
                guard isName else { break }
                isName = false
                let name = Array(MinifiedJSON.unescaped(body[start..<min(place, body.count)]))
                if !names.insert(name).inserted { return String(decoding: name.prefix(40), as: UTF8.self) }
            default: break
            }
            place += 1
        }
        return nil
    }

    /// A sequence; nil where the field is absent.
    mutating func sequence(_ name: String) throws(QueryFault) -> Int64? {
        guard let value = take(name) else { return nil }
        guard case .number(let number) = value, number > 0 else {
            throw .badRequest("\(name) must be a sequence: a number from 1")
        }
        return number
    }

    /// A whole number; nil where the field is absent.
    mutating func number(_ name: String) throws(QueryFault) -> Int64? {
        guard let value = take(name) else { return nil }
        guard case .number(let number) = value else { throw .badRequest("\(name) must be a whole number") }
        return number
    }

    /// A number in a range, or nil for null; the field must be there.
    mutating func numberOrNull(
        _ name: String, of what: String, in range: ClosedRange<Double>
    ) throws(QueryFault) -> Double? {
        let number: Double
        switch take(name) {
        case .null: return nil
        case .number(let whole): number = Double(whole)
        case .decimal(let decimal): number = decimal
        default: throw .badRequest("\(name) must be given: a number, \(what), or null")
        }
        guard range.contains(number) else {
            throw .badRequest("\(name) must be from \(Int64(range.lowerBound)) to \(Int64(range.upperBound)): \(what)")
        }
        return number
    }

    /// `true` or `false`; false where the field is absent.
    mutating func flag(_ name: String) throws(QueryFault) -> Bool {
        guard let value = take(name) else { return false }
        guard case .flag(let flag) = value else { throw .badRequest("\(name) must be true or false") }
        return flag
    }

    /// A text; nil where the field is absent.
    mutating func text(_ name: String) throws(QueryFault) -> String? {
        guard let value = take(name) else { return nil }
        guard case .text(let text) = value else { throw .badRequest("\(name) must be a string") }
        return text
    }

    /// An id; nil where the field is absent.
    mutating func distinctID(_ name: String) throws(QueryFault) -> DistinctID? {
        try take(name).map { value throws(QueryFault) in try Self.id(value, name) }
    }

    /// A list of ids; nil where the field is absent.
    mutating func distinctIDs(_ name: String) throws(QueryFault) -> [DistinctID]? {
        guard let value = take(name) else { return nil }
        guard case .list(let values) = value else { throw .badRequest("\(name) must be an array of ids") }
        return try values.map { value throws(QueryFault) in try Self.id(value, name) }
    }

    /// Refuses what nobody asked for.
    func finish() throws(QueryFault) {
        guard let unknown = values.keys.filter({ !asked.contains($0) }).min() else { return }
        throw .badRequest(
            "\(unknown.prefix(40)) is no field of this request\(Spelling.question(unknown, among: asked)); allowed are "
                + asked.sorted().joined(separator: ", "))
    }

    private mutating func take(_ name: String) -> Value? {
        asked.insert(name)
        return values[name]
    }

    private static func id(_ value: Value, _ name: String) throws(QueryFault) -> DistinctID {
        guard case .text(let text) = value else { throw .badRequest("\(name) must be a string") }
        return try QueryRequest.checked(Array(text.utf8))
    }
}
