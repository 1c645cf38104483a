import Foundation
import IdentityEngine

/// P 7.10 and 10-2 once more, said as plainly as can be, to be compared with the stores: the whole list of updates and
/// of links, and every profile computed anew from them by replay.
struct NaiveProfiles {
    /// A JSON value, as far as the histories go.
    indirect enum Value: Hashable, CustomStringConvertible {
        case number(Int)
        case text(String)
        case list([Value])
        case object([String: Value])
    }

    enum Operation: Hashable, CustomStringConvertible {
        case set(String, Value)
        case setOnce(String, Value)
        case add(String, Int)
        case append(String, Value)
        case union(String, [Value])
        case remove(String, Value)
        case unset(String)
        case merge(String, Value)
        case delete
    }

    struct Update {
        let id: DistinctID
        let operation: Operation
        let isLiteral: Bool
        /// The last sequence of the log when it came.
        let sequence: Int64
    }

    typealias Properties = [String: Value]

    /// The links, in order: a sequence and the two ids.
    var links: [(sequence: Int64, ids: [DistinctID])] = [] {
        didSet { joinSequences = links.isEmpty ? [:] : Self.joinSequences(links) }
    }

    /// For each two ids that are together the least, over all ways between them, of the latest link of the way.
    private var joinSequences: [Set<DistinctID>: Int64] = [:]
    private var updates: [Update] = []

    mutating func send(_ operation: Operation, to id: DistinctID, isLiteral: Bool, sequence: Int64) {
        if operation == .delete, isLiteral {
            // As if the id had been sent nothing, but that what it deleted for others stays deleted.
            updates.removeAll { $0.id == id && $0.operation != .delete }
        } else {
            updates.append(Update(id: id, operation: operation, isLiteral: isLiteral, sequence: sequence))
        }
    }

    /// The profile of a cluster whose members are given in canonical order.
    func profile(of members: [DistinctID], _ rule: ProfileMergeRule) -> Properties? {
        let owners = members.filter { isOwner($0) }
        let first = owners.first { own($0).contains { $0.key != "$last_seen" } }
        guard let owner = first ?? owners.first else { return nil }
        if rule == .hide { return view(of: owner) }
        var properties: Properties = [:]
        for member in members {
            let seen = view(of: member)
            for name in own(member).keys where properties[name] == nil { properties[name] = seen[name] }
        }
        // Only the server sets it in these histories, so that the latest stands last in order.
        properties["$last_seen"] = members.compactMap { view(of: $0)["$last_seen"] }.max { $0.text < $1.text }
        return properties
    }

    /// The profile of a Simplified cluster: its user's view (P 8-8).
    func profile(ofViewer id: DistinctID) -> Properties? {
        counted(for: id).contains { $0.operation != .delete } ? view(of: id) : nil
    }

    /// What is left of an id's updates after the last deletion that counts for it.
    private func counted(for id: DistinctID) -> [Update] {
        let all = updates.filter { update in
            update.id == id || !update.isLiteral && update.sequence >= joined(update.id, id)
        }
        let deletion = all.lastIndex { $0.operation == .delete }
        return deletion.map { Array(all[($0 + 1)...]) } ?? all
    }

    private func isOwner(_ id: DistinctID) -> Bool { counted(for: id).contains { $0.id == id } }

    private func own(_ id: DistinctID) -> Properties { replay(counted(for: id).filter { $0.id == id }) }

    private func view(of id: DistinctID) -> Properties { replay(counted(for: id)) }

    private func replay(_ updates: [Update]) -> Properties {
        updates.reduce(into: [:]) { $1.operation.apply(to: &$0) }
    }

    /// The sequence of the link since which two ids are together; the greatest number where they are not.
    func joined(_ a: DistinctID, _ b: DistinctID) -> Int64 { joinSequences[[a, b]] ?? .max }

