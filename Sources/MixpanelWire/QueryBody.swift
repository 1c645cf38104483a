/// The options that the body of a query names: a form's pairs, or the members of a JSON object (P 10-6).
package struct QueryBody: Sendable {
    /// The most options that are read; further ones are left out of a form, and refused in an object.
    private static let optionLimit = 256
    private static let pool = ScratchPool()

    private let form: QueryItems?
    private let members: [(name: [UInt8], value: [UInt8])]

    /// Reads the body of a request.
    ///
    /// It is JSON where it says so, or begins like an object; a form otherwise. Of an object's members a text counts
    /// without its quotes, a number or a boolean as it is written, an array or an object as minified JSON, and null as
    /// absent.
    ///
    /// - Parameter request: The request, its body inflated.
    /// - Throws: `PayloadError` where the body is JSON but no object.
    package init(_ request: WireRequest) throws(PayloadError) {
        let body = request.body
        switch BodyKind(contentType: request.contentType, body: body) {
        case .empty: (form, members) = (nil, [])
        case .json, .lines: (form, members) = (nil, try Self.members(of: body))
        case .form, .base64: (form, members) = (QueryItems(body, limit: Self.optionLimit), [])
        }
    }

    /// A body that names nothing.
    package init() { (form, members) = (nil, []) }

    /// The value of an option.
    ///
    /// - Parameter name: The option's name.
    /// - Returns: The first value in a form, the last in an object; nil where there is none.
    package func first(_ name: String) -> [UInt8]? {
        form?.first(name) ?? members.last { $0.name.elementsEqual(name.utf8) }?.value
    }

    private static func members(of body: [UInt8]) throws(PayloadError) -> [(name: [UInt8], value: [UInt8])] {
        let scratch = pool.take()
        defer { pool.put(scratch) }
        let found: [(name: [UInt8], value: [UInt8])]? = withoutByteOrderMark(body).withUnsafeBufferPointer { text in
            guard let base = text.baseAddress, text.count < Int(UInt32.max),
                scratch.index.scan(text, isLines: false) == .indexed, let positions = scratch.index.positions
            else { return nil }
            var reader = RecordReader(
                text: text, base: base, positions: positions, scratch: scratch, limits: WireLimits(), sliceBase: 0)
            return try? reader.options(limit: optionLimit)
        }
        guard let found else { throw .unreadable("the body must be a form or one JSON object") }
        return found
    }
}

extension RecordReader {
    /// Reads a text that is one object, whose members are options.
    fileprivate mutating func options(
        limit: Int
    ) throws(RecordFault) -> [(name: [UInt8], value: [UInt8])] {
        recordCursor = cursor
        reserve(0)
        guard byte(at: cursor) == UInt8(ascii: "{") else { throw .syntax }
        cursor += 1
        var options: [(name: [UInt8], value: [UInt8])] = []
        if byte(at: cursor) == UInt8(ascii: "}") {
            cursor += 1
        } else {
            while true {
                guard byte(at: cursor) == UInt8(ascii: "\""), byte(at: cursor + 1) == UInt8(ascii: ":"),
                    options.count < limit
                else { throw .syntax }
                used = 0
                let name = try text(of: try copyString(at: cursor, textLimit: .max))
                cursor += 2
                used = 0
                let value = try copyValue(depthLimit: DecodeScratch.depthLimit, textLimit: .max, isChecked: false)
                if let value = try option(value) { options.append((name, value)) }
                let follower = byte(at: cursor)
                cursor += 1
                if follower == UInt8(ascii: "}") { break }
                guard follower == UInt8(ascii: ",") else { throw .syntax }
            }
        }
        guard cursor == cursorEnd, badByteOffset < 0 else { throw .syntax }
        return options
    }

    /// The value that was copied last, as the value of an option; nil for null.
    private mutating func option(_ value: ValueReference) throws(RecordFault) -> [UInt8]? {
        switch value.kind {
        case .absent, .null: nil
        case .string, .escapedString: try text(of: value)
        case .boolean, .number, .object, .array: Array(UnsafeBufferPointer(start: output, count: used))
        }
    }

    /// The text of a string; U+FFFD stands for a lone surrogate.
    private mutating func text(of string: ValueReference) throws(RecordFault) -> [UInt8] {
        var text: [UInt8] = []
        var index = string.start
        while index < string.end {
            let scalar = UnicodeScalar(try looseScalar(&index, string.end)) ?? "\u{FFFD}"
            text.append(contentsOf: UTF8.encode(scalar) ?? .init())
        }
        return text
    }
}
