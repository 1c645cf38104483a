/// A condition on the properties of an event or of a profile (P 10-14).
///
/// `properties["plan"] == "pro" and not defined(properties["ended"])`. The grammar, and what each operator makes of
/// which values, is in `docs/queries.md`.
package struct WhereExpression: Hashable, Sendable {
    /// The longest text, in bytes.
    package static let sizeLimitBytes = 16_384
    /// How deep parentheses, `not` and `boolean` may stand inside one another.
    package static let depthLimit = 64

    /// A node of the tree.
    indirect enum Node: Hashable, Sendable {
        case constant(WhereValue)
        /// A property, by its place in `propertyNames`.
        case property(Int)
        /// A list of constants, which stands on the right of `in` only.
        case list([WhereValue])
        case comparison(Node, Comparison, Node)
        case contains(Node, in: Node)
        case defined(Int)
        case truth(Node)
        case not(Node)
        case all([Node])
        case any([Node])
    }

    /// How two values are compared.
    enum Comparison: String, Hashable, CaseIterable, Sendable {
        case equal = "=="
        case unequal = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="
    }

    let root: Node
    /// The names of the properties that the text names, each once, as a minified object has them: quoted and escaped.
    let propertyNames: [[UInt8]]

    /// Reads the text of a condition.
    ///
    /// - Parameter text: the text, in UTF-8.
    /// - Throws: `WhereError`, which says what is wrong where.
    package init(parsing text: [UInt8]) throws(WhereError) {
        guard text.count <= Self.sizeLimitBytes else {
            throw WhereError(
                position: nil,
                "the expression has \(text.count) bytes; at most "
                    + "\(Self.sizeLimitBytes) are allowed")
        }
        guard String(validating: text, as: UTF8.self) != nil else {
            throw WhereError(position: nil, "the expression is not UTF-8")
        }
        var parser = try WhereParser(text)
        root = try parser.expression()
        propertyNames = parser.propertyNames
    }
}

/// Why the text of a condition cannot be read.
package struct WhereError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The place of the first character that is wrong, counted in Unicode scalars from 1; nil where it is the whole.
    package let position: Int?
    package let message: String

    init(position: Int?, _ message: String) {
        self.position = position
        self.message = message
    }

    package var description: String {
        position.map { "where is wrong at character \($0): \(message)" } ?? "where is wrong: \(message)"
    }
}
