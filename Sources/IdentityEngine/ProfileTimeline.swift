/// The steps of one property of one id, beside those that other members of its cluster took since the latest link.
struct ProfileTimeline {
    private(set) var steps: [ProfileStep]
    /// In no order.
    let foreign: [ProfileStep]

    /// Takes one more step, in as few steps as no view can tell.
    mutating func append(_ change: ProfileChange, at moment: ProfileMoment) {
        if change.isAbsolute { return replace(with: change, at: moment) }
        if case .setOnce = change, isThere(at: moment) { return }
        if fold(change, at: moment) { return }
        var change = change
        if steps.isEmpty, !moment.isClustered {
            // No other id's view will ever have this step, and the id's own begins with it.
            guard let value = change.applied(to: nil) else { return }
            change = .set(value)
        }
        add(change, at: moment)
        shorten()
    }

    /// An absolute step hides those before it from every view that has it.
    ///
    /// One for the literal id is not seen by others, so that it leaves what they see.
    private mutating func replace(with change: ProfileChange, at moment: ProfileMoment) {
        steps.removeAll { $0.isLiteral || !moment.isLiteral }
        // What came to an id before it was in a cluster is in no view but its own, and there nothing is left to hide.
        if change == .unset, steps.isEmpty, !moment.isClustered { return }
        add(change, at: moment)
        shorten()
    }

    private mutating func add(_ change: ProfileChange, at moment: ProfileMoment) {
        steps.append(
            ProfileStep(
                order: moment.order, lastOrder: moment.order, linkedSequence: moment.linkedSequence,
                isLiteral: moment.isLiteral, change: change))
    }

    /// Whether the property is there for certain, in every view that a step at this moment would be in.
    private func isThere(at moment: ProfileMoment) -> Bool {
        guard
            let last = steps.last(where: {
                $0.change.isCreating && $0.isLiteral == moment.isLiteral && $0.linkedSequence == moment.linkedSequence
            })
        else { return false }
        let isUnset = { (step: ProfileStep) in step.change == .unset && step.lastOrder > last.lastOrder }
        return !foreign.contains(where: isUnset) && !steps.contains(where: isUnset)
    }

    /// Folds a relative change into a step before it.
    ///
    /// - Returns: whether there is such a step.
    private mutating func fold(_ change: ProfileChange, at moment: ProfileMoment) -> Bool {
        for place in steps.indices.reversed() {
            let step = steps[place]
            guard step.isLiteral == moment.isLiteral, step.linkedSequence == moment.linkedSequence,
                step.change.isAbsolute || step.change.isOfKind(of: change)
            else { continue }
            let between = steps[(place + 1)...]
            let own = between.filter { $0.isLiteral == step.isLiteral }
            let others =
                foreign.filter { $0.lastOrder > step.lastOrder } + between.filter { $0.isLiteral != step.isLiteral }
            let commutes =
                step.change.isCreating
                ? others.allSatisfy { commute($0.change, change) } : others.isEmpty && own.isEmpty
            guard commutes else { return false }
            // A change that leaves the value does not make the step later: what came between may matter to the next.
            if case .set(let value) = step.change, !change.fits(value) { return true }
            guard let folded = step.change.followed(by: change) else { return false }
            if folded.sizeBytes > max(ProfileChange.sizeLimitBytes, step.change.sizeBytes) { return true }
            steps[place].change = folded
            steps[place].lastOrder = moment.order
            return true
        }
        return false
    }

    /// Whether a change may trade places with what came before it, where the property is there at both places: then
    /// relative changes of two kinds do not meet, and sums have no order.
    private func commute(_ earlier: ProfileChange, _ change: ProfileChange) -> Bool {
        if earlier.isAbsolute { return false }
        if case .add = change { return true }
        return !earlier.isOfKind(of: change)
    }

    /// Keeps the steps since one link below their limit, by folding two of them that a view might tell apart: the
    /// oldest that no absolute step of another member parts, so that the cluster's own view stays the same.
    private mutating func shorten() {
        while let last = steps.last,
            steps.count(where: { $0.linkedSequence == last.linkedSequence }) > ProfileLedger.stepLimit
        {
            guard let pair = oldestPair(parting: true) ?? oldestPair(parting: false) else { return }
            steps[pair.earlier].change = pair.change
            steps[pair.earlier].lastOrder = steps[pair.later].lastOrder
            steps.remove(at: pair.later)
        }
    }

    private struct Pair {
        let earlier: Int
        let later: Int
        let change: ProfileChange
    }

    private func oldestPair(parting isKept: Bool) -> Pair? {
        let partings = isKept ? foreign.filter(\.change.isAbsolute).map(\.lastOrder) : []
        for (earlier, step) in steps.enumerated() {
            for later in steps.indices.dropFirst(earlier + 1) {
                let next = steps[later]
                guard next.linkedSequence == step.linkedSequence, next.isLiteral == step.isLiteral,
                    !next.change.isAbsolute,
                    !partings.contains(where: { $0 > step.lastOrder && $0 < next.order }),
                    let change = step.change.followed(by: next.change, isExact: false)
                else { continue }
                return Pair(earlier: earlier, later: later, change: change)
            }
        }
        return nil
    }
}
