extension ProfileLedger {
    /// The version of the encoding: the first byte of every ledger that is stored.
    private static let version: UInt8 = 2
    /// The same, but written by a version that kept no `$last_seen`.
    private static let versionWithoutLastSeen: UInt8 = 1

    /// The ledger as bytes: the same for equal ledgers.
    package var encoded: [UInt8] {
        var output = LedgerOutput()
        output.bytes.append(ProfileLedger.version)
        output.append(UInt64(lastOrder))
        output.append(UInt64(deletion?.order ?? 0))
        output.append(UInt64(deletion?.linkedSequence ?? 0))
        output.append(UInt64(steps.count))
        for (name, steps) in steps.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            output.append(name)
            output.append(UInt64(steps.count))
            for step in steps { output.append(step) }
        }
        return output.bytes
    }

    /// A ledger that was encoded; nil where the bytes are none.
    ///
    /// Counts are never believed: each thing that is counted takes a byte at least, and the bytes end.
    ///
    /// - Parameters:
    ///   - encoded: the bytes.
    ///   - updatedMilliseconds: when its last update came.
    ///   - linkedSequence: the latest link of the id's cluster then.
    package init?(encoded: [UInt8], updatedMilliseconds: Int64, linkedSequence: Int64) {
        self.init()
        var input = LedgerInput(encoded)
        guard let version = input.byte(), [Self.version, Self.versionWithoutLastSeen].contains(version),
            let lastOrder = input.integer(),
            let deletionOrder = input.integer(), let deletionSequence = input.integer(), let count = input.integer()
        else { return nil }
        self.lastOrder = lastOrder
        if deletionOrder > 0 { deletion = Deletion(order: deletionOrder, linkedSequence: deletionSequence) }
        for _ in 0..<count {
            guard let name = input.text(), let stepCount = input.integer(), stepCount > 0, steps[name] == nil
            else { return nil }
            var timeline: [ProfileStep] = []
            for _ in 0..<stepCount {
                guard let step = input.step() else { return nil }
                timeline.append(step)
            }
            sizeBytes += timeline.reduce(name.count + 8) { $0 + $1.sizeBytes }
            steps[name] = timeline
        }
        guard input.isAtEnd else { return nil }
        if version == Self.versionWithoutLastSeen {
            addLastSeen(milliseconds: updatedMilliseconds, linkedSequence: linkedSequence)
        }
    }
}

/// The kinds of a step, as they are stored; never renumbered.
private enum StepKind: UInt8 {
    case set = 1
    case unset = 2
    case setOnce = 3
    case add = 4
    case list = 5
    case merge = 6

    static let literalBit: UInt8 = 0x80
}

private struct LedgerOutput {
    var bytes: [UInt8] = []

    /// Seven bits in a byte, the least first; the eighth says that more follow.
    mutating func append(_ number: UInt64) {
        var number = number
        while number >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: number) | 0x80)
            number >>= 7
        }
        bytes.append(UInt8(number))
    }

    mutating func append(_ text: [UInt8]) {
        append(UInt64(text.count))
        bytes.append(contentsOf: text)
    }

    mutating func append(_ step: ProfileStep) {
        append(UInt64(step.order))
        append(UInt64(step.lastOrder - step.order))
        append(UInt64(step.linkedSequence))
        let literal = step.isLiteral ? StepKind.literalBit : 0
        switch step.change {
        case .set(let value): append(.set, literal, value)
        case .unset: bytes.append(StepKind.unset.rawValue | literal)
        case .setOnce(let value): append(.setOnce, literal, value)
        case .add(let value): append(.add, literal, value)
        case .merge(let value): append(.merge, literal, value)
        case .list(let change):
            bytes.append(StepKind.list.rawValue | literal)
            bytes.append(change.isCreating ? 1 : 0)
            append(UInt64(change.removals.count))
            for value in change.removals { append(value) }
            append(UInt64(change.additions.count))
            for addition in change.additions {
                bytes.append(addition.isForMissing ? 1 : 0)
                append(addition.value)
            }
        }
    }

    private mutating func append(_ kind: StepKind, _ literal: UInt8, _ value: [UInt8]) {
        bytes.append(kind.rawValue | literal)
        append(value)
    }
}

private struct LedgerInput {
    private let bytes: [UInt8]
    private var place = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { place == bytes.count }

    mutating func byte() -> UInt8? {
        guard place < bytes.count else { return nil }
        defer { place += 1 }
        return bytes[place]
    }

    mutating func integer() -> Int64? {
        var number: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = byte(), shift < 64 {
            number |= UInt64(byte & 0x7f) << shift
            // Places and sequences that are given stay far below it, so that one more is never too many.
            if byte < 0x80 { return number < 1 << 60 ? Int64(number) : nil }
            shift += 7
        }
        return nil
    }

    mutating func text() -> [UInt8]? {
        guard let count = integer(), count <= bytes.count - place else { return nil }
        defer { place += Int(count) }
        return Array(bytes[place..<place + Int(count)])
    }

    mutating func step() -> ProfileStep? {
        guard let order = integer(), let span = integer(), let linkedSequence = integer(), let head = byte(),
            let kind = StepKind(rawValue: head & ~StepKind.literalBit), let change = change(kind)
        else { return nil }
        let (lastOrder, isTooGreat) = order.addingReportingOverflow(span)
        guard !isTooGreat else { return nil }
        return ProfileStep(
            order: order, lastOrder: lastOrder, linkedSequence: linkedSequence,
            isLiteral: head & StepKind.literalBit != 0, change: change)
    }

    private mutating func change(_ kind: StepKind) -> ProfileChange? {
        switch kind {
        case .set: text().map { .set($0) }
        case .unset: .unset
        case .setOnce: text().map { .setOnce($0) }
        case .add: text().map { .add($0) }
        case .merge: text().map { .merge($0) }
        case .list: list().map { .list($0) }
        }
    }

    private mutating func list() -> ListChange? {
        guard let isCreating = byte(), let removalCount = integer() else { return nil }
        var removals: [[UInt8]] = []
        for _ in 0..<removalCount {
            guard let value = text() else { return nil }
            removals.append(value)
        }
        guard let additionCount = integer() else { return nil }
        var additions: [ListChange.Addition] = []
        for _ in 0..<additionCount {
            guard let isForMissing = byte(), let value = text() else { return nil }
            additions.append(ListChange.Addition(value: value, isForMissing: isForMissing != 0))
        }
        return ListChange(removals: removals, additions: additions, isCreating: isCreating != 0)
    }
}
