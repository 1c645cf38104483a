package import IdentityEngine

/// Why one record was refused before any merge rule was asked (P 6.2).
package struct EventRejection: Error, Hashable, Sendable {
    /// The record's place in the request, from zero.
    package var index: Int
    /// `$insert_id` as sent, at most 255 bytes of it; empty where there is none.
    package var insertID: [UInt8]
    /// The field at fault, as a strict answer names it; empty for the record as a whole.
    package var field: String
    /// What a strict answer says.
    package var message: String
    /// What a verbose answer of the /track family says (P 4.2).
    package var plainText: String
    /// What it is counted by.
    package var reason = RejectionReason.other
    /// The project that the record names; nil where it names none that is known.
    package var project: ProjectID?
    /// The beginning of the record as sent.
    package var record: [UInt8] = []
    /// The length of the record as sent, in bytes.
    package var recordBytes = 0

    /// The most bytes of `record`.
    package static let excerptBytes = 1000

    /// A rejection.
    package init(index: Int, insertID: [UInt8], field: String, message: String, plainText: String) {
        self.index = index
        self.insertID = insertID
        self.field = field
        self.message = message
        self.plainText = plainText
    }
}

/// What became of the records of one request.
package struct DecodeResult: Sendable {
    /// Why there are no records at all.
    package enum Failure: Hashable, Sendable {
        /// The payload is not JSON, or not what its headers say; the text says why.
        case unreadable(String)
        /// There is no payload, or no record in it.
        case empty
        case tooManyRecords(limit: Int)
        case tooLarge(limitBytes: Int)
    }

    package var recordCount = 0
    /// How many records are in order: stored ones, and those accepted and dropped.
    package var validCount = 0
    /// The records that are not, in order.
    package var rejections: [EventRejection] = []
    /// How many records are in order but of no known project; they were dropped.
    package var unknownTokenRecords = 0
    /// The unknown tokens and how many records bear each: at most `unknownTokenLimit` of them, each cut to 64 bytes.
    package private(set) var unknownTokens: [String: Int] = [:]
    /// What those records are rejected with, where a server rejects them.
    var unknownTokenRejections: [EventRejection] = []
    package var failure: Failure?
    /// A hash of each record, in order; none where no hashes were asked for, or no record may be invalid.
    package var recordHashes: [RecordHash] = []
    /// The projects of records that are in order and are not stored, each once.
    package private(set) var droppedProjects: [ProjectID] = []

    /// A result without records.
    ///
    /// - Parameter failure: Why there are none.
    package init(failure: Failure? = nil) { self.failure = failure }

    /// The result of a request whose payload could not be found.
    ///
    /// - Parameter error: Why.
    package init(payloadError error: PayloadError) {
        switch error {
        case .tooLarge(let limitBytes): failure = .tooLarge(limitBytes: limitBytes)
        case .unreadable(let reason): failure = .unreadable(reason)
        case .empty: failure = .empty
        }
    }

    /// The most unknown tokens of a request that are named.
    static let unknownTokenLimit = 8

    /// Notes a record that is dropped because no project has its token.
    ///
    /// - Parameter token: The token as sent, or its beginning.
    mutating func noteUnknown(token: String) {
        unknownTokenRecords += 1
        guard unknownTokens[token] != nil || unknownTokens.count < Self.unknownTokenLimit else { return }
        unknownTokens[token, default: 0] += 1
    }

    /// Makes records with an unknown token invalid ones.
    package mutating func rejectUnknownTokens() {
        rejections = (rejections + unknownTokenRejections).sorted { $0.index < $1.index }
        validCount -= unknownTokenRejections.count
        unknownTokenRejections = []
    }

    /// What tells that a request comes again of which a batch is to be stored (P 4.1-1b); nil where every record is in
    /// order, or no hashes were asked for.
    package func repeatMarks(of batch: EventBatch) -> RepeatMarks? {
        guard !rejections.isEmpty, recordHashes.count == recordCount else { return nil }
        return RepeatMarks(
            invalid: rejections.map { recordHashes[$0.index] },
            events: batch.events.map { recordHashes[Int($0.recordIndex)] },
            updates: batch.profileUpdates.map { recordHashes[Int($0.recordIndex)] })
    }

    /// Notes the project of a record that is not stored.
    ///
    /// - Parameter project: The record's project.
    mutating func noteDropped(_ project: ProjectID) {
        if !droppedProjects.contains(project) { droppedProjects.append(project) }
    }
}
