/// A condition on the properties of an event or of a profile (P 10-14).
///
/// `properties["plan"] == "pro" and not defined(properties["ended"])`. The grammar, and what each operator makes of
/// which values, is in `docs/queries.md`.
package struct WhereExpression: Hashable, Sendable {
    /// The longest text, in bytes.
    package static let sizeLimitBytes = 16_384
    /// How deep parentheses, `not` and functions may stand inside one another.
    package static let depthLimit = 64

    /// What the condition is asked of.
    package enum Subject: Hashable, Sendable {
        /// An event; `user["x"]` is the profile of who it is found under, `properties["$time"]` its time (P 10-8).
        case event
        /// A profile; `user["x"]` is the same as `properties["x"]`.
        case profile
    }

    /// A node of the tree.
    indirect enum Node: Hashable, Sendable {
        case constant(WhereValue)
        /// A property, by its place in `propertyNames`.
        case property(Int)
        /// A property of the event's profile, by its place in `profileNames`.
        case profileProperty(Int)
        /// The event's time.
        case eventTime
        /// A list of constants, which stands on the right of `in` only.
        case list([WhereValue])
        case comparison(Node, Comparison, Node)
        case contains(Node, in: Node)
        case call(Function, Node)
        case not(Node)
        case all([Node])
        case any([Node])
    }

    /// What is written as a name with a value in parentheses.
    enum Function: String, Hashable, CaseIterable, Sendable {
        case defined
        case boolean
        case number
        case string
        case datetime
        case list
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
    /// Those of the event's profile.
    let profileNames: [[UInt8]]

    /// Whether it asks for the profile of who an event is found under.
    package var namesProfile: Bool { !profileNames.isEmpty }

    /// Reads the text of a condition.
    ///
    /// - Parameters:
    ///   - text: the text, in UTF-8.
    ///   - subject: what it is asked of.
    /// - Throws: `WhereError`, which says what is wrong where.
    package init(parsing text: [UInt8], of subject: Subject = .profile) throws(WhereError) {
        guard text.count <= Self.sizeLimitBytes else {
            throw WhereError(
                position: nil,
                "the expression has \(text.count) bytes; at most "
                    + "\(Self.sizeLimitBytes) are allowed")
        }
        guard String(validating: text, as: UTF8.self) != nil else {
            throw WhereError(position: nil, "the expression is not UTF-8")
        }
        var parser = try WhereParser(text, of: subject)
        root = try parser.expression()
        propertyNames = parser.propertyNames.quoted
        profileNames = parser.profileNames.quoted
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
