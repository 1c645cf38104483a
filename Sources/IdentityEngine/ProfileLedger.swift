/// What was done to the profile of one id, kept short: for each property the steps that may still count in some view.
///
/// A view (`ProfileViews`) takes the steps of several ids in their order. An absolute step hides what came before it,
/// so that it takes its place; a relative one is folded into a step before it where nothing came between that any
/// view could tell (decision 0006).
package struct ProfileLedger: Hashable, Sendable {
    /// The steps of each property, in order; none is empty.
    package internal(set) var steps: [[UInt8]: [ProfileStep]] = [:]
    /// The place of the last operation that was not a deletion, after the last deletion; 0 where there is none.
    package internal(set) var lastOrder: Int64 = 0
    /// The last deletion that covers what came to the other members of the cluster.
    package internal(set) var deletion: Deletion?
    /// About how many bytes the names and the steps take.
    package internal(set) var sizeBytes = 0

    /// A deletion of a cluster's profile.
    package struct Deletion: Hashable, Sendable {
        package let order: Int64
        /// The latest link of the cluster then.
        package let linkedSequence: Int64
    }

    /// The name, as properties have it, of when the profile was last updated (P 10-9).
    package static let lastSeen = Array("$last_seen".utf8)
    /// The most properties that a profile has beside `$last_seen`; a further one is left out (P 6.1).
    package static let propertyLimit = 2_000
    /// The most bytes that a profile takes; a change of a property that goes beyond is left out.
    package static let sizeLimitBytes = 1 << 20
    /// The most steps of one property since one link; past it the oldest are folded, though a view might tell.
    package static let stepLimit = 16

    package init() {}

    /// The last place that the ledger has of anything; 0 where it has none.
    package var greatestOrder: Int64 {
        let latest = steps.values.lazy.flatMap { $0 }.map(\.lastOrder).max() ?? 0
        return max(latest, lastOrder, deletion?.order ?? 0)
    }

    /// Whether nothing is left to keep.
    package var isEmpty: Bool { steps.isEmpty && lastOrder == 0 && deletion == nil }
}

/// One change of a property, or several folded into one.
package struct ProfileStep: Hashable, Sendable {
    /// The place of the first change that was folded into it, among all operations of the project.
    package let order: Int64
    /// The place of the last one.
    package internal(set) var lastOrder: Int64
    /// The latest link that the id's cluster had then; 0 where the id was in no cluster.
    package let linkedSequence: Int64
    /// Whether the change is for the profile of the literal id only (P 7.10-2).
    package let isLiteral: Bool
    package internal(set) var change: ProfileChange

    init(order: Int64, lastOrder: Int64, linkedSequence: Int64, isLiteral: Bool, change: ProfileChange) {
        self.order = order
        self.lastOrder = lastOrder
        self.linkedSequence = linkedSequence
        self.isLiteral = isLiteral
        self.change = change
    }

    /// About how many bytes the step takes.
    var sizeBytes: Int { change.sizeBytes + 12 }
}

/// When and where an update came.
package struct ProfileMoment: Hashable, Sendable {
    /// The place of its first operation among all operations on the project's profiles, from 1.
    package internal(set) var order: Int64
    /// The latest link of the cluster that the id is in; 0 where it is in none.
    package let linkedSequence: Int64
    /// Whether the id is in a cluster with others.
    package let isClustered: Bool
    /// Whether the update is for the literal id only.
    package let isLiteral: Bool

    package init(order: Int64, linkedSequence: Int64, isClustered: Bool, isLiteral: Bool) {
        self.order = order
        self.linkedSequence = isClustered ? linkedSequence : 0
        self.isClustered = isClustered
        self.isLiteral = isLiteral
    }
}

extension ProfileLedger {
    /// Does what an update says.
    ///
    /// `$last_seen` is set as if the update said so before all else that it says, so that what it says itself of that
    /// wins, and so that it counts in those views in which the update counts.
    ///
    /// - Parameters:
    ///   - operations: what it says, in order: each takes a place of its own, from the moment's on.
    ///   - bytes: the bytes of its batch.
    ///   - moment: when and where it came.
    ///   - lastSeen: what `$last_seen` becomes, as JSON; nil where it stays as it is.
    ///   - others: what was done, since the cluster's latest link, to the profiles of its other members.
    package mutating func apply(
        _ operations: [ProfileOperation], in bytes: [UInt8], at moment: ProfileMoment, lastSeen: [UInt8]?,
        others: [ProfileLedger]
    ) {
        var moment = moment
        var seen = lastSeen
        for operation in operations {
            if operation.verb == .delete {
                delete(at: moment)
                seen = lastSeen
            } else {
                lastOrder = moment.order
                if let time = seen.take() { record(.set(time), of: Self.lastSeen, at: moment, others: others) }
                for (name, change) in operation.changes(in: bytes) {
                    record(change, of: name, at: moment, others: others)
                }
            }
            moment.order += 1
        }
    }

