package import IdentityEngine

/// JSON that names ids, beside records: the bodies of our own queries, and the context of flags.
package enum IdentityQuery {
    /// Why a body names no ids.
    package enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
        case notJSON
        /// There is no `distinct_ids`, or it is no array.
        case missing
        case tooMany(limit: Int)
        /// There is a member that nobody reads.
        case unknownMember(String, known: [String])
        /// The element at an index is neither a string nor a number, is too long, or is no UTF-8.
        case notAnID(index: Int)

        /// A sentence for the client.
        package var description: String {
            switch self {
            case .notJSON: "the body must be a JSON object"
            case .missing: "distinct_ids must be an array of ids"
            case .tooMany(let limit): "distinct_ids must hold at most \(limit) ids"
            case .unknownMember(let name, let known):
                "\(name) is no field of this request; allowed are \(known.joined(separator: ", "))"
            case .notAnID(let index):
                "distinct_ids[\(index)] must be a string of at most \(DistinctID.sizeLimitBytes) bytes"
            }
        }
    }

    private static let pool = ScratchPool()

    /// The ids of `{"distinct_ids":["a","b"]}`, in order.
    ///
    /// - Parameters:
    ///   - json: The body.
    ///   - limit: The most ids.
    ///   - others: The members that may stand beside `distinct_ids`; nil for any.
    /// - Returns: The ids; none for an empty array.
    /// - Throws: What is wrong with the body.
    package static func distinctIDs(
        fromJSON json: [UInt8], limit: Int, beside others: [String]? = nil
    ) throws(Failure) -> [DistinctID] {
        try read(json) { reader throws(Failure) in try reader.queriedIDs(limit: limit, beside: others) }
    }

    /// The ids of `["a","b"]`, in order.
    ///
    /// - Parameters:
    ///   - json: The value of a `distinct_ids` option.
    ///   - limit: The most ids.
    /// - Returns: The ids; none for an empty array.
    /// - Throws: What is wrong with the array.
    package static func distinctIDs(fromJSONArray json: [UInt8], limit: Int) throws(Failure) -> [DistinctID] {
        do throws(Failure) {
            return try read(json) { reader throws(Failure) in try reader.listedIDs(limit: limit) }
        } catch .notJSON {
            throw .missing
        }
    }

    /// Whether a JSON object names someone by `distinct_id`, as the context of a request for flags must (P 4.10).
    ///
    /// - Parameter json: The text.
    /// - Returns: Whether it is such an object, whose last `distinct_id` is a text that is not blank, or a number.
    package static func hasDistinctID(_ json: [UInt8]) -> Bool {
        let found = try? read(json) { reader throws(Failure) -> Bool in
            let member: ValueReference?
            do throws(RecordFault) { member = try reader.member(WireName.distinctID) } catch { throw .notJSON }
            guard reader.cursor == reader.cursorEnd else { throw .notJSON }
            guard let member, let id = try? reader.readID(member, slot: 0) else { throw .missing }
            return !isBlank(id.bytes)
        }
        return found ?? false
    }

    /// Reads a JSON text.
    private static func read<Value>(
        _ json: [UInt8], _ body: (inout RecordReader) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let scratch = pool.take()
        defer { pool.put(scratch) }
        let read: Result<Value, Failure> = withoutByteOrderMark(json).withUnsafeBufferPointer { text in
            guard let base = text.baseAddress, text.count < Int(UInt32.max),
                scratch.index.scan(text, isLines: false) == .indexed, let positions = scratch.index.positions
            else { return .failure(.notJSON) }
            var reader = RecordReader(
                text: text, base: base, positions: positions, scratch: scratch, limits: WireLimits(), sliceBase: 0)
            do throws(Failure) {
                let value = try body(&reader)
                return reader.badByteOffset < 0 ? .success(value) : .failure(.notJSON)
            } catch {
                return .failure(error)
            }
        }
        return try read.get()
    }
}

