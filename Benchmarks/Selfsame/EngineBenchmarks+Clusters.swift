import Foundation
import IdentityEngine

extension EngineBenchmarks {
    /// The larger clusters' size, a power of two.
    private var clusterSize: Int { isQuick ? 1 << 17 : 1 << 20 }

    /// Joins of two clusters of a million ids, beside joins of two clusters of two ids in the same index.
    ///
    /// The large clusters are as deep as union by size allows: 20 steps from the last member to the root. Some name
    /// roots, others the deepest members. There are few of them, so each is timed alone.
    func runClusterJoins() throws {
        let large = "clusters of \(clusterSize) ids or more"
        var small = Measurement(name: "engine.join.two_ids", unit: "ns", detail: "clusters of 2 ids")
        var roots = Measurement(name: "engine.join.million_ids", unit: "ns", detail: large + ", roots named")
        var deepest = Measurement(
            name: "engine.join.million_ids_deepest", unit: "ns", detail: large + ", deepest named")
        var smallRows = Measurement(name: "engine.join.two_ids.rows", unit: "nodes written")
        var largeRows = Measurement(name: "engine.join.million_ids.rows", unit: "nodes written", detail: large)
        for member in [0, clusterSize - 1] {
            var trial = ClusterTrial(clusterSize: clusterSize)
            // The last of the three joins two clusters of two million.
            for (a, b) in [(0, 1), (2, 3), (0, 2)] {
                let joins = try (0..<1_001).map { _ in try trial.joinSmall() }
                small.runs.append(Measurement(name: "", unit: "", runs: joins.map(\.nanoseconds)).median)
                smallRows.runs.append(Measurement(name: "", unit: "", runs: joins.map(\.rows)).median)
                let join = try trial.joinLarge(a, b, member: member)
                if member == 0 { roots.runs.append(join.nanoseconds) } else { deepest.runs.append(join.nanoseconds) }
                largeRows.runs.append(join.rows)
            }
        }
        for result in [small, roots, deepest, smallRows, largeRows] { result.report() }
    }
}

/// Four large clusters and many of two ids, in one index.
private struct ClusterTrial {
    private static let pairs = 20_000

    private let clusterSize: Int
    private var index = IdentityIndex()
    private var sequence = Int64(pairs)
    private var pairOrder = EngineBenchmarks.permutation(pairs)
    private let rules = MergeRules(maxClusterSize: 0)

    init(clusterSize: Int) {
        self.clusterSize = clusterSize
        index.admit(pairs: Self.pairs)
        for cluster in 0..<4 { admit(cluster) }
    }

    /// Puts in a cluster as rounds of joins of equal clusters leave it: a member hangs under the one whose number lacks
    /// its lowest bit.
    private mutating func admit(_ cluster: Int) {
        let first = index.nextKey
        sequence += 1
        for member in 0..<clusterSize {
            let lowestBit = member & -member
            var node = Node(
                key: first + Int64(member), id: id(cluster, member), isAnonymousForm: true, sequence: sequence,
                timeMilliseconds: sequence)
            node.parent = first + Int64(member - lowestBit)
            node.joinedSequence = member == 0 ? 0 : sequence
            node.next = first + Int64((member + 1) % clusterSize)
            node.order = sequence << 1 | 1
            node.size = Int64(member == 0 ? clusterSize : lowestBit)
            node.canonicalRank = node.rank
            index.admit(node)
        }
        index.nextKey += Int64(clusterSize)
    }

    private func id(_ cluster: Int, _ member: Int) -> DistinctID {
        .device(Self.pairs + cluster * clusterSize + member)
    }

    mutating func joinSmall() throws -> (nanoseconds: Double, rows: Double) {
        guard pairOrder.count >= 2 else { throw BenchmarkFailure("no pairs are left") }
        return try join(.numbered(pairOrder.removeLast()), .numbered(pairOrder.removeLast()))
    }

    mutating func joinLarge(_ a: Int, _ b: Int, member: Int) throws -> (nanoseconds: Double, rows: Double) {
        try join(id(a, member), id(b, member))
    }

    private mutating func join(_ a: DistinctID, _ b: DistinctID) throws -> (nanoseconds: Double, rows: Double) {
        _ = index.takeChangedNodes()
        sequence += 1
        let event = IdentityEvent(verb: .merge, primary: a, secondary: b)
        let start = Elapsed.now
        let decision = index.decide(event, by: rules, sequence: sequence, timeMilliseconds: sequence)
        let time = Elapsed.now - start
        guard decision.outcome == .merged else { throw BenchmarkFailure("a join was \(decision.outcome)") }
        return (time.wall * 1e9, Double(index.takeChangedNodes().count))
    }
}
