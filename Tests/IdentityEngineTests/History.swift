import IdentityEngine
import Testing

/// An index, and what was decided to make it.
///
/// Ids go by short names: see `DistinctID.init(named:)`.
struct History {
    var index = IdentityIndex()
    var rules: MergeRules
    private(set) var lastSequence: Int64 = 0
    private var links: [Link] = []
    /// Since when each link is active or not; a link without states is active since it was made.
    private var states: [Int64: [(from: Int64, isActive: Bool)]] = [:]
    private var unmerges: [Int64: [Link]] = [:]
    /// The unmerge that parted each blocked pair.
    private var blocks: [NodePair: Int64] = [:]

    init(_ rules: MergeRules = MergeRules(), _ events: [IdentityEvent] = []) {
        self.rules = rules
        for event in events { decide(event) }
    }

    /// Decides an event, as a store does: only what is logged takes a sequence.
    @discardableResult
    mutating func decide(_ event: IdentityEvent) -> Decision {
        let sequence = lastSequence + 1
        let decision = index.decide(event, by: rules, sequence: sequence, timeMilliseconds: sequence * 1000)
        if decision.isLogged { lastSequence = sequence }
        if let link = decision.link { links.append(link) }
        for pair in index.takeLiftedBlocks() { blocks[pair] = nil }
        return decision
    }

