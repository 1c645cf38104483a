package import IdentityEngine
package import IdentityStore

/// How an amendment is told.
package enum AmendmentText {
    /// The most ids of one list in an answer; what is left out is said.
    package static let listLimit = 1000
    /// What is said where the events could not be counted.
    static let uncounted = "this is done; only the events that move could not be counted, and the server's log says why"

    /// The answer to an unmerge, a restore or an unblocking, done or previewed.
    ///
    /// - Parameters:
    ///   - report: what was done, or would be.
    ///   - eventCounts: the events of ids whose canonical id changes; nil where they could not be counted.
    ///   - isPreview: whether nothing was done.
    /// - Returns: a JSON object.
    package static func json(
        _ report: AmendmentReport, eventCounts: [DistinctID: Int]?, isPreview: Bool
    ) -> [UInt8] {
        var json = JSONBuilder()
        json.object { json in
            json.field("sequence", report.entry.sequence)
            json.field("preview", isPreview)
            json.field("verb", report.entry.amendment.verb.name)
            json.field("time", Timestamp.text(milliseconds: report.entry.timeMilliseconds))
            json.array("links") { json in
                for link in report.links.prefix(listLimit) { write(link, to: &json) }
            }
            json.array("before") { json in
                for cluster in report.before.prefix(listLimit) { write(cluster, to: &json) }
            }
            json.array("after") { json in
                for cluster in report.after.prefix(listLimit) { write(cluster, to: &json) }
            }
            json.array("moved") { json in
                for moved in report.moved.prefix(listLimit) {
                    json.object { json in
                        json.field("distinct_id", moved.id)
                        json.field("from", moved.from)
                        json.field("to", moved.to)
                        if let count = eventCounts?[moved.id] {
                            json.field("events", Int64(count))
                        } else {
                            json.null("events")
                        }
                    }
                }
            }
            json.array("stay_together") { json in
                for link in report.stayingTogether.prefix(listLimit) { write(pair: [link.from, link.to], to: &json) }
            }
            json.array(report.entry.amendment.verb == .unmerge ? "blocked" : "unblocked") { json in
                for pair in report.blocks.prefix(listLimit) { write(pair: pair, to: &json) }
            }
            json.field("truncated", report.isLong)
            if eventCounts == nil { json.field("note", uncounted) }
        }
        return json.bytes
    }

    private static func write(_ link: AmendmentReport.NamedLink, to json: inout JSONBuilder) {
        json.object { json in
            LogRecordText.write(link.link, from: link.from, to: link.to, to: &json)
            json.field("together", link.isTogether)
        }
    }

    private static func write(_ cluster: AmendmentReport.Cluster, to json: inout JSONBuilder) {
        json.object { json in
            json.field("canonical_id", cluster.canonicalID)
            json.field("size", Int64(cluster.members.count))
            json.array("members") { json in
                for id in cluster.members.prefix(listLimit) { json.element(id.bytes) }
            }
        }
    }

    private static func write(pair: [DistinctID], to json: inout JSONBuilder) {
        json.elements { json in
            for id in pair { json.element(id.bytes) }
        }
    }
}

extension AmendmentReport {
    /// Whether an answer leaves something out.
    fileprivate var isLong: Bool {
        let longest = (before + after).lazy.map(\.members.count).max() ?? 0
        return max(links.count, before.count, after.count, moved.count, longest) > AmendmentText.listLimit
    }
}

extension AmendmentRefusal: CustomStringConvertible {
    /// The status of the answer.
    var status: Int {
        switch self {
        case .legacyProject: 400
        case .noSuchLink, .unknownID, .noSuchUnmerge, .noSuchBlock: 404
        case .revokedAlready, .noActiveLink, .restoredAlready, .deviceTaken: 409
        }
    }

    /// What is wrong, and what to do, in one sentence or two.
    package var description: String {
        switch self {
        case .legacyProject:
            "the project uses Legacy (ID Merge disabled), whose alias map is one-way and cannot be taken back"
        case .noSuchLink(let link, let last):
            "no link has the sequence \(link); the project's last sequence is \(last), and /identity/cluster shows "
                + "the links of an id"
        case .unknownID(let id): "\(id) took part in no identity operation, so there is nothing to take back"
        case .revokedAlready(let link, let unmerge):
            "the link \(link) was taken back already, by the unmerge \(unmerge)"
        case .noActiveLink(let id): "\(id) has no active link: it is alone already"
        case .noSuchUnmerge(let unmerge, let last):
            "no unmerge has the sequence \(unmerge); the project's last sequence is \(last), and "
                + "/identity/log?verb=unmerge lists the unmerges"
        case .restoredAlready(let unmerge, let restore):
            "the unmerge \(unmerge) was undone already, by \(restore); take the link back anew to part them again"
        case .deviceTaken(let link, let device):
            "the link \(link) cannot come back: \(device) belongs to another user by now, and a device has one"
        case .noSuchBlock: "the two ids are not blocked; /identity/blocks lists the pairs that are"
        }
    }
}
