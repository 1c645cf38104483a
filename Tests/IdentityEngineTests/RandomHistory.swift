import IdentityEngine

/// Steps over the ids of one project.
struct RandomHistory {
    enum Step: CustomStringConvertible {
        case decide(IdentityEvent)
        case block(DistinctID, DistinctID)
        case change(maxClusterSize: Int, AnonymousForm)
        /// Switches off the active link with this number, counted round and round.
        case unmergeLink(Int, keepsApart: Bool)
        /// Switches off every link of an id.
        case unmergeID(DistinctID, keepsApart: Bool)
        /// Takes back the unmerge with this number, counted round and round.
        case restore(Int)

        var description: String {
            switch self {
            case .decide(let event): event.testDescription
            case .block(let a, let b): "block \(a.name), \(b.name)"
            case .change(let maxClusterSize, let form): "at most \(maxClusterSize) ids, form \(form)"
            case .unmergeLink(let number, let keepsApart): "unmerge link \(number), keep apart: \(keepsApart)"
            case .unmergeID(let id, let keepsApart): "unmerge \(id.name), keep apart: \(keepsApart)"
            case .restore(let number): "restore \(number)"
            }
        }
    }

    let rules: MergeRules
    /// The ids that may be primary, and those that may be secondary: the same, but in a Simplified project.
    let primaries: [DistinctID]
    let secondaries: [DistinctID]
    private(set) var steps: [Step]

    init(_ system: IdentitySystem, seed: UInt64, withUnmerges: Bool = false) {
        var random = SeededGenerator(seed: seed)
        // Now and then a long history over more ids, for deeper trees.
        let isLong = Int.random(in: 0..<100, using: &random) == 0
        let count = isLong ? 16 : Int.random(in: 3...7, using: &random)
        if system == .simplified {
            primaries = Array(Self.owners.shuffled(using: &random).prefix(max(2, count / 2)))
            secondaries = Array(Self.devices.shuffled(using: &random).prefix(max(2, count / 2)))
        } else {
            primaries = Array(Self.ids.shuffled(using: &random).prefix(count))
            secondaries = primaries
        }
        let limit = [0, 2, 3, 4, 6, 499].randomElement(using: &random) ?? 0
        let form = AnonymousForm.allCases.randomElement(using: &random) ?? .mixpanel
        rules = MergeRules(system: system, maxClusterSize: isLong ? 0 : limit, anonymousForm: form)
        steps = []
        for _ in 0..<(isLong ? 40 : Int.random(in: 1...12, using: &random)) {
            let isUnmerge = withUnmerges && Int.random(in: 0..<4, using: &random) == 0
            steps.append(isUnmerge ? unmerge(&random) : step(&random))
        }
    }

    var ids: [DistinctID] { Array(Set(primaries + secondaries)).sorted() }

    private static let ids = [
        "A1", "A2", "A3", "A4", "A5", "A6", "A7", "18b9c5d1f2a-0c-1e-1f-18b9c5d1f2b",
        "u1", "u2", "U1", "U2", "6", "$device:7", "caf\u{e9}", "cafe\u{301}",
    ].map { DistinctID(named: $0) }

    private static let devices = (1...8).map { DistinctID("$device:\($0)") }

    private static let owners = ["A1", "A2", "A3", "U1", "U2", "u1", "7", "8"].map { DistinctID(named: $0) }

    private func unmerge(_ random: inout SeededGenerator) -> Step {
        let keepsApart = Bool.random(using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return .unmergeID(ids[Int.random(in: 0..<ids.count, using: &random)], keepsApart: keepsApart)
        case 1: return .restore(Int.random(in: 0..<20, using: &random))
        default: return .unmergeLink(Int.random(in: 0..<20, using: &random), keepsApart: keepsApart)
        }
    }

    private func step(_ random: inout SeededGenerator) -> Step {
        let primary = primaries[Int.random(in: 0..<primaries.count, using: &random)]
        let secondary = secondaries[Int.random(in: 0..<secondaries.count, using: &random)]
        let verb: Verb
        switch (Int.random(in: 0..<40, using: &random), rules.system) {
        case (0, .original):
            let form = AnonymousForm.allCases.randomElement(using: &random) ?? .any
            return .change(maxClusterSize: Int.random(in: 0...4, using: &random), form)
        case (1...3, .original) where primary != secondary: return .block(primary, secondary)
        case (0...2, _): verb = Verb.allCases.randomElement(using: &random) ?? .merge
        case (_, .original): verb = [.identify, .identify, .alias, .merge].randomElement(using: &random) ?? .merge
        case (_, .simplified): verb = .device
        case (_, .legacy): verb = .alias
        }
        return .decide(IdentityEvent(verb: verb, primary: primary, secondary: secondary))
    }

    /// The history without every step that is not needed for it to fail.
    func shortened(_ fails: (RandomHistory) -> Bool) -> RandomHistory {
        var shortest = self
        var place = 0
        while place < shortest.steps.count {
            var shorter = shortest
            shorter.steps.remove(at: place)
            if fails(shorter) { shortest = shorter } else { place += 1 }
        }
        return shortest
    }
}
