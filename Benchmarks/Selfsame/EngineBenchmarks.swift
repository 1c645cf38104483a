import Foundation
import IdentityEngine

/// What decisions cost, with a whole project in memory and nothing stored.
struct EngineBenchmarks {
    let runs: Int
    let isQuick: Bool

    private var decisionCount: Int { isQuick ? 100_000 : 300_000 }

    /// Runs all of them.
    ///
    /// - Parameter knownCount: ids known in the larger of the two joins; 0 for four million. One takes about 400 bytes.
    /// - Throws: `BenchmarkFailure` where a decision comes out otherwise than it must.
    func run(knownCount: Int) throws {
        Console.note("engine: decisions in memory")
        try runDecisions()
        let known = knownCount > 0 ? knownCount : isQuick ? 1_000_000 : 4_000_000
        try runJoins(named: "engine.join.few_known", knownCount: 100_000)
        try runJoins(named: "engine.join.many_known", knownCount: known)
        try runClusterJoins()
    }

    /// Fresh pairs, the same again, a second device for each, and the same devices for someone else.
    private func runDecisions() throws {
        let count = decisionCount
        let fresh = (0..<count).map { IdentityEvent.identify($0, device: $0) }
        let returning = (0..<count).map { IdentityEvent.identify($0, device: count + $0) }
        let refused = (0..<count).map { IdentityEvent.identify(($0 + 1) % count, device: $0) }
        let rules = MergeRules()
        var results = ["fresh", "repeat", "returning", "refused"].map {
            Measurement(name: "engine.identify.\($0)", unit: "decisions/s", detail: "\(count) of each")
        }
        for _ in 0..<runs {
            var index = IdentityIndex()
            var sequence: Int64 = 0
            let work: [([IdentityEvent], MergeOutcome)] = [
                (fresh, .merged), (fresh, .unchanged), (returning, .merged),
                (refused, .refused(.anonymousAssignedAlready)),
            ]
            for (place, (events, outcome)) in work.enumerated() {
                let time = try Elapsed.measure {
                    try index.decideAll(events, by: rules, sequence: &sequence, expecting: outcome)
                }
                results[place].runs.append(Double(count) / time.processor)
            }
        }
        for result in results { result.report() }
    }

    /// Merges of two known someones, each of two ids, with few and with many ids in the index.
    private func runJoins(named name: String, knownCount: Int) throws {
        let pairs = knownCount / 2
        let joins = min(20_000, pairs / 2)
        var result = Measurement(name: name, unit: "joins/s", detail: "\(knownCount) ids known, \(joins) joins")
        var index = IdentityIndex()
        var sequence: Int64 = 0
        // Every run joins pairs that no other has touched; where there are too few of them, the index is made anew.
        var left: ArraySlice<Int> = []
        for _ in 0..<runs {
            if left.count < 2 * joins {
                index = IdentityIndex()
                index.admit(pairs: pairs)
                sequence = Int64(pairs)
                left = Self.permutation(pairs)[...]
            }
            let taken = left.prefix(2 * joins)
            left = left.dropFirst(2 * joins)
            let events = stride(from: taken.startIndex, to: taken.endIndex, by: 2).map {
                IdentityEvent(verb: .merge, primary: .numbered(taken[$0]), secondary: .numbered(taken[$0 + 1]))
            }
            let time = try Elapsed.measure {
                try index.decideAll(events, by: MergeRules(maxClusterSize: 0), sequence: &sequence, expecting: .merged)
            }
            result.runs.append(Double(joins) / time.processor)
        }
        result.report()
    }

    /// The numbers below a count, in an order without order.
    static func permutation(_ count: Int) -> [Int] {
        var random = RandomNumbers()
        var order = Array(0..<count)
        for place in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(place, random.next(below: UInt64(place + 1)))
        }
        return order
    }
}

extension DistinctID {
    /// An identified id.
    static func numbered(_ number: Int) -> DistinctID { DistinctID("customer-\(number)") }

    /// An anonymous id: a UUID, in no order.
    static func device(_ number: Int) -> DistinctID {
        var random = RandomNumbers(seed: UInt64(number &+ 1) &* 0x9E37_79B9_7F4A_7C15)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(36)
        bytes.append(uuidOf: random.next(), random.next())
        return DistinctID(bytes)
    }
}

extension IdentityEvent {
    static func identify(_ number: Int, device: Int) -> IdentityEvent {
        IdentityEvent(verb: .identify, primary: .numbered(number), secondary: .device(device))
    }
}

extension IdentityIndex {
    /// Puts in pairs as a store has them after the `$identify` of each, which is faster than deciding them.
    mutating func admit(pairs: Int) {
        for number in 0..<pairs {
            let key = nextKey
            let sequence = Int64(number + 1)
            var identified = Node(
                key: key, id: .numbered(number), isAnonymousForm: false, sequence: sequence, timeMilliseconds: sequence)
            identified.next = key + 1
            identified.order = sequence << 1
            identified.identifiedSequence = sequence
            identified.size = 2
            identified.canonicalRank = identified.rank
            identified.identifiedCount = 1
            var anonymous = Node(
                key: key + 1, id: .device(number), isAnonymousForm: true, sequence: sequence,
                timeMilliseconds: sequence)
            anonymous.parent = key
            anonymous.joinedSequence = sequence
            anonymous.next = key
            anonymous.order = sequence << 1 | 1
            anonymous.canonicalRank = anonymous.rank
            admit(identified)
            admit(anonymous)
            nextKey += 2
        }
    }

    /// Decides one event, and sees that it comes out as it must.
    mutating func decideOne(
        _ event: IdentityEvent, by rules: MergeRules, sequence: inout Int64, expecting outcome: MergeOutcome
    ) throws {
        sequence += 1
        let decision = decide(event, by: rules, sequence: sequence, timeMilliseconds: sequence)
        guard decision.outcome == outcome else {
            throw BenchmarkFailure("a decision was \(decision.outcome) and not \(outcome)")
        }
        // What changed is taken out as often as a store would, after each group of requests.
        if sequence & 1_023 == 0 { _ = takeChangedNodes() }
    }

    mutating func decideAll(
        _ events: [IdentityEvent], by rules: MergeRules, sequence: inout Int64, expecting outcome: MergeOutcome
    ) throws {
        for event in events { try decideOne(event, by: rules, sequence: &sequence, expecting: outcome) }
    }
}
