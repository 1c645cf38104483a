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

    /// Whether a record is such a line, whatever else it says.
    static func isOne(_ record: [UInt8]) -> Bool { record.starts(with: #"{"type":"log"#.utf8) }

    /// Reads a line; nil for one that this version does not know.
    init?(_ record: [UInt8]) {
        guard let line = try? JSONDecoder().decode(Fields.self, from: Data(record)) else { return nil }
        if line.type == Self.headerType {
            guard let log = line.log, let rules = line.rules?.value else { return nil }
            self = .header(Header(log: log, sequence: line.sequence, rules: rules))
        } else {
            guard line.type == Self.entryType, let operation = line.operation else { return nil }
            self = .entry(Entry(sequence: line.sequence, operation: operation))
        }
    }

    /// The header that the first row of an export bears; nil for any other record.
    static func header(bornBy record: [UInt8]) -> Header? {
        guard record.holds(Array("\"\(headerMember)\":{".utf8)),
            let row = try? JSONDecoder().decode(FirstRow.self, from: Data(record)),
            let rules = row.selfsame_log.rules?.value
        else { return nil }
        return Header(log: row.selfsame_log.log ?? "", sequence: row.selfsame_log.sequence, rules: rules)
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
