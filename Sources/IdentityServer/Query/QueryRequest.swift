import IdentityEngine
import IdentityStore
import MixpanelWire

/// A request to one of our own endpoints, with its credential checked.
struct QueryRequest: Sendable {
    let request: WireRequest
    let items: QueryItems
    let access: Access

    var project: ProjectID { access.project.id }

    /// The one value of an option; nil where it is absent.
    func text(_ name: String) -> String? { items.first(name).map { String(decoding: $0, as: UTF8.self) } }

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

    /// The one id that a request must name.
    func distinctID() throws(QueryFault) -> DistinctID {
        guard let bytes = items.first("distinct_id") else { throw .badRequest("distinct_id must be given") }
        return try checked(bytes)
    }

    func checked(_ bytes: [UInt8]) throws(QueryFault) -> DistinctID {
        // The id of a Simplified project's device is what was sent, behind `$device:` (P 8-1).
        let limit = DistinctID.sizeLimitBytes + DeviceID.prefix.count
        guard !bytes.isEmpty, bytes.count <= limit else {
            throw .badRequest("a distinct_id must have 1 to \(limit) bytes")
        }
        return DistinctID(bytes)
    }

    /// Refuses an option that would change the answer's meaning and that this version does not know.
    func refuse(_ names: String...) throws(QueryFault) {
        for name in names where items.first(name) != nil {
            throw .badRequest("\(name) is not supported by this version of the server")
        }
    }
}
