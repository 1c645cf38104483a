import IdentityEngine

/// A random history of one project: requests, each with identity events and with updates of profiles.
struct ProfileHistory: CustomStringConvertible {
    struct Step {
        var events: [Sent] = []
        var updates: [SentUpdate] = []
    }

    struct SentUpdate {
        let id: DistinctID
        let operations: [NaiveProfiles.Operation]
        let isLiteral: Bool
        let ignoresTime: Bool

        /// What it does when it comes at a time: its operations, and what the server does to `$last_seen` before them,
        /// again where a deletion took that.
        func effects(atMilliseconds time: Int64) -> [NaiveProfiles.Operation] {
            if ignoresTime { return operations }
            var effects: [NaiveProfiles.Operation] = []
            var isSeen = false
            for operation in operations {
                if operation == .delete {
                    isSeen = false
                } else if !isSeen {
                    isSeen = true
                    effects.append(.set("$last_seen", .text(Timestamp.propertyText(milliseconds: time))))
                }
                effects.append(operation)
            }
            return effects
        }
    }

    let project: ProjectID
    let system: IdentitySystem
    let ids: [DistinctID]
    private(set) var steps: [Step] = []

    init(_ project: ProjectID, using random: inout some RandomNumberGenerator) {
        let systems: [IdentitySystem] = [.original, .original, .original, .original, .simplified, .legacy]
        let system = systems.randomElement(using: &random) ?? .original
        self.project = project
        self.system = system
        // Some histories are of two ids and one property, which meet in every step.
        let isDense = Int.random(in: 0..<3, using: &random) == 0
        let users = (0..<Int.random(in: 1...(isDense ? 1 : 3), using: &random)).map { "U\($0)" }
        let devices = (0..<Int.random(in: 1...(isDense ? 1 : 3), using: &random)).map { number in
            system == .simplified ? "$device:\(number)" : anonymous(number)
        }
        ids = (users + devices).map { DistinctID($0) }
        let hasLiterals = Int.random(in: 0..<3, using: &random) == 0
        let hasTimes = Bool.random(using: &random)
        for _ in 0..<Int.random(in: 1...14, using: &random) {
            var step = Step()
            if Int.random(in: 0..<3, using: &random) == 0 {
                step.events.append(event(users, devices, using: &random))
            }
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                let isLiteral = hasLiterals && Int.random(in: 0..<4, using: &random) == 0
                let count = Int.random(in: 0..<4, using: &random) == 0 ? 2 : 1
                let operations = (0..<count).map { _ in
                    Self.operation(on: isDense ? ["a"] : ["a", "b"], using: &random)
                }
                step.updates.append(
                    SentUpdate(
                        id: ids.randomElement(using: &random) ?? DistinctID("U0"), operations: operations,
                        isLiteral: isLiteral, ignoresTime: !hasTimes || Int.random(in: 0..<4, using: &random) == 0))
            }
            steps.append(step)
        }
    }

    var rules: MergeRules { MergeRules(system: system) }

    /// The steps as requests.
    var batches: [EventBatch] {
        steps.enumerated().map { place, step in
            var batch = EventBatch.of(step.events.map { $0.in(project) })
            batch.receivedMilliseconds = Self.milliseconds(ofStep: place)
            for update in step.updates {
                batch.update(
                    update.id.description, update.operations.map(\.wire), ignoresAlias: update.isLiteral,
                    ignoresTime: update.ignoresTime, in: project)
            }
            return batch
        }
    }

    /// When a step comes: each a minute after the one before.
    static func milliseconds(ofStep place: Int) -> Int64 { EventBatch.received + Int64(place) * 60_000 }

    private func event(
        _ users: [String], _ devices: [String], using random: inout some RandomNumberGenerator
    ) -> Sent {
        let user = users.randomElement(using: &random) ?? "U0"
        let device = devices.randomElement(using: &random) ?? "U0"
        let any = (users + devices).randomElement(using: &random) ?? "U0"
        switch (system, Int.random(in: 0..<3, using: &random)) {
        case (.simplified, _): return .device(device, of: user)
        case (.legacy, _), (_, 0): return .alias(any, of: user)
        case (_, 1): return .identify(user, device)
        default: return .merge(any, user)
        }
    }

    var description: String {
        let lines = steps.flatMap { step in
            step.events.map { "    \($0.identity.map { "\($0.verb) \($0.primary) \($0.secondary)" } ?? "plain")" }
                + step.updates.map { update in
                    let manner = (update.isLiteral ? " literally" : "") + (update.ignoresTime ? " quietly" : "")
                    return "    \(update.id)\(manner) \(update.operations)"
                }
        }
        return "\(system), project \(project)\n" + lines.joined(separator: "\n")
    }

    /// The history without what is not needed for it to fail.
    func shortened(_ fails: (ProfileHistory) async throws -> Bool) async throws -> ProfileHistory {
        var shortest = self
        for step in steps.indices.reversed() {
            var shorter = shortest
            shorter.steps[step].events = []
            if try await fails(shorter) { shortest = shorter }
            for update in steps[step].updates.indices.reversed() {
                var shorter = shortest
                shorter.steps[step].updates.remove(at: update)
                if try await fails(shorter) { shortest = shorter }
            }
        }
        return shortest
    }

    private static func operation(
        on names: [String], using random: inout some RandomNumberGenerator
    ) -> NaiveProfiles.Operation {
        let name = names.randomElement(using: &random) ?? "a"
        switch Int.random(in: 0..<20, using: &random) {
        case 0...2: return .set(name, value(using: &random))
        case 3...4: return .setOnce(name, value(using: &random))
        case 5...8: return .add(name, Int.random(in: -3...9, using: &random))
        case 9...10: return .append(name, scalar(using: &random))
        case 11...12: return .union(name, list(using: &random))
        case 13...14: return .remove(name, scalar(using: &random))
        case 15: return .unset(name)
        case 16...17: return .merge(name, object(using: &random))
        case 18: return .merge(name, value(using: &random))
        default: return Int.random(in: 0..<3, using: &random) == 0 ? .delete : .unset(name)
        }
    }

    private static func value(using random: inout some RandomNumberGenerator) -> NaiveProfiles.Value {
        switch Int.random(in: 0..<6, using: &random) {
        case 0...1: .list(list(using: &random))
        case 2...3: object(using: &random)
        default: scalar(using: &random)
        }
    }

    private static func scalar(using random: inout some RandomNumberGenerator) -> NaiveProfiles.Value {
        Bool.random(using: &random)
            ? .number(Int.random(in: 0...3, using: &random)) : .text(Bool.random(using: &random) ? "x" : "y")
    }

    private static func list(using random: inout some RandomNumberGenerator) -> [NaiveProfiles.Value] {
        (0..<Int.random(in: 0...3, using: &random)).map { _ in scalar(using: &random) }
    }

    private static func object(using random: inout some RandomNumberGenerator) -> NaiveProfiles.Value {
        var members: [String: NaiveProfiles.Value] = [:]
        for _ in 0..<Int.random(in: 0...2, using: &random) {
            let isNested = Int.random(in: 0..<3, using: &random) == 0
            members[["k", "l"].randomElement(using: &random) ?? "k"] =
                isNested ? .object(["m": scalar(using: &random)]) : scalar(using: &random)
        }
        return .object(members)
    }
}