extension RecordReader {
    /// Reads an object whose last `distinct_ids` is an array of ids.
    fileprivate mutating func queriedIDs(
        limit: Int, beside others: [String]?
    ) throws(IdentityQuery.Failure) -> [DistinctID] {
        let array: ValueReference?
        var unknown: [UInt8]?
        do throws(RecordFault) {
            array = try member(WireName.queriedIDs) { name in
                guard unknown == nil, let others, !others.contains(where: { name.elementsEqual($0.utf8) }) else {
                    return
                }
                unknown = Array(name.prefix(40))
            }
        } catch { throw .notJSON }
        guard cursor == cursorEnd else { throw .notJSON }
        if let unknown {
            throw .unknownMember(
                String(decoding: unknown, as: UTF8.self), known: (["distinct_ids"] + (others ?? [])).sorted())
        }
        guard let array, array.kind == .array else { throw .missing }
        return try ids(of: array, limit: limit)
    }

    /// Reads a text that is an array of ids.
    fileprivate mutating func listedIDs(limit: Int) throws(IdentityQuery.Failure) -> [DistinctID] {
        recordCursor = cursor
        reserve(0)
        let array: ValueReference
        do throws(RecordFault) {
            array = try copyValue(depthLimit: DecodeScratch.depthLimit, textLimit: .max, isChecked: false)
        } catch { throw .missing }
        guard cursor == cursorEnd, array.kind == .array else { throw .missing }
        return try ids(of: array, limit: limit)
    }

    /// The elements of an array that was checked.
    private mutating func ids(
        of array: ValueReference, limit: Int
    ) throws(IdentityQuery.Failure) -> [DistinctID] {
        cursor = array.cursor + 1
        var ids: [DistinctID] = []
        while byte(at: cursor) != UInt8(ascii: "]") {
            guard ids.count < limit else { throw .tooMany(limit: limit) }
            used = 0
            let element: ValueReference
            do throws(RecordFault) {
                element = try copyValue(depthLimit: DecodeScratch.depthLimit, textLimit: .max, isChecked: false)
            } catch { throw .notJSON }
            guard let id = try? readID(element, slot: 0) else { throw .notAnID(index: ids.count) }
            ids.append(DistinctID(Array(id.bytes)))
            if byte(at: cursor) == UInt8(ascii: ",") { cursor += 1 }
        }
        return ids
    }

    /// The last value of a key of the object at the cursor, which is checked whole; nil where there is none.
    ///
    /// - Parameters:
    ///   - name: The key.
    ///   - other: Called with every other key, decoded.
    /// - Returns: The value.
    /// - Throws: What is wrong with the object.
    fileprivate mutating func member(
        _ name: StaticString, other: (UnsafeBufferPointer<UInt8>) -> Void = { _ in }
    ) throws(RecordFault) -> ValueReference? {
        recordCursor = cursor
        reserve(0)
        guard byte(at: cursor) == UInt8(ascii: "{") else { throw .syntax }
        cursor += 1
        var found: ValueReference?
        if byte(at: cursor) == UInt8(ascii: "}") {
            cursor += 1
            return nil
        }
        while true {
            guard byte(at: cursor) == UInt8(ascii: "\"") else { throw .syntax }
            used = 0
            try copyString(at: cursor, textLimit: .max)
            let isNamed = name.equals(output + 1, used - 2)
            if !isNamed { other(UnsafeBufferPointer(start: output + 1, count: used - 2)) }
            guard byte(at: cursor + 1) == UInt8(ascii: ":") else { throw .syntax }
            cursor += 2
            let value = try copyValue(depthLimit: DecodeScratch.depthLimit, textLimit: .max, isChecked: false)
            if isNamed { found = value }
            let follower = byte(at: cursor)
            cursor += 1
            if follower == UInt8(ascii: "}") { return found }
            guard follower == UInt8(ascii: ",") else { throw .syntax }
        }
    }
}
