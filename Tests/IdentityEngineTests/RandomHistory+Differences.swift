import IdentityEngine

extension RandomHistory {
    /// Every node and decision of a history.
    struct Play: Equatable {
        var nodes: [Node]
        var decisions: [Decision]
    }

    static func play(_ history: RandomHistory) -> Play {
        var played = History(history.rules)
        var decisions: [Decision] = []
        for step in history.steps {
            switch step {
            case .decide(let event): decisions.append(played.decide(event))
            case .block(let a, let b): played.blockIfApart(a, b)
            case .change(let maxClusterSize, let form): played.change(maxClusterSize, form)
            case .unmergeLink, .unmergeID, .restore: break
            }
        }
        return Play(nodes: played.index.allNodes, decisions: decisions)
    }

    /// Plays a history in the index and in the model, and says where they first differ.
    static func differenceFromModel(_ history: RandomHistory) -> String? {
        var played = History(history.rules)
        var model = NaiveProject(history.rules)
        // Canonical ids and clusters after each sequence, from 0.
        var states = [State(of: model, history.ids)]
        for step in history.steps {
            switch step {
            case .block(let a, let b):
                if played.blockIfApart(a, b) { model.block(a, b) }
            case .change(let maxClusterSize, let form):
                played.change(maxClusterSize, form)
                model.rules = played.rules
            case .unmergeLink, .unmergeID, .restore:
                guard let told = model.unmerge(by: step) else { continue }
                states.append(State(of: model, history.ids))
                played.repeat(told)
                if played.lastSequence != model.lastSequence { return "\(step) got another sequence" }
            case .decide(let event):
                let decision = played.decide(event)
                let ruling = NaiveProject.Ruling(
                    outcome: decision.outcome, hasLink: decision.link != nil, clusterSize: decision.clusterSize,
                    isLogged: decision.isLogged)
                let expected = model.decide(event)
                if ruling != expected { return "\(step): \(ruling), not \(expected)" }
                guard decision.isLogged else { continue }
                states.append(expected.hasLink ? State(of: model, history.ids) : states[states.count - 1])
            }
        }
        return differenceNow(played.index, model, history.ids) ?? differenceThen(played, model, states)
    }

    /// Clusters as sets of ids, and who stands for each.
    private struct State {
        var clusters: [DistinctID: Set<DistinctID>] = [:]
        var canonicalIDs: [DistinctID: DistinctID] = [:]

        init(of model: NaiveProject, _ ids: [DistinctID]) {
            for id in ids {
                if clusters[id] != nil { continue }
                let cluster = model.cluster(of: id)
                let canonicalID = model.canonicalID(of: id)
                for member in cluster {
                    clusters[member] = cluster
                    canonicalIDs[member] = canonicalID
                }
            }
        }
    }

    private static func differenceNow(
        _ index: IdentityIndex, _ model: NaiveProject, _ ids: [DistinctID]
    ) -> String? {
        let used = model.used()
        let aliases = model.aliases()
        for id in ids {
            guard let node = index.node(for: id), let row = model.rows[id] else {
                if index.node(for: id) != nil || model.rows[id] != nil { return "\(id.name) has a row in one only" }
                continue
            }
            let root = index.root(of: node.key)
            let cluster = model.cluster(of: id)
            if node.firstSequence != row.firstSequence { return "\(id.name) came at \(node.firstSequence)" }
            if node.isAnonymousForm != row.isAnonymousForm { return "\(id.name) has another form" }
            if (node.identifiedSequence != 0) != used.contains(id) { return "\(id.name) is used in one only" }
            if (node.aliasSequence != 0) != aliases.contains(id) { return "\(id.name) is an alias in one only" }
            if root.size != cluster.count { return "\(id.name) is one of \(root.size), not \(cluster.count)" }
            if root.identifiedCount != cluster.intersection(used).count {
                return "\(id.name) is with \(root.identifiedCount) used ids"
            }
            if let other = cluster.min(), other != id, let path = index.node(for: other).map(index.path) {
                let since = joinSequence(index.path(of: node), path)
                guard model.cluster(of: id, bySequence: since).contains(other),
                    !model.cluster(of: id, bySequence: since - 1).contains(other)
                else { return "\(id.name) is with \(other.name) since \(since)" }
            }
            if root.canonicalRank != index.node(root.canonical)?.rank { return "\(id.name) has an old rank" }
        }
        return nil
    }