    /// Blocks a pair, as an unmerge does.
    ///
    /// Both ids must have a row.
    mutating func block(_ a: String, _ b: String) throws {
        let keys = try [a, b].map { try #require(index.node(for: DistinctID(named: $0))).key }
        index.admit(blockedPair: NodePair(keys[0], keys[1]))
    }

    /// Every cluster as one line, its canonical id first and the others in order of their names.
    var clusters: [String] {
        var lines: [String] = []
        for root in index.allNodes where root.isRoot {
            var members: [String] = []
            index.forEachMember(ofRoot: root) { member in
                members.append(member.id.name)
                // A broken ring has no end.
                return members.count <= index.count
            }
            let canonical = index.canonicalNode(ofRoot: root).id.name
            lines.append(([canonical] + members.filter { $0 != canonical }.sorted()).joined(separator: " "))
        }
        return lines.sorted()
    }

    func canonicalID(of name: String, asOf sequence: Int64 = .max) -> String {
        canonicalID(of: DistinctID(named: name), asOf: sequence).name
    }

    func root(of name: String) throws -> Node {
        index.root(of: try #require(index.node(for: DistinctID(named: name))).key)
    }
}

extension IdentityEvent: CustomTestStringConvertible {
    static func identify(_ identified: String, _ anonymous: String) -> IdentityEvent {
        IdentityEvent(verb: .identify, primary: DistinctID(named: identified), secondary: DistinctID(named: anonymous))
    }

    static func alias(_ alias: String, of distinctID: String) -> IdentityEvent {
        IdentityEvent(verb: .alias, primary: DistinctID(named: distinctID), secondary: DistinctID(named: alias))
    }

    static func merge(_ first: String, _ second: String) -> IdentityEvent {
        IdentityEvent(verb: .merge, primary: DistinctID(named: first), secondary: DistinctID(named: second))
    }

    static func device(_ device: String, of owner: String) -> IdentityEvent {
        IdentityEvent(verb: .device, primary: DistinctID(named: owner), secondary: DistinctID(named: device))
    }

    package var testDescription: String { "\(verb.name) \(primary.name), \(secondary.name)" }
}

extension DistinctID {
    /// `A` with a number stands for a version 4 UUID, so that a table can say which ids `$identify` takes as anonymous;
    /// any other name is the id itself.
    init(named name: String) {
        let digits = name.dropFirst()
        guard name.first == "A", !digits.isEmpty, digits.count <= 8, digits.allSatisfy(\.isNumber) else {
            self.init(name)
            return
        }
        self.init(String(repeating: "0", count: 8 - digits.count) + digits + DistinctID.uuidTail)
    }

    /// The name that `init(named:)` takes for this id.
    var name: String {
        let text = description
        guard text.hasSuffix(DistinctID.uuidTail), let number = Int(text.prefix(8)) else { return text }
        return "A\(number)"
    }

    private static let uuidTail = "-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
}

/// A decision, less its numbers: what a table of cases says of it.
enum Verdict: Hashable {
    case merged
    /// Together already, and the statement made a redundant link.
    case redundant
    /// Together already, and nothing new was said.
    case repeated
    case refused(MergeRefusal)
    /// Together already, and not even logged: a Simplified event that repeats.
    case unlogged
    /// A Simplified event whose device belongs to another.
    case conflict

    init(_ decision: Decision) {
        switch (decision.outcome, decision.isLogged) {
        case (.merged, _): self = .merged
        case (.unchanged, true): self = decision.link == nil ? .repeated : .redundant
        case (.unchanged, false): self = .unlogged
        case (.refused(let refusal), true): self = .refused(refusal)
        case (.refused, false): self = .conflict
        }
    }
}

/// One row of a decision table: what was there, what is stated, what is decided, and the clusters after it.
struct DecisionCase: CustomTestStringConvertible {
    let row: String
    let given: [IdentityEvent]
    let event: IdentityEvent
    let verdict: Verdict
    let clusterSize: Int
    let clusters: [String]

    init(
        _ row: String, _ given: [IdentityEvent], _ event: IdentityEvent, _ verdict: Verdict, _ clusterSize: Int,
        _ clusters: [String]
    ) {
        self.row = row
        self.given = given
        self.event = event
        self.verdict = verdict
        self.clusterSize = clusterSize
        self.clusters = clusters
    }

    var testDescription: String { "\(row): \((given + [event]).map(\.testDescription).joined(separator: "; "))" }

    /// Decides the case, and compares the decision and all clusters with what the row says.
    func check(_ rules: MergeRules = MergeRules(), sourceLocation: SourceLocation = #_sourceLocation) {
        var history = History(rules, given)
        let decision = history.decide(event)
        #expect(Verdict(decision) == verdict, sourceLocation: sourceLocation)
        #expect(decision.clusterSize == clusterSize, sourceLocation: sourceLocation)
        #expect(history.clusters == clusters, sourceLocation: sourceLocation)
    }
}

extension History {
    /// Does what the model did, as a store does it: whole clusters with their active links.
    mutating func `repeat`(_ told: Told) {
        lastSequence += 1
        switch told {
        case .unmerge(let sequences, let keepsApart):
            let off = links.filter { sequences.contains($0.sequence) }
            let revision = revise(off, isActive: false)
            let kept = Set(links.filter { isActive($0, asOf: lastSequence) }.map(\.statement))
            for link in off {
                if !kept.contains(link.statement) { index.forget(activeLink: link.statement) }
                guard keepsApart, !revision.areTogether(link.from, link.to) else { continue }
                blocks[NodePair(link.from, link.to)] = lastSequence
                index.admit(blockedPair: NodePair(link.from, link.to))
            }
            unmerges[lastSequence] = off
        case .restore(let unmerge):
            guard let links = unmerges.removeValue(forKey: unmerge) else { return }
            _ = revise(links, isActive: true)
            for link in links { index.admit(activeLink: link.statement) }
            for (pair, sequence) in blocks where sequence == unmerge {
                blocks[pair] = nil
                index.forget(blockedPair: pair)
            }
        }
    }

    private mutating func revise(_ switched: [Link], isActive: Bool) -> Revision {
        for link in switched { states[link.sequence, default: []].append((lastSequence, isActive)) }
        var members: [Node] = []
        for key in switched.flatMap({ [$0.from, $0.to] }) where !members.contains(where: { $0.key == key }) {
            index.forEachMember(ofRoot: index.root(of: key)) { member in
                members.append(member)
                return true
            }
        }
        let keys = Set(members.map(\.key))
        let active = links.filter { keys.contains($0.from) && self.isActive($0, asOf: lastSequence) }
        guard let revision = try? Revision(of: members, activeLinks: active, sequence: lastSequence) else {
            preconditionFailure("the clusters of the history contradict themselves")
        }
        _ = index.takeChangedNodes()
        index.replace(revision.after)
        return revision
    }

    private func isActive(_ link: Link, asOf sequence: Int64) -> Bool {
        link.sequence <= sequence && states[link.sequence]?.last { $0.from <= sequence }?.isActive != false
    }
}

extension History: LinkSource {
    typealias Failure = Never

    func failure(_ fault: NodeFault) -> Never { preconditionFailure("\(fault)") }

    func node(for id: DistinctID) -> Node? { index.node(for: id) }

    func node(_ key: NodeKey) -> Node? { index.node(key) }

    func links(of key: NodeKey, activeAsOf sequence: Int64) -> [Link] {
        links.filter { ($0.from == key || $0.to == key) && isActive($0, asOf: sequence) }
    }
}
