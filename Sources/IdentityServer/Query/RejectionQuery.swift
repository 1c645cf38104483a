import IdentityEngine
import IdentityStore
import MixpanelWire

/// `/identity/rejections`: what was rejected of a project's records, and why (P 10-11).
struct RejectionQuery: Sendable {
    let rejections: RejectionLog
    let unknownTokens: UnknownTokens
    let directory: ProjectDirectory

    /// Answers who may write: the records are as they were sent.
    ///
    /// - Throws: `AccessRefusal`, `QueryFault`.
    func answer(_ query: QueryRequest) throws -> WireResponse {
        if case .account(let name, let role) = query.access.kind, !role.mayWrite {
            throw AccessRefusal(
                status: 403,
                message: "insufficient role: rejected records are shown as they were sent, which needs admin or owner, "
                    + "and \(name) is \(role.rawValue)")
        }
        let most = Int64(RejectionList.recordLimit)
        let limit = Int(try query.number("limit", default: most, in: 1...most))
        let reason = try query.text("reason").map { text throws(QueryFault) in
            guard let reason = RejectionReason(rawValue: text) else {
                throw .badRequest(
                    "reason is \"\(text.prefix(40))\", but must be one of "
                        + RejectionReason.allCases.map(\.rawValue).joined(separator: ", "))
            }
            return reason
        }
        let (list, since) = rejections.list(of: query.project)
        var json = JSONBuilder()
        json.object { json in
            json.field("since", Timestamp.text(milliseconds: since))
            Self.write(list, limit, reason, to: &json)
            if directory.ownsAll(query.access) {
                json.object("without_project") { json in
                    Self.write(rejections.list(of: nil).list, limit, reason, to: &json)
                    writeTokens(to: &json)
                }
            }
        }
        return Answer.json(json.bytes)
    }

    private static func write(
        _ list: RejectionList, _ limit: Int, _ reason: RejectionReason?, to json: inout JSONBuilder
    ) {
        json.field("total", Int64(list.counts.values.reduce(0, +)))
        json.object("counts") { json in
            for reason in RejectionReason.allCases {
                if let count = list.counts[reason] { json.field(reason.rawValue, Int64(count)) }
            }
        }
        json.field("left_out", Int64(list.leftOut))
        json.array("rejections") { json in
            for record in list.latest(limit, of: reason) { write(record, to: &json) }
        }
    }

    private static func write(_ record: RejectedRecord, to json: inout JSONBuilder) {
        json.object { json in
            json.field("time", Timestamp.text(milliseconds: record.milliseconds))
            json.field("endpoint", record.endpoint.path)
            json.field("reason", record.reason.rawValue)
            json.field("message", record.message)
            json.field("field", record.field)
            if let index = record.index { json.field("index", Int64(index)) } else { json.null("index") }
            // What is no UTF-8 is shown by marks in its place.
            json.field("record", String(decoding: record.excerpt.bytes, as: UTF8.self))
            json.field("record_bytes", Int64(record.recordBytes))
        }
    }

    private func writeTokens(to json: inout JSONBuilder) {
        let (records, tokens) = unknownTokens.list(in: directory)
        json.field("unknown_token_records", Int64(records))
        json.array("unknown_tokens") { json in
            for token in tokens {
                json.object { json in
                    json.field("token", token.masked)
                    json.field("records", Int64(token.records))
                    json.field("last", Timestamp.text(milliseconds: token.lastMilliseconds))
                    json.field("is_secret", token.isSecret)
                }
            }
        }
    }
}

extension ProjectDirectory {
    /// Whether a credential is that of an owner of every project here: of who runs the server.
    func ownsAll(_ access: Access) -> Bool {
        let content = current
        switch access.kind {
        case .token: return false
        case .secret: return content.projects.count == 1
        case .account(let name, _):
            guard let account = content.account(name) else { return false }
            return content.projects.allSatisfy { account.roles[$0.id] == .owner }
        }
    }
}
