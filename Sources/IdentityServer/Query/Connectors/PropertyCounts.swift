import IdentityEngine

/// How many of some profiles or events have each property, and of which types.
struct PropertyCounts: Sendable {
    /// The most names that are told apart; further ones are left out.
    private static let nameLimit = 10_000

    /// A type, as Mixpanel names it.
    enum Kind: String, CaseIterable, Sendable {
        case string
        case number
        case boolean
        case datetime
        case list
        case object

        /// The type of a minified JSON value; nil for null.
        init?(json: ArraySlice<UInt8>) {
            switch json.first {
            case UInt8(ascii: "\"")?: self = Self.isTime(json.dropFirst().dropLast()) ? .datetime : .string
            case UInt8(ascii: "t")?, UInt8(ascii: "f")?: self = .boolean
            case UInt8(ascii: "[")?: self = .list
            case UInt8(ascii: "{")?: self = .object
            case nil, UInt8(ascii: "n")?: return nil
            default: self = .number
            }
        }

        /// Whether a text is a day or a time; digits alone are not taken for seconds.
        private static func isTime(_ text: ArraySlice<UInt8>) -> Bool {
            guard (10...40).contains(text.count), text[text.startIndex + 4] == UInt8(ascii: "-") else { return false }
            return Timestamp.milliseconds(ofProperty: String(decoding: text, as: UTF8.self)) != nil
        }
    }

    /// How many profiles or events were read.
    private(set) var readCount = 0
    /// Whether there are more than were read.
    var isSample = false
    /// By name, as a minified object has it: quoted and escaped.
    private var kinds: [[UInt8]: [Kind: Int]] = [:]

    /// Counts the properties of one object; null is as if it were not there.
    mutating func add(_ object: ArraySlice<UInt8>) {
        readCount += 1
        MinifiedJSON.forEachMember(of: object) { key, value in
            let name = Array(key)
            guard let kind = Kind(json: value), kinds[name] != nil || kinds.count < Self.nameLimit else { return }
            kinds[name, default: [:]][kind, default: 0] += 1
        }
    }

    /// Passes one that was read and is not asked for.
    mutating func pass() { readCount += 1 }

    /// `{"results":{"plan":{"count":2,"type":"string"}},"status":"ok"}`, most frequent first.
    func typesJSON(_ limit: Int) -> [UInt8] {
        var json = JSONBuilder()
        json.object { json in
            json.object("results") { json in
                for (name, kinds) in ordered(without: []).prefix(limit) {
                    json.member(quoted: name) { json in
                        json.field("count", Int64(kinds.values.reduce(0, +)))
                        json.field("type", Self.mostFrequent(kinds).rawValue)
                    }
                }
            }
            json.field("status", "ok")
        }
        return json.bytes
    }

    /// `{"plan":{"count":2}}`, most frequent first, without what each event has.
    func countsJSON(_ limit: Int) -> [UInt8] {
        var json = JSONBuilder()
        json.object { json in
            for (name, kinds) in ordered(without: ["time", "distinct_id"]).prefix(limit) {
                json.member(quoted: name) { json in json.field("count", Int64(kinds.values.reduce(0, +))) }
            }
        }
        return json.bytes
    }

    private func ordered(without names: [String]) -> [(name: [UInt8], kinds: [Kind: Int])] {
        let left = Set(names.map { Array("\"\($0)\"".utf8) })
        let counted = kinds.filter { !left.contains($0.key) }.map { ($0.key, $0.value, $0.value.values.reduce(0, +)) }
        return counted.sorted { a, b in
            a.2 == b.2 ? a.0.lexicographicallyPrecedes(b.0) : a.2 > b.2
        }.map { ($0.0, $0.1) }
    }

    private static func mostFrequent(_ kinds: [Kind: Int]) -> Kind {
        // Of two that are as frequent the one that is named first.
        let most = kinds.values.max() ?? 0
        return Kind.allCases.first { kinds[$0] == most } ?? .string
    }
}
