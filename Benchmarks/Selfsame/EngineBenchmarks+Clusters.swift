import Foundation
import IdentityEngine

extension EngineBenchmarks {
    /// The larger clusters' size, a power of two.
    private var clusterSize: Int { isQuick ? 1 << 17 : 1 << 20 }

    /// One join of two clusters of a million ids, beside joins of two clusters of two ids in the same index.
    ///
    /// The large clusters are built in rounds, pair by pair, which makes the forest as deep as union by size allows.
    /// One join names their roots, the other their deepest members. Each is one call, so it is timed alone.
    func runClusterJoins() throws {
        let size = clusterSize
        let detail = "clusters of \(size) ids"
        var small = Measurement(name: "engine.join.two_ids", unit: "ns", detail: "clusters of 2 ids")
        var shallow = Measurement(name: "engine.join.million_ids", unit: "ns", detail: detail + ", roots named")
        var deep = Measurement(name: "engine.join.million_ids_deepest", unit: "ns", detail: detail + ", deepest named")
        var smallRows = Measurement(name: "engine.join.two_ids.rows", unit: "nodes written")
        var largeRows = Measurement(name: "engine.join.million_ids.rows", unit: "nodes written", detail: detail)
        for _ in 0..<runs {
            var trial = try ClusterTrial(clusterSize: size)
            let joins = try (0..<1_001).map { _ in try trial.joinSmall() }
            small.runs.append(Measurement(name: "", unit: "", runs: joins.map(\.nanoseconds)).median)
            smallRows.runs.append(Measurement(name: "", unit: "", runs: joins.map(\.rows)).median)
            let first = try trial.joinLarge(0, 1, member: 0)
            shallow.runs.append(first.nanoseconds)
            largeRows.runs.append(first.rows)
            for _ in 0..<101 { _ = try trial.joinSmall() }
            deep.runs.append(try trial.joinLarge(2, 3, member: size - 1).nanoseconds)
        }
        for result in [small, shallow, deep, smallRows, largeRows] { result.report() }
    }
}

/// Four large clusters and many of two ids, in one index.
private struct ClusterTrial {
    private static let pairs = 20_000

    private let clusterSize: Int
    private var index = IdentityIndex()
    private var sequence: Int64 = 0
    private var pairOrder = EngineBenchmarks.permutation(pairs)
    private let rules = MergeRules(maxClusterSize: 0)

    init(clusterSize: Int) throws {
        self.clusterSize = clusterSize
        for cluster in 0..<4 {
            var step = 1
            while step < clusterSize {
                for member in stride(from: 0, to: clusterSize, by: 2 * step) {
                    try build(id(cluster, member), id(cluster, member + step))
                }
                step *= 2
            }
        }
        for pair in 0..<Self.pairs { try build(.numbered(pair), .device(4 * clusterSize + pair)) }
    }

    private func id(_ cluster: Int, _ member: Int) -> DistinctID { .device(cluster * clusterSize + member) }

    private mutating func build(_ a: DistinctID, _ b: DistinctID) throws {
        try index.decideOne(
            IdentityEvent(verb: .merge, primary: a, secondary: b), by: rules, sequence: &sequence, expecting: .merged)
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
