package import IdentityEngine

/// A request of privacy law that a store works off: the deletion or the retrieval of everything about some ids.
package struct PrivacyTask: Hashable, Sendable {
    /// What is asked for.
    ///
    /// The raw value is stored; it is never renumbered.
    package enum Kind: UInt8, CaseIterable, Sendable {
        case deletion = 1
        case retrieval = 2
    }

    /// How far a task has come.
    ///
    /// The raw value is stored; it is never renumbered.
    package enum State: UInt8, CaseIterable, Sendable {
        /// Not begun; only now it can be revoked.
        case pending = 1
        /// Being worked off; after a crash it is begun anew.
        case started = 2
        /// A deletion whose rows are gone, but whose traces in the files are not.
        case erasing = 3
        /// Done.
        case succeeded = 4
        /// A retrieval whose file can be fetched.
        case available = 5
        /// A retrieval whose file was taken away because of its age.
        case expired = 6
        /// Given up: it would exceed a limit.
        case failed = 7
        /// Taken back before it began.
        case revoked = 8
    }

    /// The law that a request refers to.
    package enum ComplianceType: String, CaseIterable, Sendable {
        case gdpr
        case ccpa
    }

    /// 32 hexadecimal digits that nobody can guess.
    package let trackingID: String
    package let project: ProjectID
    package let kind: Kind
    package let complianceType: ComplianceType
    /// Who asked, as the log names senders.
    package let requestedBy: String
    package let createdMilliseconds: Int64
    /// How many ids the request named.
    package let idCount: Int
    package var state: State = .pending
    /// The ids that are still to be dealt with; none once the task is done, so that no id outlives its deletion here.
    package var distinctIDs: [DistinctID]
    /// When it was done; nil before.
    package var finishedMilliseconds: Int64?

    /// A task that waits to be begun.
    package init(
        trackingID: String, project: ProjectID, kind: Kind, complianceType: ComplianceType, requestedBy: String,
        createdMilliseconds: Int64, distinctIDs: [DistinctID]
    ) {
        self.trackingID = trackingID
        self.project = project
        self.kind = kind
        self.complianceType = complianceType
        self.requestedBy = requestedBy
        self.createdMilliseconds = createdMilliseconds
        self.idCount = distinctIDs.count
        self.distinctIDs = distinctIDs
    }

    init(
        trackingID: String, project: ProjectID, kind: Kind, complianceType: ComplianceType, requestedBy: String,
        createdMilliseconds: Int64, idCount: Int, state: State, distinctIDs: [DistinctID],
        finishedMilliseconds: Int64?
    ) {
        self.trackingID = trackingID
        self.project = project
        self.kind = kind
        self.complianceType = complianceType
        self.requestedBy = requestedBy
        self.createdMilliseconds = createdMilliseconds
        self.idCount = idCount
        self.state = state
        self.distinctIDs = distinctIDs
        self.finishedMilliseconds = finishedMilliseconds
    }
}

extension PrivacyTask.State {
    /// The states of a task that is not done.
    package static let open: Set<PrivacyTask.State> = [.pending, .started, .erasing]
}

extension PrivacyTask {
    /// The most tasks that are kept, done or not; the oldest that are done go first.
    package static let keptLimit = 10_000

    /// The ids as one value: each after its length, as four bytes, the greatest first.
    var packedIDs: [UInt8] {
        var packed: [UInt8] = []
        for id in distinctIDs {
            withUnsafeBytes(of: UInt32(id.bytes.count).bigEndian) { packed.append(contentsOf: $0) }
            packed.append(contentsOf: id.bytes)
        }
        return packed
    }

    /// The ids of a value that `packedIDs` made; nil where it is none.
    static func distinctIDs(packed: [UInt8]) -> [DistinctID]? {
        var ids: [DistinctID] = []
        var rest = packed[...]
        while !rest.isEmpty {
            guard rest.count >= 4 else { return nil }
            let count = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            guard rest.count >= 4 + count else { return nil }
            ids.append(DistinctID(Array(rest.dropFirst(4).prefix(count))))
            rest = rest.dropFirst(4 + count)
        }
        return ids
    }
}