    /// The value of each property, had the other ids of the cluster got no updates.
    package var properties: [[UInt8]: [UInt8]] {
        steps.compactMapValues { $0.reduce(nil as [UInt8]?) { $1.change.applied(to: $0) } }
    }

    private var countedNames: Int { steps.count - (steps[Self.lastSeen] == nil ? 0 : 1) }

    /// What `$last_seen` is at a time, as JSON.
    package static func lastSeenValue(milliseconds: Int64) -> [UInt8] {
        Array("\"\(Timestamp.propertyText(milliseconds: milliseconds))\"".utf8)
    }

    /// Sets `$last_seen` of a ledger from before it was kept, unless a client did, or nothing is left of all updates.
    ///
    /// - Parameters:
    ///   - milliseconds: when the last update came.
    ///   - linkedSequence: the latest link of the id's cluster then.
    mutating func addLastSeen(milliseconds: Int64, linkedSequence: Int64) {
        guard lastOrder > 0, steps[Self.lastSeen] == nil else { return }
        let time = Self.lastSeenValue(milliseconds: milliseconds)
        let step = ProfileStep(
            order: lastOrder, lastOrder: lastOrder, linkedSequence: linkedSequence, isLiteral: false, change: .set(time)
        )
        steps[Self.lastSeen] = [step]
        sizeBytes += Self.lastSeen.count + 8 + step.sizeBytes
    }

    private mutating func delete(at moment: ProfileMoment) {
        steps = [:]
        sizeBytes = 0
        lastOrder = 0
        // What came to an id before it was in a cluster counts for no other id, so there is nothing to cover.
        if !moment.isLiteral, moment.isClustered {
            deletion = Deletion(order: moment.order, linkedSequence: moment.linkedSequence)
        }
    }

    private mutating func record(
        _ change: ProfileChange, of name: [UInt8], at moment: ProfileMoment, others: [ProfileLedger]
    ) {
        let old = steps[name] ?? []
        if old.isEmpty, name != Self.lastSeen, countedNames >= ProfileLedger.propertyLimit { return }
        var timeline = ProfileTimeline(steps: old, foreign: others.flatMap { $0.foreignSteps(of: name) })
        timeline.append(change, at: moment)
        let nameSize = name.count + 8
        let oldSize = old.isEmpty ? 0 : old.reduce(nameSize) { $0 + $1.sizeBytes }
        let newSize = timeline.steps.isEmpty ? 0 : timeline.steps.reduce(nameSize) { $0 + $1.sizeBytes }
        if newSize > oldSize, sizeBytes - oldSize + newSize > ProfileLedger.sizeLimitBytes { return }
        sizeBytes += newSize - oldSize
        steps[name] = timeline.steps.isEmpty ? nil : timeline.steps
    }

    /// What this ledger means for the steps of another member: its own steps, and its deletion as the end of each.
    private func foreignSteps(of name: [UInt8]) -> [ProfileStep] {
        var foreign = steps[name] ?? []
        if let deletion {
            foreign.append(
                ProfileStep(
                    order: deletion.order, lastOrder: deletion.order, linkedSequence: deletion.linkedSequence,
                    isLiteral: false, change: .unset))
        }
        return foreign
    }
}

extension ProfileOperation {
    /// What the operation does to each property that it names; nothing for a deletion.
    func changes(in bytes: [UInt8]) -> [(name: [UInt8], change: ProfileChange)] {
        let operand = Array(bytes[operand.range])
        switch verb {
        case .delete: return []
        case .unset:
            // A name comes with the quotes of the array's text.
            return JSONBytes.elements(of: operand).compactMap { text in
                text.count >= 2 && JSONBytes.kind(of: text) == .plain ? (Array(text[1..<text.count - 1]), .unset) : nil
            }
        default:
            return JSONBytes.members(of: operand).compactMap { member in
                change(to: member.value).map { (member.name, $0) }
            }
        }
    }

    /// Nil for a value that the operator cannot have, which no checked record brings.
    private func change(to value: [UInt8]) -> ProfileChange? {
        let kind = JSONBytes.kind(of: value)
        switch verb {
        case .set: return .set(value)
        case .setOnce: return .setOnce(value)
        case .add: return kind == .number ? .add(value) : nil
        case .append: return .list(ListChange(appending: value))
        case .union: return kind == .array ? .list(ListChange(uniting: JSONBytes.elements(of: value))) : nil
        case .remove: return .list(ListChange(removing: value))
        case .merge: return kind == .object ? .merge(value) : .set(value)
        case .unset, .delete: return nil
        }
    }
}
