/// The profiles that the members of one cluster have, and the one that the cluster has (P 7.10-1).
///
/// The view of a member is what it would have had if what came to the other members after they joined it had been sent
/// to it: a plain replay, in order, of its own steps and of those that count.
package struct ProfileViews {
    /// A member that was sent an update.
    package struct Member: Sendable {
        package let ledger: ProfileLedger
        /// When its last update was received.
        package let updatedMilliseconds: Int64

        package init(ledger: ProfileLedger, updatedMilliseconds: Int64) {
            self.ledger = ledger
            self.updatedMilliseconds = updatedMilliseconds
        }
    }

    /// What a cluster has.
    package struct Profile: Hashable, Sendable {
        /// The place, among the members, of the first in rank that was sent something that counts.
        package let owner: Int
        /// A minified JSON object, its names in byte order.
        package let properties: [UInt8]
        package let updatedMilliseconds: Int64
    }

    /// The first in rank first.
    private let members: [Member]
    private let joinSequence: (Int, Int) -> Int64

    /// The views of a cluster.
    ///
    /// - Parameters:
    ///   - members: the members that were sent updates, the first in rank first.
    ///   - joinSequence: the sequence of the link since which two of them are together.
    package init(_ members: [Member], joinSequence: @escaping (Int, Int) -> Int64) {
        self.members = members
        self.joinSequence = joinSequence
    }

    /// The cluster's profile; nil where it has none.
    package func profile(by rule: ProfileMergeRule) -> Profile? {
        guard let owner = firstOwner else { return nil }
        switch rule {
        case .hide: return profile(ofViewer: owner)
        case .fill: return filledProfile(from: owner)
        }
    }

    /// The profile that a member has in its own view.
    ///
    /// - Parameter place: the member's place.
    /// - Returns: its profile; nil where it has none, and nothing came to the others since.
    package func profile(ofViewer place: Int) -> Profile? {
        let view = View(of: place, among: members, joinSequence)
        guard view.exists else { return nil }
        return Profile(
            owner: view.isOwner ? place : view.firstCounted ?? place,
            properties: ProfileViews.object(view.properties, first: Set(view.ownProperties.keys)),
            updatedMilliseconds: view.updatedMilliseconds)
    }

    /// The first member in rank that has a property of its own, or else the first that has a profile at all.
    private var firstOwner: Int? {
        var empty: Int?
        for place in members.indices {
            let view = View(of: place, among: members, joinSequence)
            guard view.isOwner else { continue }
            // `$last_seen` alone says nothing of anyone.
            if view.ownProperties.contains(where: { $0.key != ProfileLedger.lastSeen }) { return place }
            empty = empty ?? place
        }
        return empty
    }

    /// Each property as the first member in rank sees it that has it itself; `$last_seen` as it was set last.
    private func filledProfile(from owner: Int) -> Profile {
        var properties: [[UInt8]: [UInt8]] = [:]
        var names: Set<[UInt8]> = []
        var updated = Int64.min
        var lastSeen: (order: Int64, value: [UInt8])?
        for place in members.indices {
            let view = View(of: place, among: members, joinSequence)
            guard view.exists else { continue }
            updated = max(updated, view.updatedMilliseconds)
            if let last = view.lastSeen, last.order > lastSeen?.order ?? 0 { lastSeen = last }
            let missing = view.ownProperties.keys.filter { properties[$0] == nil }
            guard !missing.isEmpty, properties.count < ProfileLedger.propertyLimit else { continue }
            let seen = view.properties
            for name in missing { properties[name] = seen[name] }
            if place == owner { names = Set(properties.keys) }
        }
        properties[ProfileLedger.lastSeen] = lastSeen?.value
        return Profile(
            owner: owner, properties: ProfileViews.object(properties, first: names), updatedMilliseconds: updated)
    }

    /// The text of an object, within the limits of a profile: what is beyond them is left out, last what stands first.
    private static func object(_ properties: [[UInt8]: [UInt8]], first: Set<[UInt8]>) -> [UInt8] {
        var members = properties.map { JSONBytes.Member(name: $0.key, value: $0.value) }
        let lastSeen = members.firstIndex { $0.name == ProfileLedger.lastSeen }.map { members.remove(at: $0) }
        let size = members.reduce(0) { $0 + $1.name.count + $1.value.count + 4 }
        if members.count > ProfileLedger.propertyLimit || size > ProfileLedger.sizeLimitBytes {
            members.sort { a, b in
                let (isFirst, isNext) = (first.contains(a.name), first.contains(b.name))
                return isFirst == isNext ? a.name.lexicographicallyPrecedes(b.name) : isFirst
            }
            var room = ProfileLedger.sizeLimitBytes
            members = Array(members.prefix(ProfileLedger.propertyLimit))
            members.removeAll { member in
                let size = member.name.count + member.value.count + 4
                guard size <= room else { return true }
                room -= size
                return false
            }
        }
        if let lastSeen { members.append(lastSeen) }
        return JSONBytes.object(members.sorted { $0.name.lexicographicallyPrecedes($1.name) })
    }
}