extension EventBatch {
    /// Adds an update of an id's profile: one that leaves `$last_seen`, unless told otherwise.
    mutating func update(
        _ id: String, _ operations: [(verb: ProfileVerb, operand: String)], ignoresAlias: Bool = false,
        ignoresTime: Bool = true,
        in project: ProjectID = project
    ) {
        var update = ProfileUpdate(project: project, subject: .user(append(id.utf8)), operations: [])
        update.operations = operations.map { ProfileOperation(verb: $0.verb, operand: append($0.operand.utf8)) }
        update.ignoresAlias = ignoresAlias
        update.ignoresTime = ignoresTime
        profileUpdates.append(update)
    }

    /// Adds an update of a group's profile.
    mutating func updateGroup(
        _ key: String, _ id: String, _ operations: [(verb: ProfileVerb, operand: String)], ignoresTime: Bool = true,
        in project: ProjectID = project
    ) {
        let subject = ProfileUpdate.Subject.group(key: append(key.utf8), id: append(id.utf8))
        var update = ProfileUpdate(project: project, subject: subject, operations: [])
        update.operations = operations.map { ProfileOperation(verb: $0.verb, operand: append($0.operand.utf8)) }
        update.ignoresTime = ignoresTime
        profileUpdates.append(update)
    }
}
