import MixpanelWire

/// Reads a condition by recursive descent; precedence is Python's.
struct WhereParser {
    private var scanner: WhereScanner
    private var token: WhereToken
    private var depth = 0
    /// Property names as met so far, quoted and escaped.
    private(set) var propertyNames: [[UInt8]] = []
    private var places: [[UInt8]: Int] = [:]

    /// - Parameter text: valid UTF-8.
    /// - Throws: `WhereError` where it does not begin with a piece.
    init(_ text: [UInt8]) throws(WhereError) {
        scanner = WhereScanner(text)
        token = try scanner.next()
    }

    /// The whole text as one expression.
    ///
    /// - Throws: `WhereError` that points at the first piece that does not fit.
    mutating func expression() throws(WhereError) -> WhereExpression.Node {
        let node = try anyOf()
        guard token.kind == .end else { throw unexpected("\"and\", \"or\", a comparison or the end") }
        return node
    }

    private mutating func anyOf() throws(WhereError) -> WhereExpression.Node {
        var nodes = [try allOf()]
        while try take(word: "or") { nodes.append(try allOf()) }
        return nodes.count == 1 ? nodes[0] : .any(nodes)
    }

    private mutating func allOf() throws(WhereError) -> WhereExpression.Node {
        var nodes = [try negation()]
        while try take(word: "and") { nodes.append(try negation()) }
        return nodes.count == 1 ? nodes[0] : .all(nodes)
    }

    private mutating func negation() throws(WhereError) -> WhereExpression.Node {
        let start = token.start
        guard try take(word: "not") else { return try comparison() }
        try descend(start)
        defer { depth -= 1 }
        return .not(try negation())
    }

    private mutating func comparison() throws(WhereError) -> WhereExpression.Node {
        let left = try operand()
        let node: WhereExpression.Node
        if case .symbol(let symbol) = token.kind, let comparison = WhereExpression.Comparison(rawValue: symbol) {
            try advance()
            node = .comparison(left, comparison, try operand())
        } else if try take(word: "in") {
            node = .contains(left, in: token.kind == .symbol("[") ? try list() : try operand())
        } else {
            return left
        }
        if isComparison { throw scanner.error(token.start, "comparisons cannot be chained; join them with \"and\"") }
        return node
    }

    private var isComparison: Bool {
        switch token.kind {
        case .symbol(let symbol): WhereExpression.Comparison(rawValue: symbol) != nil
        case .word(let word): word == "in"
        default: false
        }
    }

    private mutating func operand() throws(WhereError) -> WhereExpression.Node {
        if let constant = try constant() { return .constant(constant) }
        let start = token.start
        switch token.kind {
        case .symbol("("):
            return try parenthesized(start)
        case .word("properties"):
            return .property(try property())
        case .word("defined"):
            try advance()
            try expect("(")
            guard token.kind == .word("properties") else { throw unexpected("properties[\"…\"]") }
            let name = try property()
            try expect(")")
            return .defined(name)
        case .word("boolean"):
            try advance()
            guard token.kind == .symbol("(") else { throw unexpected("\"(\"") }
            return .truth(try parenthesized(start))
        case .word(let word) where !["and", "or", "in", "not"].contains(word):
            throw scanner.error(
                start,
                "\"\(word.prefix(40))\" means nothing here; what can stand here is properties[\"…\"], defined(…), "
                    + "boolean(…), not, a string, a number, true, false or \"(\"")
        default:
            throw unexpected("a value")
        }
    }

    /// The string, number or boolean that comes next; nil where something else does.
    private mutating func constant() throws(WhereError) -> WhereValue? {
        let value: WhereValue
        switch token.kind {
        case .string(let bytes): value = .string(bytes[...])
        case .number(let number): value = .number(number)
        case .word("true"): value = .boolean(true)
        case .word("false"): value = .boolean(false)
        default: return nil
        }
        try advance()
        return value
    }

    private mutating func parenthesized(_ start: Int) throws(WhereError) -> WhereExpression.Node {
        try descend(start)
        defer { depth -= 1 }
        try expect("(")
        let node = try anyOf()
        try expect(")")
        return node
    }

    private mutating func property() throws(WhereError) -> Int {
        try advance()
        try expect("[")
        guard case .string(let name) = token.kind else { throw unexpected("a property's name in quotes") }
        try advance()
        try expect("]")
        var quoted: [UInt8] = []
        JSONText.appendJSONString(name, to: &quoted)
        if let place = places[quoted] { return place }
        propertyNames.append(quoted)
        places[quoted] = propertyNames.count - 1
        return propertyNames.count - 1
    }

    private mutating func list() throws(WhereError) -> WhereExpression.Node {
        try expect("[")
        var values: [WhereValue] = []
        if token.kind == .symbol("]") {
            try advance()
            return .list([])
        }
        while true {
            guard let value = try constant() else { throw unexpected("a string, a number, true or false") }
            values.append(value)
            if token.kind == .symbol("]") {
                try advance()
                return .list(values)
            }
            guard token.kind == .symbol(",") else { throw unexpected("\",\" or \"]\"") }
            try advance()
        }
    }

    private mutating func descend(_ start: Int) throws(WhereError) {
        depth += 1
        guard depth <= WhereExpression.depthLimit else {
            throw scanner.error(start, "the expression is nested deeper than \(WhereExpression.depthLimit)")
        }
    }

    private mutating func take(word: String) throws(WhereError) -> Bool {
        guard token.kind == .word(word) else { return false }
        try advance()
        return true
    }

    private mutating func expect(_ symbol: String) throws(WhereError) {
        guard token.kind == .symbol(symbol) else { throw unexpected("\"\(symbol)\"") }
        try advance()
    }

    private mutating func advance() throws(WhereError) { token = try scanner.next() }

    private func unexpected(_ wanted: String) -> WhereError {
        scanner.error(token.start, "expected \(wanted), found \(token.description)")
    }
}
