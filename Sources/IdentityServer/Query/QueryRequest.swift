import Foundation
import IdentityEngine
import IdentityStore
import MixpanelWire

/// A request to one of our own endpoints, with its credential checked.
struct QueryRequest: Sendable {
    let request: WireRequest
    let items: QueryItems
    /// What the body names; nothing where the path does not read it.
    let body: QueryBody
    let access: Access

    var project: ProjectID { access.project.id }

    /// The value of an option, of the query or of the body; the query wins (P 1.2).
    func first(_ name: String) -> [UInt8]? { items.first(name) ?? body.first(name) }

    /// The one value of an option, as text; nil where it is absent.
    func text(_ name: String) -> String? { first(name).map { String(decoding: $0, as: UTF8.self) } }

    /// The value of an option that is a number in a range.
    ///
    /// - Throws: `QueryFault` that names the option and the range.
    func number(_ name: String, default fallback: Int64, in range: ClosedRange<Int64>) throws(QueryFault) -> Int64 {
        guard let text = text(name) else { return fallback }
        guard let number = Int64(text), range.contains(number) else {
            throw .badRequest(
                "\(name) is \"\(text.prefix(40))\", but must be a number from \(range.lowerBound) "
                    + "to \(range.upperBound)"
            )
        }
        return number
    }

    /// Whether an option is `true` or `1` (P 1.2-1).
    func isTrue(_ name: String) -> Bool { text(name) == "true" || text(name) == "1" }

    /// The value of an option of our own that is `true`, `false`, `1` or `0`; false where it is absent.
    ///
    /// - Throws: `QueryFault` that names the option.
    func flag(_ name: String) throws(QueryFault) -> Bool {
        switch text(name) {
        case nil, "false", "0": return false
        case "true", "1": return true
        case let other?: throw .badRequest("\(name) is \"\(other.prefix(40))\", but must be true or false")
        }
    }

    /// The condition that an option states; nil where it is absent or blank.
    ///
    /// - Throws: `QueryFault` that points at what cannot be read.
    func condition(_ name: String, of subject: WhereExpression.Subject) throws(QueryFault) -> WhereExpression? {
        guard let text = first(name).map(LooseUTF8.joined),
            text.contains(where: { $0 != 0x20 && !(0x09...0x0D).contains($0) })
        else { return nil }
        do throws(WhereError) {
            return try WhereExpression(parsing: text, of: subject)
        } catch {
            throw .badRequest("\(error)")
        }
    }

    /// The strings of an option that is a JSON array of them; nil where it is absent.
    ///
    /// - Throws: `QueryFault` that names the option.
    func strings(_ name: String, of what: String) throws(QueryFault) -> [String]? {
        guard let json = first(name).map(LooseUTF8.joined) else { return nil }
        guard let strings = try? JSONDecoder().decode([String].self, from: Data(json)) else {
            throw .badRequest("\(name) must be a JSON array of \(what)")
        }
        return strings
    }

    /// The one id that a request must name.
    func distinctID() throws(QueryFault) -> DistinctID { try distinctID("distinct_id") }

    /// The id with some bytes, in which the halves of surrogate pairs are joined as they are where events are read
    /// (P 2-11).
    ///
    /// - Throws: `QueryFault` where nothing can have that id.
    static func checked(_ bytes: [UInt8]) throws(QueryFault) -> DistinctID {
        let bytes = LooseUTF8.joined(bytes)
        // The id of a Simplified project's device is what was sent, behind `$device:` (P 8-1).
        let limit = DistinctID.sizeLimitBytes + DeviceID.prefix.count
        guard !bytes.isEmpty, bytes.count <= limit else {
            throw .badRequest("a distinct_id must have 1 to \(limit) bytes")
        }
        guard LooseUTF8.isUTF8(bytes) else { throw .badRequest("a distinct_id must be UTF-8") }
        return DistinctID(bytes)
    }

    /// The id that an option names.
    ///
    /// - Throws: `QueryFault` where it is absent, or where nothing can have that id.
    func distinctID(_ name: String) throws(QueryFault) -> DistinctID {
        guard let bytes = first(name) else { throw .badRequest("\(name) must be given") }
        return try Self.checked(bytes)
    }

    /// Refuses an option that would change the answer's meaning, and that the path does not have.
    func refuse(_ names: String...) throws(QueryFault) {
        for name in names where first(name) != nil {
            throw .badRequest("\(name) is not an option of \(request.path)")
        }
    }
}
