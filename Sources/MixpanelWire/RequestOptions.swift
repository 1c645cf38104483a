/// How a request wants to be read and answered (P 1.2).
package struct RequestOptions: Sendable {
    /// The form of the answer, by the precedence of P 1.2-2.
    package enum AnswerMode: Hashable, Sendable {
        case strict
        case image
        /// A call of the named function; `verbose` wraps the JSON answer instead of the digit.
        case callback(String, verbose: Bool)
        case verbose
        case plain
    }

    package var verbose = false
    package var strict = false
    package var img = false
    /// Whether /import tells how many of the records were there already: our own.
    package var countsRepeats = false
    /// The name of a function that is safe to write into a script (P 4.8); nil where none was sent or another text was.
    package var callback: String?
    /// `project_id` as sent, at most 64 bytes of it; nil where none was.
    package var projectIDText: String?
    /// The payload of a form or a query (P 2-3); nil where none was sent.
    package var data: [UInt8]?

    /// No options: a plain answer.
    package init() {}

    /// Reads the options of a request; the query wins over the form, the first occurrence over later ones.
    ///
    /// - Parameters:
    ///   - query: The pairs of the query string.
    ///   - form: The pairs of a form body, where there is one.
    package init(query: QueryItems, form: QueryItems?) {
        func value(_ name: String) -> [UInt8]? { query.first(name) ?? form?.first(name) }
        func isSet(_ name: String) -> Bool {
            guard let bytes = value(name) else { return false }
            return bytes == [UInt8(ascii: "1")] || bytes.elementsEqual("true".utf8)
        }
        verbose = isSet("verbose") || value("verbose").map { Self.isAboveZero($0) } == true
        strict = isSet("strict")
        img = isSet("img")
        countsRepeats = isSet("count_repeats")
        callback = value("callback").flatMap { Self.isSafeCallback($0) ? String(decoding: $0, as: UTF8.self) : nil }
        if let bytes = value("project_id"), !bytes.isEmpty {
            projectIDText = String(decoding: bytes.prefix(64), as: UTF8.self)
        }
        data = value("data")
    }

    /// The form of the answer.
    package var answerMode: AnswerMode {
        if strict { return .strict }
        if img { return .image }
        if let callback { return .callback(callback, verbose: verbose) }
        return verbose ? .verbose : .plain
    }

    /// Whether failures of a client endpoint are told with a `status` that is a number (P 4.2-3).
    package var wantsVerboseFailure: Bool { verbose && !strict }

    /// Whether a text is a number above 0: some clients send `verbose=2` (P 1.2-1).
    private static func isAboveZero(_ bytes: [UInt8]) -> Bool {
        guard bytes.count <= 32, bytes.allSatisfy("0123456789.".utf8.contains) else { return false }
        return Double(String(decoding: bytes, as: UTF8.self)).map { $0 > 0 } ?? false
    }

    /// Whether a text is `(function(){})` or a dotted path of names and number indices (P 4.8).
    ///
    /// - Parameter bytes: The option's value.
    /// - Returns: Whether it may be written into a script.
    static func isSafeCallback(_ bytes: [UInt8]) -> Bool {
        if bytes.elementsEqual("(function(){})".utf8) { return true }
        guard !bytes.isEmpty, bytes.count <= 255 else { return false }
        var rest = bytes[...]
        func takeName() -> Bool {
            guard let head = rest.first, isNameByte(head), !(0x30...0x39).contains(head) else { return false }
            rest = rest.drop(while: isNameByte)
            return true
        }
        guard takeName() else { return false }
        while let separator = rest.popFirst() {
            if separator == UInt8(ascii: ".") {
                guard takeName() else { return false }
            } else {
                guard separator == UInt8(ascii: "["), let head = rest.first, (0x30...0x39).contains(head) else {
                    return false
                }
                rest = rest.drop { (0x30...0x39).contains($0) }
                guard rest.popFirst() == UInt8(ascii: "]") else { return false }
            }
        }
        return true
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "$"): true
        default: false
        }
    }
}
