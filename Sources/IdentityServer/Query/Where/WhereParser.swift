import MixpanelWire

/// Reads a condition by recursive descent; precedence is Python's.
struct WhereParser {
    private var scanner: WhereScanner
    private var token: WhereToken
    private var depth = 0
    private let subject: WhereExpression.Subject
    private(set) var propertyNames = WhereNames()
    private(set) var profileNames = WhereNames()

    /// - Parameters:
    ///   - text: valid UTF-8.
    ///   - subject: what the condition is asked of.
    /// - Throws: `WhereError` where it does not begin with a piece.
    init(_ text: [UInt8], of subject: WhereExpression.Subject) throws(WhereError) {
        self.subject = subject
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
        let start = token.start
        let left = try operand()
        var node: WhereExpression.Node
        if case .symbol(let symbol) = token.kind, let comparison = WhereExpression.Comparison(rawValue: symbol) {
            try advance()
            let place = token.start
            let right = try operand()
            try checkTime(left, right, start, place)
            node = .comparison(left, comparison, right)
        } else if isComparison {
            let isNegated = try take(word: "not")
            guard try take(word: "in") else { throw unexpected("\"in\"") }
            let place = token.start
            let right = token.kind == .symbol("[") ? try list() : try operand()
            if case .list(let values) = right {
                for value in values { try checkTime(left, .constant(value), start, place) }
            }
            node = .contains(left, in: right)
            if isNegated { node = .not(node) }
        } else {
            return left
        }
        if isComparison { throw scanner.error(token.start, "comparisons cannot be chained; join them with \"and\"") }
        return node
    }

    private var isComparison: Bool {
        switch token.kind {
        case .symbol(let symbol): WhereExpression.Comparison(rawValue: symbol) != nil
        case .word(let word): word == "in" || word == "not"
        default: false
        }
    }

    /// Refuses to compare an event's time with a constant that is none: no event would ever meet that (P 10-8).
    private func checkTime(
        _ left: WhereExpression.Node, _ right: WhereExpression.Node, _ start: Int, _ place: Int
    ) throws(WhereError) {
        let (value, faulty): (WhereValue, Int)
        switch (left, right) {
        case (.eventTime, .constant(let constant)): (value, faulty) = (constant, place)
        case (.constant(let constant), .eventTime): (value, faulty) = (constant, start)
        default: return
        }
        guard value.milliseconds == nil else { return }
        throw scanner.error(faulty, "properties[\"$time\"] is a time, and this is none; \(Self.timeForms)")
    }

    private static let timeForms = "a time is written in seconds since 1970, or as \"2024-05-01T12:00:00\""

    private mutating func operand() throws(WhereError) -> WhereExpression.Node {
        if let constant = try constant() { return .constant(constant) }
        let start = token.start
        switch token.kind {
        case .symbol("("):
            return try parenthesized(start)
        case .word("properties"):
            let name = try propertyName()
            if subject == .event, name.elementsEqual("$time".utf8) { return .eventTime }
            return .property(propertyNames.place(of: name))
        case .word("user"):
            let name = try propertyName()
            return subject == .event
                ? .profileProperty(profileNames.place(of: name)) : .property(propertyNames.place(of: name))
        case .word(let word) where !["and", "or", "in", "not"].contains(word):
            guard let function = WhereExpression.Function(rawValue: word) else {
                throw scanner.error(
                    start,
                    "\"\(word.prefix(40))\" means nothing here; what can stand here is properties[\"…\"], user[\"…\"], "
                        + "defined(…), datetime(…), number(…), string(…), boolean(…), list(…), not, a string, a "
                        + "number, true, false or \"(\"")
            }
            return try call(function)
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

    private mutating func call(_ function: WhereExpression.Function) throws(WhereError) -> WhereExpression.Node {
        let start = token.start
        try advance()
        guard token.kind == .symbol("(") else { throw unexpected("\"(\"") }
        let place = token.start
        let argument = try parenthesized(start)
        guard function == .datetime, case .constant(let value) = argument else { return .call(function, argument) }
        // Said once, here, rather than found by nobody in each event.
        guard case .time = value.asTime else {
            throw scanner.error(place + 1, "this is no time; \(Self.timeForms)")
        }
        return .constant(value.asTime)
    }

    private mutating func propertyName() throws(WhereError) -> [UInt8] {
        try advance()
        try expect("[")
        guard case .string(let name) = token.kind else { throw unexpected("a property's name in quotes") }
        try advance()
        try expect("]")
        return name
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

/// Names of properties, each once.
struct WhereNames {
    /// As a minified object has them: quoted and escaped.
    private(set) var quoted: [[UInt8]] = []
    private var places: [[UInt8]: Int] = [:]

    /// The place of a name, which is added where it is new.
    mutating func place(of name: [UInt8]) -> Int {
        var text: [UInt8] = []
        JSONText.appendJSONString(name, to: &text)
        if let place = places[text] { return place }
        quoted.append(text)
        places[text] = quoted.count - 1
        return quoted.count - 1
    }
}
