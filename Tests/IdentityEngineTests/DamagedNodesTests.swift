import IdentityEngine
import Testing

/// Nodes that contradict each other, as those of a damaged store may.
private struct Nodes: NodeSource {
    typealias Failure = NodeFault

    var nodes: [NodeKey: Node]

    func node(for id: DistinctID) -> Node? { nodes.values.first { $0.id == id } }

    func node(_ key: NodeKey) -> Node? { nodes[key] }

    func failure(_ fault: NodeFault) -> NodeFault { fault }

    /// Seven ids in one cluster.
    static func sound() -> Nodes {
        var index = IdentityIndex()
        let pairs = [("a", "b"), ("c", "d"), ("a", "c"), ("e", "f"), ("g", "e"), ("a", "e")]
        for (place, pair) in pairs.enumerated() {
            let event = IdentityEvent(verb: .merge, primary: DistinctID(pair.0), secondary: DistinctID(pair.1))
            _ = index.decide(event, by: MergeRules(), sequence: Int64(place) + 1, timeMilliseconds: 1)
        }
        return Nodes(nodes: Dictionary(uniqueKeysWithValues: index.allNodes.map { ($0.key, $0) }))
    }

    /// Goes all ways that there are.
    func walk() throws(NodeFault) {
        for node in nodes.values {
            let root = try root(of: node)
            _ = try path(of: node)
            _ = try canonicalSince(of: node)
            _ = try canonicalNode(ofRoot: root)
            try forEachMember(ofRoot: root) { _ in true }
            for sequence in Int64(0)...6 where node.firstSequence <= sequence {
                let root = try self.root(of: node, asOf: sequence)
                _ = try canonicalNode(ofRoot: root, asOf: sequence)
                try forEachMember(ofRoot: root, asOf: sequence) { _ in true }
            }
        }
    }
}

@Suite(.timeLimit(.minutes(5))) struct `Damaged nodes` {
    @Test func `a sound cluster is walked without a fault`() throws { try Nodes.sound().walk() }

    /// Any one number is another: every walk comes to an end, and where the ring or a size is concerned, one notices.
    @Test func `each other ring and size is noticed, and no walk goes on for ever`() throws {
        let sound = Nodes.sound()
        for key in sound.nodes.keys.sorted() {
            for other in Array(Int64(0)...8) + [.max] {
                let paths: [WritableKeyPath<Node, Int64>] = [\.parent, \.next, \.size, \.joinedSequence]
                for path in paths {
                    guard sound.nodes[key]?[keyPath: path] != other else { continue }
                    // Of what is no root, and where no way leads through its size, nobody reads that.
                    if path == \Node.size, sound.nodes[key]?.isRoot != true { continue }
                    var nodes = sound
                    nodes.nodes[key]?[keyPath: path] = other
                    let isRing = path == \Node.next || path == \Node.size
                    if !isRing, (try? nodes.walk()) != nil { continue }
                    #expect(throws: NodeFault.self, "node \(key), \(other)") { try nodes.walk() }
                }
            }
        }
    }

    @Test func `a ring that comes back to another node than its root ends, whatever its size says`() {
        var nodes = Nodes.sound()
        guard let root = nodes.nodes.values.first(where: \.isRoot),
            let last = nodes.nodes.values.first(where: { $0.next == root.key })
        else { return }
        nodes.nodes[root.key]?.size = 1 << 57
        nodes.nodes[last.key]?.next = last.key
        #expect(throws: NodeFault.ring(root.key)) { try nodes.walk() }
    }

    @Test func `clusters that contradict themselves are not revised`() {
        var members = Nodes.sound().nodes.values.sorted { $0.key < $1.key }
        #expect(throws: Never.self) { try Revision(of: members, activeLinks: [], sequence: 7) }
        let stray = Link(sequence: 3, verb: .merge, from: 1, to: 99)
        #expect(throws: NodeFault.link(3)) { try Revision(of: members, activeLinks: [stray], sequence: 7) }
        let place = members.firstIndex { !$0.isRoot } ?? 0
        members[place].parent = 99
        #expect(throws: NodeFault.missing(99)) { try Revision(of: members, activeLinks: [], sequence: 7) }
    }
}
