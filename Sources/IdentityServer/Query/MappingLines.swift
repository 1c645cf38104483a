import IdentityEngine
import IdentityStore

/// How a mapping is written.
package enum MappingFormat: Sendable {
    case lines
    case commaSeparated
    /// For people, with tabs between; of the command only.
    case tabSeparated

    var contentType: String {
        switch self {
        case .lines: "application/jsonl; charset=utf-8"
        case .commaSeparated: "text/csv; charset=utf-8"
        case .tabSeparated: "text/plain; charset=utf-8"
        }
    }

    /// What stands before the first line.
    var head: [UInt8] {
        switch self {
        case .lines, .tabSeparated: []
        case .commaSeparated: Array("distinct_id,canonical_id,since\r\n".utf8)
        }
    }
}

/// The lines of a mapping, in any format.
struct MappingLines {
    private let format: MappingFormat
    private var json = JSONBuilder()
    private var text: [UInt8] = []

    init(_ format: MappingFormat) { self.format = format }

    var bytes: [UInt8] { format == .lines ? json.lines : text }

    mutating func append(_ id: DistinctID, canonicalID: DistinctID, since: Int64?) {
        switch format {
        case .lines:
            json.object { json in
                json.field("distinct_id", id)
                json.field("canonical_id", canonicalID)
                if let since { json.field("since", since) } else { json.null("since") }
            }
            json.endLine()
        case .commaSeparated:
            appendCell(id.bytes)
            text.append(UInt8(ascii: ","))
            appendCell(canonicalID.bytes)
            text.append(contentsOf: ",\(since.map(String.init) ?? "")\r\n".utf8)
        case .tabSeparated:
            text.append(contentsOf: "\(id.line)\t\(canonicalID.line)\t\(since.map(String.init) ?? "-")\n".utf8)
        }
    }

    /// A cell of a CSV file, quoted where RFC 4180 asks for it.
    private mutating func appendCell(_ value: [UInt8]) {
        let quote = UInt8(ascii: "\"")
        let special: Set = [quote, UInt8(ascii: ","), UInt8(ascii: "\r"), UInt8(ascii: "\n")]
        guard value.contains(where: special.contains) else {
            text.append(contentsOf: value)
            return
        }
        text.append(quote)
        for byte in value {
            if byte == quote { text.append(quote) }
            text.append(byte)
        }
        text.append(quote)
    }
}
