extension WhereExpression {
    /// Whether properties meet the condition.
    ///
    /// - Parameters:
    ///   - bytes: a text that holds the properties.
    ///   - range: where they stand in it: one minified JSON object.
    /// - Returns: whether the condition is true of them.
    package func matches(_ bytes: [UInt8], in range: Range<Int>) -> Bool {
        var values = [WhereValue](repeating: .undefined, count: propertyNames.count)
        if !propertyNames.isEmpty {
            MinifiedJSON.forEachMember(of: bytes[range]) { key, value in
                // The last of a repeated key counts, as everywhere (P 2-11).
                for (place, name) in propertyNames.enumerated() where key.elementsEqual(name) {
                    values[place] = WhereValue(json: value)
                }
            }
        }
        return value(of: root, values).isTrue
    }

    private func value(of node: Node, _ properties: [WhereValue]) -> WhereValue {
        switch node {
        case .constant(let value): value
        case .property(let place): properties[place]
        case .list: .undefined
        case .defined(let place): .boolean(properties[place] != .undefined)
        case .truth(let node): .boolean(value(of: node, properties).isTrue)
        case .not(let node): .boolean(!value(of: node, properties).isTrue)
        case .all(let nodes): .boolean(nodes.allSatisfy { value(of: $0, properties).isTrue })
        case .any(let nodes): .boolean(nodes.contains { value(of: $0, properties).isTrue })
        case .comparison(let left, let comparison, let right):
            .boolean(Self.holds(value(of: left, properties), comparison, value(of: right, properties)))
        case .contains(let element, let whole): .boolean(contains(element, whole, properties))
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

    private func contains(_ element: Node, _ whole: Node, _ properties: [WhereValue]) -> Bool {
        let element = value(of: element, properties)
        if case .list(let values) = whole { return values.contains { element.isEqual(to: $0) } }
        let whole = value(of: whole, properties)
        if case .string(let text) = element, case .string(let whole) = whole {
            return WhereValue.contains(text, in: whole)
        }
        return whole.elements?.contains { element.isEqual(to: $0) } ?? false
    }
}