    private static func differenceThen(
        _ played: History, _ model: NaiveProject, _ states: [State]
    ) -> String? {
        let index = played.index
        for (id, canonicalID) in states[states.count - 1].canonicalIDs {
            if index.canonicalID(of: id) != canonicalID { return "\(id.name) is not \(canonicalID.name)" }
            var since = Int64(states.count - 1)
            while since > 0, states[Int(since) - 1].canonicalIDs[id] == canonicalID { since -= 1 }
            guard let node = index.node(for: id) else { continue }
            let expected = max(since, node.firstSequence)
            let found = index.canonicalSince(of: node)
            if found != expected { return "\(id.name) is \(canonicalID.name) since \(found), not \(expected)" }
        }
        for (sequence, state) in states.enumerated() {
            for (id, canonicalID) in state.canonicalIDs {
                let found = played.canonicalID(of: id, asOf: Int64(sequence))
                guard found == canonicalID else { return "\(id.name) was \(found.name) at \(sequence)" }
                guard let node = played.node(for: id), node.firstSequence <= sequence else { continue }
                let asOf = sequence == states.count - 1 ? Int64.max : Int64(sequence)
                let cluster = played.cluster(of: node, asOf: asOf)
                if cluster.canonical.id != canonicalID { return "\(id.name) was under \(cluster.canonical.id.name)" }
                let members = cluster.members.map(\.id)
                if Set(members) != state.clusters[id] || Set(members).count != members.count {
                    return "\(id.name) was with \(members.map(\.name)) at \(sequence)"
                }
            }
        }
        return nil
    }

    /// Decides each step in an index that holds no more than the contract of `decide` asks for, as a durable store
    /// does, and says whether what it hands out to be written comes to the rows of one index that holds all.
    static func differenceWhenLoaded(_ history: RandomHistory) -> String? {
        var whole = History(history.rules)
        var rows: [NodeKey: Node] = [:]
        var statements: Set<LinkStatement> = []
        var nextKey: NodeKey = 1
        for step in history.steps {
            guard case .decide(let event) = step else { continue }
            var batch = IdentityIndex(nextKey: nextKey)
            for id in [event.primary, event.secondary] {
                guard var node = rows.values.first(where: { $0.id == id }) else { continue }
                batch.admit(node)
                while !node.isRoot, let parent = rows[node.parent] {
                    node = parent
                    batch.admit(node)
                }
            }
            for statement in statements { batch.admit(activeLink: statement) }
            let sequence = whole.lastSequence + 1
            let decision = batch.decide(
                event, by: history.rules, sequence: sequence, timeMilliseconds: sequence * 1000)
            if decision != whole.decide(event) { return "\(step) is decided otherwise" }
            for node in batch.takeChangedNodes() { rows[node.key] = node }
            if let link = decision.link { statements.insert(link.statement) }
            nextKey = batch.nextKey
        }
        return rows.values.sorted { $0.key < $1.key } == whole.index.allNodes ? nil : "rows differ"
    }
}

extension History {
    /// Blocks a pair if both ids have a row and are apart: no unmerge blocks another.
    @discardableResult
    mutating func blockIfApart(_ a: DistinctID, _ b: DistinctID) -> Bool {
        guard let first = index.node(for: a), let second = index.node(for: b),
            index.root(of: first.key).key != index.root(of: second.key).key
        else { return false }
        index.admit(blockedPair: NodePair(first.key, second.key))
        return true
    }

    mutating func change(_ maxClusterSize: Int, _ form: AnonymousForm) {
        rules.maxClusterSize = maxClusterSize
        rules.anonymousForm = form
    }
}

/// An unmerge or a restore, as the model did it.
enum Told {
    case unmerge([Int64], keepsApart: Bool)
    case restore(Int64)
}

extension NaiveProject {
    /// Does what a step says, where there is anything that it can be done to.
    fileprivate mutating func unmerge(by step: RandomHistory.Step) -> Told? {
        switch step {
        case .unmergeLink(let number, let keepsApart):
            let active = activeLinks()
            guard !active.isEmpty else { return nil }
            let chosen = [active[number % active.count]]
            unmerge(chosen, keepsApart: keepsApart)
            return .unmerge(chosen, keepsApart: keepsApart)
        case .unmergeID(let id, let keepsApart):
            let active = activeLinks(of: id)
            guard !active.isEmpty else { return nil }
            unmerge(active, keepsApart: keepsApart)
            return .unmerge(active, keepsApart: keepsApart)
        case .restore(let number):
            let open = openUnmerges
            guard !open.isEmpty else { return nil }
            let chosen = open[number % open.count]
            restore(chosen)
            return .restore(chosen)
        default: return nil
        }
    }
}