/// What counts for one member.
private struct View {
    private let own: ProfileViews.Member
    /// The other members, with the sequence since which they are together with this one.
    private let others: [(place: Int, member: ProfileViews.Member, joinSequence: Int64)]
    /// The last deletion that counts: nothing before it does.
    private let deletionOrder: Int64

    init(of place: Int, among members: [ProfileViews.Member], _ joinSequence: (Int, Int) -> Int64) {
        own = members[place]
        var others: [(place: Int, member: ProfileViews.Member, joinSequence: Int64)] = []
        var deletionOrder = own.ledger.deletion?.order ?? 0
        for (other, member) in members.enumerated() where other != place {
            let sequence = joinSequence(place, other)
            others.append((other, member, sequence))
            if let deletion = member.ledger.deletion, deletion.linkedSequence >= sequence {
                deletionOrder = max(deletionOrder, deletion.order)
            }
        }
        self.others = others
        self.deletionOrder = deletionOrder
    }

    /// Whether the member was sent something that counts.
    var isOwner: Bool { own.ledger.lastOrder > deletionOrder }

    /// Whether anyone was.
    var exists: Bool { isOwner || firstCounted != nil }

    /// The first in rank of the other members that was sent something that counts.
    var firstCounted: Int? { others.first { counts($0.member.ledger, since: $0.joinSequence) }?.place }

    /// When the last of what counts was received.
    var updatedMilliseconds: Int64 {
        let counted = others.lazy.filter { counts($0.member.ledger, since: $0.joinSequence) }
        let first = isOwner ? own.updatedMilliseconds : .min
        return counted.reduce(first) { max($0, $1.member.updatedMilliseconds) }
    }

    /// What the member would have without the others.
    var ownProperties: [[UInt8]: [UInt8]] {
        own.ledger.steps.compactMapValues { steps in
            steps.reduce(nil as [UInt8]?) { $1.order > deletionOrder ? $1.change.applied(to: $0) : $0 }
        }
    }

    /// What the member has.
    var properties: [[UInt8]: [UInt8]] {
        var names = Set(own.ledger.steps.keys)
        for other in others { names.formUnion(other.member.ledger.steps.keys) }
        var properties: [[UInt8]: [UInt8]] = [:]
        for name in names {
            var steps = own.ledger.steps[name] ?? []
            for other in others {
                steps += (other.member.ledger.steps[name] ?? []).filter { counts($0, since: other.joinSequence) }
            }
            // The steps of one id stand in order already, and no two ids have one place.
            if !others.isEmpty { steps.sort { $0.order < $1.order } }
            properties[name] = steps.reduce(nil as [UInt8]?) {
                $1.order > deletionOrder ? $1.change.applied(to: $0) : $0
            }
        }
        return properties
    }

    /// What the member has as `$last_seen`, with the place of the change that made it so; nil where it has none.
    var lastSeen: (order: Int64, value: [UInt8])? {
        let name = ProfileLedger.lastSeen
        var steps = own.ledger.steps[name] ?? []
        for other in others {
            steps += (other.member.ledger.steps[name] ?? []).filter { counts($0, since: other.joinSequence) }
        }
        steps.removeAll { $0.order <= deletionOrder }
        steps.sort { $0.order < $1.order }
        guard let order = steps.last?.lastOrder,
            let value = steps.reduce(nil as [UInt8]?, { $1.change.applied(to: $0) })
        else { return nil }
        return (order, value)
    }

    /// Whether a step of another member counts: it was not for the literal id, and came after the two were together.
    private func counts(_ step: ProfileStep, since sequence: Int64) -> Bool {
        !step.isLiteral && step.linkedSequence >= sequence && step.order > deletionOrder
    }

    private func counts(_ ledger: ProfileLedger, since sequence: Int64) -> Bool {
        ledger.steps.values.contains { $0.contains { counts($0, since: sequence) } }
    }
}
