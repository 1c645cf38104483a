import IdentityEngine

extension MemoryProject {
    mutating func apply(_ plan: AmendmentPlan) {
        let sequence = plan.report.entry.sequence
        append(plan.report.entry)
        index.replace(plan.nodes)
        for link in plan.links { append(LinkState(fromSequence: sequence, isActive: plan.isActive), of: link) }
        if plan.isActive {
            for link in plan.links { index.admit(activeLink: link.statement) }
        } else {
            // After a restore, two links may say the same.
            var stated: Set<LinkStatement> = []
            for key in Set(plan.links.map(\.from)) {
                stated.formUnion(links(of: key, activeAsOf: .max).lazy.map(\.statement))
            }
            for link in plan.links where !stated.contains(link.statement) { index.forget(activeLink: link.statement) }
        }
        for pair in plan.blocked {
            block(pair, sequence: sequence)
            index.admit(blockedPair: pair)
        }
        for pair in plan.lifted { index.forget(blockedPair: pair) }
        forget(blocks: plan.lifted)
    }

    /// Logs that the rules change, where the log has begun.
    mutating func logRules(from: MergeRules, to: MergeRules, nowMilliseconds: Int64) {
        guard let last = log.last, from != to else { return }
        append(
            AmendmentEntry(
                sequence: last.sequence + 1, timeMilliseconds: max(nowMilliseconds, leastEntryMilliseconds),
                amendment: .rules(from: from, to: to), ids: [], origin: .command))
    }
}
