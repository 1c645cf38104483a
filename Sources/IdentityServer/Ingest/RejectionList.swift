import IdentityEngine
import MixpanelWire

/// One rejected record, as an operator sees it.
struct RejectedRecord: Sendable {
    let milliseconds: Int64
    let endpoint: EventBatch.Endpoint
    let reason: RejectionReason
    /// Its place in its request, from zero; nil where the request is rejected as a whole.
    let index: Int?
    let field: String
    let message: String
    let excerpt: RecordExcerpt
    /// The length of the record as sent, in bytes.
    let recordBytes: Int

    /// About how much memory it takes, in bytes.
    var sizeBytes: Int { 200 + excerpt.bytes.count + field.utf8.count + message.utf8.count }

    /// Whether it names one of some ids, or nobody can tell.
    func mayName(_ ids: Set<DistinctID>) -> Bool {
        reason == .requestUnreadable || excerpt.names(ids) || (!reason.hasOwnWords && fieldMayName(ids))
    }

    /// Whether the field, and the message with it, may have one of some ids for a property's name.
    ///
    /// A field is a name, or two with a dot between, and each may have dots of its own. A name is as it was sent, is
    /// cut after 64 bytes, or a few less, and has U+FFFD for what cannot be shown: such ones nobody can tell.
    private func fieldMayName(_ ids: Set<DistinctID>) -> Bool {
        let bytes = Array(field.utf8)
        guard bytes.count <= 60, !bytes.contains(UInt8(ascii: "\\")), !field.unicodeScalars.contains("\u{FFFD}") else {
            return true
        }
        let dots = bytes.indices.filter { bytes[$0] == UInt8(ascii: ".") }
        return RecordExcerpt.isOne(of: ids, bytes)
            || dots.contains {
                RecordExcerpt.isOne(of: ids, Array(bytes[..<$0]))
                    || RecordExcerpt.isOne(of: ids, Array(bytes[($0 + 1)...]))
            }
    }
}

/// The latest rejected records of one project, and how many there were by reason.
///
/// Where it is full, the oldest goes of the reason that takes the most room, so that each reason keeps its share.
struct RejectionList: Sendable {
    /// The most records that are kept.
    static let recordLimit = 1000
    /// The most bytes that they take.
    static let sizeLimitBytes = 1 << 20

    private struct Kept {
        let order: UInt64
        let record: RejectedRecord
    }

    private struct Share {
        var kept: [Kept] = []
        var sizeBytes = 0
    }

    /// How many records were rejected by reason, kept or not.
    private(set) var counts: [RejectionReason: Int] = [:]
    /// How many records were left out because they are stored already (P 4.1-1b).
    var leftOut = 0
    private(set) var sizeBytes = 0
    private var count = 0
    private var shares: [RejectionReason: Share] = [:]
    private var order: UInt64 = 0

    /// Whether nothing was rejected, nor left out.
    var isEmpty: Bool { counts.isEmpty && leftOut == 0 }

    /// The records that are kept, the latest first.
    func latest(_ limit: Int, of reason: RejectionReason?) -> [RejectedRecord] {
        let wanted = reason.map { shares[$0]?.kept ?? [] } ?? shares.values.flatMap(\.kept)
        return wanted.sorted { $0.order > $1.order }.prefix(limit).map(\.record)
    }

    mutating func append(_ record: RejectedRecord) {
        counts[record.reason, default: 0] += 1
        order += 1
        shares[record.reason, default: Share()].kept.append(Kept(order: order, record: record))
        change(record.reason, by: record.sizeBytes, 1)
        while count > Self.recordLimit { removeOldest { $0.kept.count } }
        while sizeBytes > Self.sizeLimitBytes { removeOldest { $0.sizeBytes } }
    }

    /// Makes room by the oldest record of the reason with the greatest share.
    mutating func removeOldest() { removeOldest { $0.sizeBytes } }

    private mutating func removeOldest(of size: (Share) -> Int) {
        guard let reason = shares.max(by: { size($0.value) < size($1.value) })?.key,
            let first = shares[reason]?.kept.first
        else { return }
        shares[reason]?.kept.removeFirst()
        change(reason, by: -first.record.sizeBytes, -1)
    }

    private mutating func change(_ reason: RejectionReason, by bytes: Int, _ records: Int) {
        shares[reason]?.sizeBytes += bytes
        sizeBytes += bytes
        count += records
        if shares[reason]?.kept.isEmpty == true { shares[reason] = nil }
    }

    /// Forgets the records that name one of some ids, and those of which nobody can tell.
    mutating func remove(naming ids: Set<DistinctID>) {
        for (reason, share) in shares {
            let kept = share.kept.filter { !$0.record.mayName(ids) }
            guard kept.count < share.kept.count else { continue }
            let bytes = kept.reduce(0) { $0 + $1.record.sizeBytes }
            shares[reason]?.kept = kept
            change(reason, by: bytes - share.sizeBytes, kept.count - share.kept.count)
        }
    }
}