    private static func joinSequences(
        _ links: [(sequence: Int64, ids: [DistinctID])]
    ) -> [Set<DistinctID>: Int64] {
        var sequences: [Set<DistinctID>: Int64] = [:]
        for (place, link) in links.enumerated() {
            // Who can be reached over the links up to this one from either of its ends.
            var cluster = Set(link.ids)
            var count = 0
            while cluster.count > count {
                count = cluster.count
                for link in links[...place] where !cluster.isDisjoint(with: link.ids) { cluster.formUnion(link.ids) }
            }
            for a in cluster {
                for b in cluster where sequences[[a, b]] == nil { sequences[[a, b]] = link.sequence }
            }
        }
        return sequences
    }
}

extension NaiveProfiles.Operation {
    func apply(to properties: inout NaiveProfiles.Properties) {
        switch self {
        case .delete: properties = [:]
        case .set(let name, let value): properties[name] = value
        case .unset(let name): properties[name] = nil
        case .setOnce(let name, let value): properties[name] = properties[name] ?? value
        case .add(let name, let number):
            if case .number(let old) = properties[name] ?? .number(0) { properties[name] = .number(old + number) }
        case .append(let name, let value):
            if case .list(let old) = properties[name] ?? .list([]) { properties[name] = .list(old + [value]) }
        case .union(let name, let values):
            guard case .list(var list) = properties[name] ?? .list([]) else { return }
            for value in values where !list.contains(value) { list.append(value) }
            properties[name] = .list(list)
        case .remove(let name, let value):
            if case .list(let old) = properties[name] { properties[name] = .list(old.filter { $0 != value }) }
        case .merge(let name, .object(let members)):
            guard case .object(let old) = properties[name] ?? .object([:]) else { return }
            properties[name] = .object(Self.merged(old, members))
        case .merge(let name, let value): properties[name] = value
        }
    }

    private static func merged(
        _ old: NaiveProfiles.Properties, _ new: NaiveProfiles.Properties
    ) -> NaiveProfiles.Properties {
        old.merging(new) { old, new in
            if case .object(let a) = old, case .object(let b) = new { .object(merged(a, b)) } else { new }
        }
    }

    var description: String { "\(wire.verb) \(wire.operand)" }

    /// The verb and the operand of a record.
    var wire: (verb: ProfileVerb, operand: String) {
        switch self {
        case .delete: (.delete, "")
        case .unset(let name): (.unset, "[\"\(name)\"]")
        case .set(let name, let value): (.set, "{\"\(name)\":\(value.text)}")
        case .setOnce(let name, let value): (.setOnce, "{\"\(name)\":\(value.text)}")
        case .add(let name, let number): (.add, "{\"\(name)\":\(number)}")
        case .append(let name, let value): (.append, "{\"\(name)\":\(value.text)}")
        case .union(let name, let values): (.union, "{\"\(name)\":\(NaiveProfiles.Value.list(values).text)}")
        case .remove(let name, let value): (.remove, "{\"\(name)\":\(value.text)}")
        case .merge(let name, let value): (.merge, "{\"\(name)\":\(value.text)}")
        }
    }
}

extension NaiveProfiles.Value {
    var description: String { text }

    var text: String {
        switch self {
        case .number(let number): "\(number)"
        case .text(let text): "\"\(text)\""
        case .list(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value.text)" }.joined(separator: ",")
                + "}"
        }
    }

    init(_ json: Any) {
        switch json {
        case let values as [Any]: self = .list(values.map { Self($0) })
        case let members as [String: Any]: self = .object(members.mapValues { Self($0) })
        case let text as String: self = .text(text)
        default: self = .number((json as? NSNumber)?.intValue ?? .min)
        }
    }

    /// The properties that a text says.
    static func properties(_ text: [UInt8]?) throws -> NaiveProfiles.Properties? {
        guard let text else { return nil }
        let json = try JSONSerialization.jsonObject(with: Data(text))
        guard case .object(let members) = Self(json) else { return nil }
        return members
    }
}
