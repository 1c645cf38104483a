import IdentityEngine
import Testing

/// What the index promises of its nodes, whatever is decided.
struct ForestTests {
    @Test func `no node is deeper than the logarithm of its cluster`() throws {
        var random = SeededGenerator(seed: runSeed)
        let rules = MergeRules(maxClusterSize: 0)
        var history = History(rules)
        for _ in 0..<4000 {
            let numbers = [Int.random(in: 0..<2500, using: &random), Int.random(in: 0..<2500, using: &random)]
            history.decide(.merge("A\(numbers[0])", "A\(numbers[1])"))
        }
        try expectBalance(of: history, "seed \(runSeed)")
    }

    /// Joining equals with equals is the worst that can be done to a union by size.
    @Test func `joining equals makes the deepest tree, and it is as deep as the logarithm`() throws {
        var history = History(MergeRules(maxClusterSize: 0))
        var width = 1
        while width < 1024 {
            for first in stride(from: 0, to: 1024, by: 2 * width) {
                history.decide(.merge("A\(first)", "A\(first + width)"))
            }
            width *= 2
        }
        #expect(history.index.allNodes.filter(\.isRoot).map(\.size) == [1024])
        #expect(history.index.allNodes.map { depth(of: $0, in: history.index) }.max() == 10)
        try expectBalance(of: history, "equals")
    }

    @Test func `the lesser cluster hangs under the greater, and of equals the secondary under the primary`() throws {
        var history = History(MergeRules(), [.merge("b", "a")])
        #expect(try history.root(of: "a").id.name == "b")
        history.decide(.merge("c", "a"))
        #expect(try history.root(of: "c").id.name == "b")
        history.decide(.merge("e", "d"))
        history.decide(.merge("d", "a"))
        #expect(try history.root(of: "e").id.name == "b")
        let joined = try #require(history.index.node(for: DistinctID("e")))
        #expect(joined.joinedSequence == 4)
        #expect(joined.size == 2, "a node keeps what was true when it stopped being a root")
    }

    @Test(arguments: [Verb.identify, .alias, .merge])
    func `a join changes as many nodes at 2 ids as at 10000`(_ verb: Verb) {
        let counts = [2, 10, 100, 10_000].map { size in
            var history = History(MergeRules(maxClusterSize: 0))
            for number in 1..<size { history.decide(.merge("A0", "A\(number)")) }
            for number in 1..<size { history.decide(.merge("x0", "x\(number)")) }
            _ = history.index.takeChangedNodes()
            let ends = (DistinctID(named: "x\(size - 1)"), DistinctID(named: "A\(size - 1)"))
            let decision = history.decide(IdentityEvent(verb: verb, primary: ends.0, secondary: ends.1))
            #expect(decision.outcome == .merged)
            #expect(decision.clusterSize == 2 * size)
            return history.index.takeChangedNodes().count
        }
        #expect(Set(counts).count == 1, "\(counts)")
        #expect(counts[0] <= 4)
    }

    @Test func `one more device of a large cluster writes two nodes`() {
        let counts = [2, 10_000].map { size in
            var history = History(MergeRules(maxClusterSize: 0))
            for number in 1...size { history.decide(.identify("U1", "A\(number)")) }
            _ = history.index.takeChangedNodes()
            history.decide(.identify("U1", "A0"))
            return history.index.takeChangedNodes().map(\.id.name)
        }
        #expect(counts == [["A0", "U1"], ["A0", "U1"]])
    }

    @Test func `a changed node is handed out once, as it is now`() throws {
        var history = History(MergeRules(), [.identify("U1", "A1"), .identify("U1", "A2"), .merge("U1", "x")])
        let changed = history.index.takeChangedNodes()
        #expect(changed == history.index.allNodes)
        #expect(changed.map(\.id.name) == ["U1", "A1", "A2", "x"])
        #expect(history.index.takeChangedNodes().isEmpty)
        history.decide(.merge("U1", "x"))
        #expect(history.index.takeChangedNodes().isEmpty, "a repeat changes nothing")
        history.decide(.merge("x", "U1"))
        let root = try #require(history.index.takeChangedNodes().first)
        #expect(root.isRoot && root.linkedSequence == 5, "a link that raises nobody is known to the root alone")
        #expect(history.index.takeChangedNodes().isEmpty)
        history.decide(.identify("y", "not anonymous"))
        #expect(history.index.takeChangedNodes().map(\.id.name) == ["y", "not anonymous"])
    }

    @Test func `a node that is admitted is not changed, and a second one is ignored`() throws {
        let history = History(MergeRules(), [.merge("a", "b")])
        var index = IdentityIndex(nextKey: 3)
        for node in history.index.allNodes { index.admit(node) }
        var other = history.index.allNodes[0]
        other.size = 99
        index.admit(other)
        #expect(index.allNodes == history.index.allNodes)
        #expect(index.takeChangedNodes().isEmpty)
    }

    @Test func `two ids are together since the later of the joins that brought them there`() throws {
        let history = History(
            MergeRules(), [.merge("a", "b"), .merge("c", "d"), .merge("b", "c"), .merge("a", "d"), .merge("e", "a")])
        func joined(_ a: String, _ b: String) throws -> Int64 {
            let first = try #require(history.index.node(for: DistinctID(named: a)))
            let second = try #require(history.index.node(for: DistinctID(named: b)))
            return joinSequence(history.index.path(of: first), history.index.path(of: second))
        }
        #expect(try joined("a", "b") == 1)
        #expect(try joined("d", "c") == 2)
        #expect(try joined("a", "d") == 3)
        #expect(try joined("e", "d") == 5)
        #expect(try joined("d", "e") == 5)
        #expect(try joined("a", "a") == 0)
    }

    @Test func `keys are given in order, from where the store is`() {
        var index = IdentityIndex(nextKey: 7)
        let decision = index.decide(.identify("U1", "A1"), by: MergeRules(), sequence: 5, timeMilliseconds: 9)
        #expect(decision.link == Link(sequence: 5, verb: .identify, from: 8, to: 7))
        #expect(index.allNodes.map(\.key) == [7, 8])
        #expect(index.nextKey == 9)
        #expect(index.allNodes.map(\.firstSequence) == [5, 5])
        #expect(index.allNodes.map(\.firstSeenMilliseconds) == [9, 9])
    }

    private func depth(of node: Node, in index: IdentityIndex) -> Int {
        var depth = 0
        var node = node
        while !node.isRoot, let parent = index.node(node.parent) {
            node = parent
            depth += 1
        }
        return depth
    }

    private func expectBalance(of history: History, _ comment: Comment) throws {
        let tooDeep = history.index.allNodes.filter { node in
            1 << depth(of: node, in: history.index) > history.index.root(of: node.key).size
        }
        #expect(tooDeep.isEmpty, comment)
    }
}
