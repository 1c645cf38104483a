/// What an update does to one property, as a value that can be applied and kept.
///
/// A value is minified JSON. Changes other than `set` and `unset` depend on what is there, and never change its type:
/// where the type does not fit, they leave it (P 10-2).
package enum ProfileChange: Hashable, Sendable {
    case set([UInt8])
    case unset
    /// Sets a property that is missing.
    case setOnce([UInt8])
    /// Adds a number; a missing property counts as 0.
    case add([UInt8])
    case list(ListChange)
    /// Merges an object deeply into an object; a missing property counts as `{}`.
    case merge([UInt8])

    /// A list grows, or an object by merging, to this size at most; a change that would go beyond leaves it.
    package static let sizeLimitBytes = 256 << 10

    /// The value that a property has after the change; nil where it is missing.
    package func applied(to value: [UInt8]?) -> [UInt8]? {
        switch self {
        case .set(let new): return new
        case .unset: return nil
        case .setOnce(let new): return value ?? new
        case .add(let number):
            guard let value else { return number }
            return JSONBytes.kind(of: value) == .number ? JSONNumber.sum(value, number) : value
        case .list(let change):
            guard let value else { return change.isCreating ? change.applied(to: []) : nil }
            guard JSONBytes.kind(of: value) == .array else { return value }
            let list = change.applied(toList: value)
            return list.count <= max(ProfileChange.sizeLimitBytes, value.count) ? list : value
        case .merge(let object):
            guard let value else { return object }
            guard JSONBytes.kind(of: value) == .object else { return value }
            let merged = JSONBytes.merged(value, with: object)
            return merged.count <= max(ProfileChange.sizeLimitBytes, value.count) ? merged : value
        }
    }

    /// Whether the value after the change does not depend on the value before.
    var isAbsolute: Bool {
        switch self {
        case .set, .unset: true
        default: false
        }
    }

    /// Whether the property is there after the change, whatever was before.
    var isCreating: Bool {
        switch self {
        case .set, .setOnce, .add, .merge: true
        case .unset: false
        case .list(let change): change.isCreating
        }
    }

    /// Whether two changes are of one kind, and so may have an effect on the same value.
    func isOfKind(of other: ProfileChange) -> Bool {
        switch (self, other) {
        case (.setOnce, .setOnce), (.add, .add), (.list, .list), (.merge, .merge): true
        default: false
        }
    }

    /// Whether a relative change may do something to a value.
    func fits(_ value: [UInt8]) -> Bool {
        switch (self, JSONBytes.kind(of: value)) {
        case (.add, .number), (.list, .array), (.merge, .object): true
        default: false
        }
    }

    /// One change that does what this one and then another do.
    ///
    /// - Parameters:
    ///   - next: the later change: one that is not absolute.
    ///   - isExact: false to get the nearest change where there is no exact one.
    /// - Returns: the change; nil where no single change does.
    func followed(by next: ProfileChange, isExact: Bool = true) -> ProfileChange? {
        switch (self, next) {
        case (.set(let value), _): next.applied(to: value).map { .set($0) }
        case (.unset, _): next.applied(to: nil).map { .set($0) } ?? .unset
        case (.setOnce, .setOnce): self
        case (.add(let a), .add(let b)): .add(JSONNumber.sum(a, b))
        case (.list(let a), .list(let b)): .list(a.followed(by: b))
        case (.merge(let a), .merge(let b)):
            isExact && !JSONBytes.areMergeable(a, b) ? nil : .merge(JSONBytes.merged(a, with: b))
        default: nil
        }
    }

    /// About how many bytes the change takes.
    var sizeBytes: Int {
        switch self {
        case .set(let value), .setOnce(let value), .add(let value), .merge(let value): value.count
        case .unset: 0
        case .list(let change): change.sizeBytes
        }
    }
}

/// What several `$append`, `$union` and `$remove` do to a list, one after the other: values go, and others come after
/// those that stay.
package struct ListChange: Hashable, Sendable {
    /// One value that comes at the end.
    package struct Addition: Hashable, Sendable {
        package var value: [UInt8]
        /// Whether it comes only where the list has no equal value.
        package var isForMissing: Bool
    }

    /// The values of which the list keeps none, each in its comparable form, once.
    package private(set) var removals: [[UInt8]] = []
    package private(set) var additions: [Addition] = []
    /// Whether it makes a list of a missing property.
    package private(set) var isCreating = false

    /// `$append`.
    package init(appending value: [UInt8]) {
        additions = [Addition(value: value, isForMissing: false)]
        isCreating = true
    }

    /// `$union`, with the elements of an array.
    package init(uniting values: [[UInt8]]) {
        isCreating = true
        var known: Set<[UInt8]> = []
        for value in values where known.insert(JSONBytes.comparable(value)).inserted {
            additions.append(Addition(value: value, isForMissing: true))
        }
    }

    /// `$remove`: every element that is equal to the value.
    package init(removing value: [UInt8]) { removals = [JSONBytes.comparable(value)] }

    /// A change as it was kept.
    init(removals: [[UInt8]], additions: [Addition], isCreating: Bool) {
        self.removals = removals
        self.additions = additions
        self.isCreating = isCreating
    }

    var sizeBytes: Int {
        removals.reduce(0) { $0 + $1.count + 2 } + additions.reduce(0) { $0 + $1.value.count + 3 }
    }

    func applied(toList list: [UInt8]) -> [UInt8] {
        // Most lists only grow, and need not be taken apart for it.
        if removals.isEmpty, additions.allSatisfy({ !$0.isForMissing }) { return appended(to: list) }
        return applied(to: JSONBytes.elements(of: list))
    }

    func applied(to elements: [[UInt8]]) -> [UInt8] {
        let gone = Set(removals)
        let wanted = Set(additions.lazy.filter(\.isForMissing).map { JSONBytes.comparable($0.value) })
        var present: Set<[UInt8]> = []
        var kept: [[UInt8]] = []
        for element in elements {
            let comparable = JSONBytes.comparable(element)
            if gone.contains(comparable) { continue }
            if wanted.contains(comparable) { present.insert(comparable) }
            kept.append(element)
        }
        for addition in additions {
            if addition.isForMissing, present.contains(JSONBytes.comparable(addition.value)) { continue }
            kept.append(addition.value)
        }
        return JSONBytes.array(kept)
    }

    private func appended(to list: [UInt8]) -> [UInt8] {
        var list = list
        if list.last == UInt8(ascii: "]") { list.removeLast() }
        for addition in additions {
            if list.count > 1 { list.append(UInt8(ascii: ",")) }
            list.append(contentsOf: addition.value)
        }
        list.append(UInt8(ascii: "]"))
        return list
    }

    func followed(by next: ListChange) -> ListChange {
        var change = self
        let gone = Set(next.removals)
        if !gone.isEmpty {
            change.additions.removeAll { gone.contains(JSONBytes.comparable($0.value)) }
            let known = Set(removals)
            change.removals += next.removals.filter { !known.contains($0) }
        }
        let removed = Set(change.removals)
        var present = Set(change.additions.map { JSONBytes.comparable($0.value) })
        for var addition in next.additions {
            let comparable = JSONBytes.comparable(addition.value)
            if addition.isForMissing {
                if present.contains(comparable) { continue }
                // What was removed before is missing for certain.
                if removed.contains(comparable) { addition.isForMissing = false }
            }
            present.insert(comparable)
            change.additions.append(addition)
        }
        change.isCreating = isCreating || next.isCreating
        return change
    }
}
