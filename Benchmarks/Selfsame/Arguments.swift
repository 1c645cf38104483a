/// The words after the subcommand, taken out one by one; what is left over is a mistake.
struct Arguments {
    let subcommand: String
    private var rest: [String]

    init(_ words: some Sequence<String>) {
        let words = Array(words)
        subcommand = words.first ?? ""
        rest = Array(words.dropFirst())
    }

    mutating func isSet(_ flag: String) -> Bool {
        guard let index = rest.firstIndex(of: flag) else { return false }
        rest.remove(at: index)
        return true
    }

    /// The word after an option; nil where the option is not there.
    ///
    /// - Throws: `BenchmarkFailure` where nothing follows it.
    mutating func text(_ option: String) throws -> String? {
        guard let index = rest.firstIndex(of: option) else { return nil }
        guard index + 1 < rest.count else { throw BenchmarkFailure("\(option) takes a value") }
        defer { rest.removeSubrange(index...index + 1) }
        return rest[index + 1]
    }

    /// - Throws: `BenchmarkFailure` where the option's value is not a number above zero.
    mutating func number(_ option: String, default fallback: Int) throws -> Int {
        guard let text = try text(option) else { return fallback }
        guard let number = Int(text), number > 0 else { throw BenchmarkFailure("\(option) takes a number above 0") }
        return number
    }

    /// - Throws: `BenchmarkFailure` where there is none.
    mutating func operand() throws -> String {
        guard let word = rest.first else { throw BenchmarkFailure("a path is missing") }
        rest.removeFirst()
        return word
    }

    func finish() throws {
        if let word = rest.first { throw BenchmarkFailure("unknown option: \(word)") }
    }
}
