/// The checked events of one request: fixed-size entries over one buffer of bytes, so that an event costs no
/// allocation.
///
/// Past this point nobody sees JSON: `properties` is a minified object that was walked once, whole, and is stored as it
/// is.
package struct EventBatch: Sendable {
    /// What the slices of `events` point into.
    package var bytes: [UInt8] = []
    package var events: [Event] = []
    /// Updates of profiles, applied in order, after the events.
    package var profileUpdates: [ProfileUpdate] = []
    /// Whether the sender may say under which id an event is filed, as an export does (P 7.1-7).
    package var isTrusted = false
    /// Whether its events are stored; where they are not, only what they state is decided.
    package var storesEvents = true
    /// Whether its result is to say how many of its events were there already, which costs a look for each.
    package var countsRepeats = false
    package var origin: Origin
    /// When the request was received, in milliseconds since 1970.
    package var receivedMilliseconds: Int64
    /// What tells that the request comes again; nil where every record is in order.
    package var repeatMarks: RepeatMarks?

    package init(origin: Origin, receivedMilliseconds: Int64) {
        self.origin = origin
        self.receivedMilliseconds = receivedMilliseconds
    }

    /// A range of `bytes`.
    package struct Slice: Hashable, Sendable {
        package var offset: UInt32
        package var count: UInt32

        package init(offset: Int, count: Int) {
            self.offset = UInt32(offset)
            self.count = UInt32(count)
        }

        /// No bytes: an absent value.
        package static let empty = Slice(offset: 0, count: 0)

        package var isEmpty: Bool { count == 0 }

        package var range: Range<Int> { Int(offset)..<Int(offset) + Int(count) }
    }

    /// One checked event.
    package struct Event: Sendable {
        package var project: ProjectID
        package var name: Slice = .empty
        /// The `distinct_id` as sent; empty for an event of nobody (P 6.2-1).
        ///
        /// Part of the dedup key (P 6.5-1).
        package var sentID: Slice = .empty
        /// The id that the event is filed under: the same as `sentID` but in a Simplified project (P 8-1).
        ///
        /// A Legacy project's alias map is applied to it at commit (P 9-2).
        package var filedID: Slice = .empty
        /// `$insert_id` as sent; empty where none was, or none that is text.
        ///
        /// It is text as UTF-16 units spell it: a lone surrogate stands in three bytes. So is `name`.
        package var insertID: Slice = .empty
        /// Whether `insertID` is one that tells copies of the event apart from other events (P 6.5).
        package var isDeduplicated = false
        /// The place of the record in its request, from zero.
        package var recordIndex: UInt32 = 0
        /// What tells copies apart where that is not `insertID`: an import's hash of a record; empty elsewhere.
        package var dedupKey: Slice = .empty
        /// The event's time in milliseconds since 1970.
        package var timeMilliseconds: Int64 = 0
        /// A minified JSON object: what was sent, less what has a field here and what a server stamps.
        package var properties: Slice = .empty
        /// The statement that the event makes about two ids; nil for a plain event.
        package var verb: Verb?
        /// The statement's primary id (`IdentityEvent.primary`).
        package var primaryID: Slice = .empty
        /// The statement's secondary id.
        package var secondaryID: Slice = .empty
        /// Whether it is stored already, so that only what it states is decided, again.
        package var isStoredAlready = false
        /// Where the export that the record comes from had it; nil elsewhere.
        package var exportOrder: ExportOrder?

        package init(project: ProjectID) { self.project = project }
    }

    /// The place of a record's statement among those of the export that it comes from (P 7.1-8).
    package enum ExportOrder: Hashable, Sendable {
        /// The entry of the log that it made there.
        case sequence(Int64)
        /// When Mixpanel took it.
        case processed(milliseconds: Int64)
    }

    /// Who sent a request, and through which door.
    package struct Origin: Hashable, Sendable {
        package var endpoint: Endpoint
        /// The name of the credential's kind, with the account's name for a service account: `token`, `secret`,
        /// `account ci.111111.mp-service-account`, `command`.
        ///
        /// Never the credential itself.
        package var principal: String

        package init(endpoint: Endpoint, principal: String) {
            self.endpoint = endpoint
            self.principal = principal
        }

        /// The program itself.
        package static let command = Origin(endpoint: .command, principal: "command")
    }

    /// The door that events came through.
    ///
    /// The raw value is stored; it is never renumbered.
    package enum Endpoint: UInt8, Sendable {
        case track = 1
        case `import` = 2
        case engage = 3
        case groups = 4
        case unmerge = 5
        case restore = 6
        case blocks = 7
        /// The program itself, where a project's rules are set.
        case command = 8

        package var path: String {
            switch self {
            case .track: "/track"
            case .import: "/import"
            case .engage: "/engage"
            case .groups: "/groups"
            case .unmerge: "/identity/unmerge"
            case .restore: "/identity/restore"
            case .blocks: "/identity/blocks"
            case .command: "command"
            }
        }
    }
}

extension EventBatch {
    /// The bytes of a slice, as an id; nil where it is empty.
    package func distinctID(_ slice: Slice) -> DistinctID? {
        slice.isEmpty ? nil : DistinctID(Array(bytes[slice.range]))
    }

    /// The statement that an event makes; nil for a plain event.
    package func identityEvent(of event: Event) -> IdentityEvent? {
        guard let verb = event.verb, let primary = distinctID(event.primaryID),
            let secondary = distinctID(event.secondaryID)
        else { return nil }
        return IdentityEvent(verb: verb, primary: primary, secondary: secondary)
    }

    /// Whether there is nothing to commit.
    package var isEmpty: Bool { events.isEmpty && profileUpdates.isEmpty }

    /// How much memory the batch takes, in bytes, near enough for a limit.
    package var sizeBytes: Int {
        let operations = profileUpdates.reduce(0) { $0 + $1.operations.count }
        return bytes.count + events.count * MemoryLayout<Event>.stride
            + profileUpdates.count * MemoryLayout<ProfileUpdate>.stride
            + operations * MemoryLayout<ProfileOperation>.stride + (repeatMarks?.sizeBytes ?? 0)
    }

    /// Adds bytes to the buffer.
    package mutating func append(_ addition: some Collection<UInt8>) -> Slice {
        let slice = Slice(offset: bytes.count, count: addition.count)
        bytes.append(contentsOf: addition)
        return slice
    }
}
