import Foundation
import IdentityEngine

/// A line of our own in an export of a project (P 7.1-8): what the log has and no event tells.
enum LogLine {
    static let headerType = "log"
    static let entryType = "log_entry"
    /// The member of an export's first row that says what a header does, so that a log of rows needs no other line.
    static let headerMember = "selfsame_log"

    /// Whose log follows, how far it goes, and the rules in force at its beginning.
    struct Header: Hashable, Sendable {
        let log: String
        let sequence: Int64
        let rules: MergeRules

        /// The most digits of a log's name: every entry that is made again keeps it.
        static let nameLimit = 64

        static func isName(_ text: String) -> Bool {
            (1...nameLimit).contains(text.utf8.count)
                && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        }
    }

    /// One entry of it.
    struct Entry: Hashable, Sendable {
        let sequence: Int64
        let operation: Operation
    }

    /// What an entry says, in the numbers of the log that it comes from.
    enum Operation: Hashable, Sendable {
        case statement(IdentityEvent)
        case unmerge(links: [Int64], target: Int64?, named: [DistinctID], keepsApart: Bool)
        case restore(unmerge: Int64)
        case unblock(DistinctID, DistinctID)
        case rules(MergeRules)
    }

    case header(Header)
    case entry(Entry)

    /// The text of a header, as an object that stands for itself or as the member of a row.
    static func text(of header: Header, isLine: Bool) -> [UInt8] {
        var json = JSONBuilder()
        json.object { json in
            if isLine { json.field("type", headerType) }
            json.field("log", header.log)
            json.field("sequence", header.sequence)
            json.object("rules") { json in LogRecordText.write(header.rules, to: &json) }
        }
        return json.bytes
    }

    /// The sequences that a line may name: with room to count on from any of them.
    static let sequences: ClosedRange<Int64> = 1...100_000_000_000_000_000

    /// What a line says that no export says.
    struct Fault: Error {
        let message: String
    }

    /// Whether a text begins as such a line does.
    static func begins(_ text: [UInt8]) -> Bool {
        text.starts(with: #"{"type":"log","#.utf8) || text.starts(with: #"{"type":"log_entry","#.utf8)
    }

    /// Whether a record is such a line: what has an event is none, whatever its type.
    static func isOne(_ record: [UInt8]) -> Bool {
        guard begins(record) else { return false }
        guard record.holds(Array(#""event""#.utf8)) else { return true }
        return (try? JSONDecoder().decode(EventProbe.self, from: Data(record)))?.event == nil
    }

    /// Reads a line; nil for one that this version does not know.
    ///
    /// - Throws: `Fault` for a line with a number or a name that no export has.
    init?(_ record: [UInt8]) throws(Fault) {
        guard let line = try? JSONDecoder().decode(Fields.self, from: Data(record)) else { return nil }
        try line.check()
        if line.type == Self.headerType {
            guard let header = try line.header() else { return nil }
            self = .header(header)
        } else {
            guard line.type == Self.entryType, let operation = line.operation else { return nil }
            self = .entry(Entry(sequence: line.sequence, operation: operation))
        }
    }

    /// The header that the first row of an export bears; nil for any other record.
    ///
    /// - Throws: `Fault` for one with a number or a name that no export has.
    static func header(bornBy record: [UInt8]) throws(Fault) -> Header? {
        guard record.holds(Array("\"\(headerMember)\":{".utf8)),
            let row = try? JSONDecoder().decode(FirstRow.self, from: Data(record))
        else { return nil }
        try row.selfsame_log.check()
        return try row.selfsame_log.header()
    }

    private struct EventProbe: Decodable {
        struct Value: Decodable {}

        let event: Value?
    }

    private struct FirstRow: Decodable {
        let selfsame_log: Fields
    }

    private struct Fields: Decodable {
        let type: String?
        let sequence: Int64
        let log: String?
        let rules: Rules?
        let verb: String?
        let ids: IDs?
        let links: [Int64]?
        let keep_apart: String?
        let to: Rules?

        /// Checks the numbers, of whatever kind the line is.
        func check() throws(Fault) {
            let numbers = [sequence] + (links ?? []) + [ids?.link, ids?.unmerge].compactMap { $0 }
            guard numbers.allSatisfy(LogLine.sequences.contains) else {
                throw Fault(
                    message: "a sequence must be \(LogLine.sequences.lowerBound) to \(LogLine.sequences.upperBound)")
            }
        }

        /// The header that the line is; nil for one without rules that this version knows.
        func header() throws(Fault) -> Header? {
            guard let log, let rules = rules?.value else { return nil }
            guard Header.isName(log) else {
                throw Fault(message: "`log` must be 1 to \(Header.nameLimit) digits of 0-9 and a-f")
            }
            return Header(log: log, sequence: sequence, rules: rules)
        }

        var operation: Operation? {
            switch Verb.allCases.first(where: { $0.name == verb }) {
            case .identify?: statement(.identify, ids?.identified, ids?.anonymous)
            case .alias?: statement(.alias, ids?.distinctID, ids?.alias)
            case .merge?: statement(.merge, ids?.merged?.first, ids?.merged?.last)
            case .device?: statement(.device, ids?.user, ids?.device)
            case .unmerge?:
                .unmerge(
                    links: links ?? [], target: ids?.link, named: ids?.named ?? [], keepsApart: keep_apart == "pair")
            case .restore?: ids?.unmerge.map { .restore(unmerge: $0) }
            case .unblock?:
                ids.flatMap { $0.named.count == 2 ? .unblock($0.named[0], $0.named[1]) : nil }
            case .rules?: to?.value.map { .rules($0) }
            case nil: nil
            }
        }

        private func statement(_ verb: Verb, _ primary: String?, _ secondary: String?) -> Operation? {
            guard let primary, let secondary else { return nil }
            return .statement(
                IdentityEvent(verb: verb, primary: DistinctID(primary), secondary: DistinctID(secondary)))
        }
    }

    private struct Rules: Decodable {
        let identity_system: String
        let max_cluster_size: Int
        let anon_form: String

        var value: MergeRules? {
            guard let system = IdentitySystem(rawValue: identity_system), let form = AnonymousForm(rawValue: anon_form),
                MergeRules.isAllowed(maxClusterSize: max_cluster_size)
            else { return nil }
            return MergeRules(system: system, maxClusterSize: max_cluster_size, anonymousForm: form)
        }
    }

    private struct IDs: Decodable {
        let identified: String?
        let anonymous: String?
        let distinctID: String?
        let alias: String?
        let merged: [String]?
        let user: String?
        let device: String?
        let link: Int64?
        let unmerge: Int64?
        let pair: [String]?

        /// The ids that an amendment names.
        var named: [DistinctID] { (pair ?? distinctID.map { [$0] } ?? []).map { DistinctID($0) } }

        enum CodingKeys: String, CodingKey {
            case identified = "$identified_id"
            case anonymous = "$anon_id"
            case distinctID = "distinct_id"
            case alias
            case merged = "$distinct_ids"
            case user = "$user_id"
            case device = "$device_id"
            case link
            case unmerge
            case pair = "distinct_ids"
        }
    }
}
