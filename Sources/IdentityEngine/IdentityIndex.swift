/// The part of a project's identity state that decisions need: nodes by id and by key, active links, blocked pairs.
///
/// The Memory store keeps one whole; other stores fill one for each batch with the rows that the batch names. `decide`
/// changes it, and `takeChangedNodes` hands out what must be written.
package struct IdentityIndex: Sendable {
    private var nodes: [Node] = []
    private var slotByID: [DistinctID: Int] = [:]
    /// The slots of keys that do not stand in the order of their numbers, from 1, as those of one project alone do.
    private var slotByKey: [NodeKey: Int] = [:]
    private var activeLinks: Set<LinkStatement> = []
    private var blockedPairs: Set<NodePair> = []
    private var liftedPairs: [NodePair] = []
    private var changedSlots: [Int] = []
    private var isChanged: [Bool] = []

    /// The key that the next new node gets.
    ///
    /// A store sets it before deciding, and reads it back after.
    package var nextKey: NodeKey

    package init(nextKey: NodeKey = 1) { self.nextKey = nextKey }

    /// How many nodes are loaded.
    package var count: Int { nodes.count }

    /// Puts in a node as a store has it; a node that is there already stays as it is.
    package mutating func admit(_ node: Node) {
        guard knownSlot(of: node.key) == nil else { return }
        insert(node)
    }

    /// Puts in an active link, so that a repeat of its statement makes no second one.
    package mutating func admit(activeLink statement: LinkStatement) {
        activeLinks.insert(statement)
    }

    /// Puts in a pair that an unmerge parted and that `$identify` and `$create_alias` may not join again (P 7.2-3b).
    package mutating func admit(blockedPair pair: NodePair) { blockedPairs.insert(pair) }

    package func node(for id: DistinctID) -> Node? { slotByID[id].map { nodes[$0] } }

    package func node(_ key: NodeKey) -> Node? { knownSlot(of: key).map { nodes[$0] } }

    /// Every node, in the order of its key where all were made here.
    package var allNodes: [Node] { nodes }

    /// The nodes made or changed since the last call, each once.
    package mutating func takeChangedNodes() -> [Node] {
        let changed = changedSlots.map { nodes[$0] }
        for slot in changedSlots { isChanged[slot] = false }
        changedSlots.removeAll(keepingCapacity: true)
        return changed
    }

    /// Puts the slots of the nodes made or changed since the last call in the place of what an array has, each once.
    mutating func takeChangedSlots(into slots: inout [Int]) {
        for slot in changedSlots { isChanged[slot] = false }
        swap(&slots, &changedSlots)
        changedSlots.removeAll(keepingCapacity: true)
    }

    /// The blocks that decisions lifted since the last call.
    package mutating func takeLiftedBlocks() -> [NodePair] {
        defer { liftedPairs = [] }
        return liftedPairs
    }

    /// Puts nodes as an amendment left them in the place of what they were.
    ///
    /// Nothing may have changed since `takeChangedNodes`: what is put in counts as written.
    package mutating func replace(_ revised: [Node]) {
        precondition(changedSlots.isEmpty, "nodes were changed and not yet written")
        for node in revised { nodes[slot(of: node.key)] = node }
    }

    /// Takes out an active link that an unmerge switched off.
    package mutating func forget(activeLink statement: LinkStatement) { activeLinks.remove(statement) }

    /// Takes out a block.
    package mutating func forget(blockedPair pair: NodePair) { blockedPairs.remove(pair) }

    /// Takes out nodes, and every link and block that has one of them at an end.
    ///
    /// Nothing may have changed since `takeChangedNodes`, and no node that stays may hang under one that goes: a
    /// cluster goes whole.
    package mutating func remove(_ keys: Set<NodeKey>) {
        precondition(changedSlots.isEmpty, "nodes were changed and not yet written")
        nodes.removeAll { keys.contains($0.key) }
        slotByID = [:]
        slotByKey = [:]
        for (slot, node) in nodes.enumerated() {
            slotByID[node.id] = slot
            if node.key != slot + 1 { slotByKey[node.key] = slot }
        }
        isChanged = nodes.map { _ in false }
        activeLinks = activeLinks.filter { !keys.contains($0.from) && !keys.contains($0.to) }
        blockedPairs = blockedPairs.filter { !keys.contains($0.low) && !keys.contains($0.high) }
    }

    /// The root of a loaded node.
    ///
    /// Every node on the way must be loaded; the way is at most log2(size) steps.
    package func root(of key: NodeKey) -> Node { nodes[rootSlot(slot(of: key))] }
}

extension IdentityIndex {
    func slot(for id: DistinctID) -> Int? { slotByID[id] }

    func slot(of key: NodeKey) -> Int {
        guard let slot = knownSlot(of: key) else { preconditionFailure("node \(key) is named but was not loaded") }
        return slot
    }

    private func knownSlot(of key: NodeKey) -> Int? {
        if key > 0, key <= nodes.count, nodes[Int(key) - 1].key == key { return Int(key) - 1 }
        return slotByKey[key]
    }

    func rootSlot(_ slot: Int) -> Int {
        var slot = slot
        while !nodes[slot].isRoot { slot = self.slot(of: nodes[slot].parent) }
        return slot
    }

    func node(at slot: Int) -> Node { nodes[slot] }

    /// Whether an active link that says this is loaded.
    package func hasActiveLink(_ statement: LinkStatement) -> Bool { activeLinks.contains(statement) }

    func isBlocked(_ a: NodeKey, _ b: NodeKey) -> Bool {
        !blockedPairs.isEmpty && blockedPairs.contains(NodePair(a, b))
    }

    /// Lifts a block because of a decision: the store has to forget it too.
    mutating func unblock(_ a: NodeKey, _ b: NodeKey) {
        if let lifted = blockedPairs.remove(NodePair(a, b)) { liftedPairs.append(lifted) }
    }

    mutating func change(_ slot: Int, _ body: (inout Node) -> Void) {
        body(&nodes[slot])
        markChanged(slot)
    }

    /// The slot of an id, whose node is made if there is none.
    mutating func slot(
        making id: DistinctID, form: AnonymousForm, sequence: Int64, timeMilliseconds: Int64
    ) -> Int {
        if let slot = slotByID[id] { return slot }
        let node = Node(
            key: nextKey, id: id, isAnonymousForm: form.matches(id),
            sequence: sequence, timeMilliseconds: timeMilliseconds)
        nextKey += 1
        insert(node)
        markChanged(nodes.count - 1)
        return nodes.count - 1
    }

    private mutating func insert(_ node: Node) {
        slotByID[node.id] = nodes.count
        if node.key != nodes.count + 1 { slotByKey[node.key] = nodes.count }
        nodes.append(node)
        isChanged.append(false)
    }

    private mutating func markChanged(_ slot: Int) {
        guard !isChanged[slot] else { return }
        isChanged[slot] = true
        changedSlots.append(slot)
    }
}
