extension WhereExpression {
    /// Whether properties meet the condition.
    ///
    /// - Parameters:
    ///   - bytes: a text that holds the properties.
    ///   - range: where they stand in it: one minified JSON object.
    ///   - timeMilliseconds: the event's time; nil for a profile.
    ///   - profile: the properties of who the event is found under, minified; nil where there is no profile.
    /// - Returns: whether the condition is true of them.
    package func matches(
        _ bytes: [UInt8], in range: Range<Int>, timeMilliseconds: Int64? = nil, profile: [UInt8]? = nil
    ) -> Bool {
        matches(bytes, in: range, timeMilliseconds: timeMilliseconds, profileValues: profileValues(of: profile))
    }

    /// The same, with values of the profile that were found before.
    func matches(
        _ bytes: [UInt8], in range: Range<Int>, timeMilliseconds: Int64?, profileValues: [WhereValue]
    ) -> Bool {
        let facts = Facts(
            properties: Self.values(of: propertyNames, in: bytes[range]), profile: profileValues,
            time: timeMilliseconds.map { .time($0) } ?? .undefined)
        return value(of: root, facts).isTrue
    }

    /// What the condition asks of a profile, in the order of its names.
    func profileValues(of profile: [UInt8]?) -> [WhereValue] {
        Self.values(of: profileNames, in: profile?[...] ?? [])
    }

    private static func values(of names: [[UInt8]], in object: ArraySlice<UInt8>) -> [WhereValue] {
        var values = [WhereValue](repeating: .undefined, count: names.count)
        guard !names.isEmpty, !object.isEmpty else { return values }
        MinifiedJSON.forEachMember(of: object) { key, value in
            // The last of a repeated key counts, as everywhere (P 2-11).
            for (place, name) in names.enumerated() where key.elementsEqual(name) {
                values[place] = WhereValue(json: value)
            }
        }
        return values
    }

    /// What is known of an event or a profile.
    private struct Facts {
        let properties: [WhereValue]
        let profile: [WhereValue]
        let time: WhereValue
    }

    private func value(of node: Node, _ facts: Facts) -> WhereValue {
        switch node {
        case .constant(let value): value
        case .property(let place): facts.properties[place]
        case .profileProperty(let place): facts.profile[place]
        case .eventTime: facts.time
        case .list: .undefined
        case .call(let function, let node): function.applied(to: value(of: node, facts))
        case .not(let node): .boolean(!value(of: node, facts).isTrue)
        case .all(let nodes): .boolean(nodes.allSatisfy { value(of: $0, facts).isTrue })
        case .any(let nodes): .boolean(nodes.contains { value(of: $0, facts).isTrue })
        case .comparison(let left, let comparison, let right):
            .boolean(Self.holds(value(of: left, facts), comparison, value(of: right, facts)))
        case .contains(let element, let whole): .boolean(contains(element, whole, facts))
        }
    }

    /// `!=` is the opposite of `==`; the others are false where the values have no order.
    private static func holds(_ left: WhereValue, _ comparison: Comparison, _ right: WhereValue) -> Bool {
        switch comparison {
        case .equal: left.isEqual(to: right)
        case .unequal: !left.isEqual(to: right)
        case .less: left.isLess(than: right) == true
        case .lessOrEqual: right.isLess(than: left) == false
        case .greater: right.isLess(than: left) == true
        case .greaterOrEqual: left.isLess(than: right) == false
        }
    }

    private func contains(_ element: Node, _ whole: Node, _ facts: Facts) -> Bool {
        let element = value(of: element, facts)
        if case .list(let values) = whole { return values.contains { element.isEqual(to: $0) } }
        var whole = value(of: whole, facts)
        if case .time = whole { whole = whole.asString }
        if case .string(let text) = element, case .string(let whole) = whole {
            return WhereValue.contains(text, in: whole)
        }
        return whole.elements?.contains { element.isEqual(to: $0) } ?? false
    }
}

extension WhereExpression.Function {
    func applied(to value: WhereValue) -> WhereValue {
        switch self {
        case .defined: .boolean(value != .undefined)
        case .boolean: .boolean(value.isTrue)
        case .number: value.asNumber
        case .string: value.asString
        case .datetime: value.asTime
        case .list: value.asList
        }
    }
}
