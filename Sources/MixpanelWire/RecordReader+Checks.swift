import IdentityEngine

/// What a record is checked against, the same for all records of a request.
struct RecordChecks {
    var endpoint: EventBatch.Endpoint
    /// Whether this is a strict /import, which refuses what is repaired elsewhere (P 6.2-3).
    var isStrict: Bool
    var nowMilliseconds: Int64
    /// The time of a record without a usable one, where that is repaired.
    var missingTimeMilliseconds: Int64
    /// Whether a record without a usable time is refused even where it would be repaired.
    var isTimeRequired: Bool
    /// The key of the hashes of records; nil where nobody asks for them.
    var hashKey: RecordHashKey?
    /// Which records state something about ids.
    var statements = StatementReading.asSaid
}

/// Which records of those that are called so state something about ids.
package enum StatementReading: Sendable {
    /// All but those of a trusted sender that say of themselves that they joined nothing (P 7.1-7).
    case asSaid
    /// None: all are plain events.
    case none
    /// All: what joined nothing where the export was made is decided again.
    case all

    fileprivate var takesAll: Bool {
        if case .all = self { true } else { false }
    }
}

/// What becomes of a record that is in order.
enum RecordVerdict {
    case stored
    case updated(ProfileUpdate)
    /// In order, and not to be stored.
    case dropped(ProjectID)
    /// Dropped, because no project has its token.
    case unknownToken
}

/// The ids that a record states.
struct RecordIDs {
    var verb: Verb?
    var sent: IDText?
    var filed: IDText?
    var primary: IDText?
    var secondary: IDText?
    /// What a Simplified project's copy says of the two ids (P 8-1, 8-5).
    var deviceProperty: IDText?
    var userProperty: IDText?
}

extension RecordReader {
    /// Checks the record that was read, in the order of P 6.2.
    ///
    /// - Parameters:
    ///   - checks: What to check.
    ///   - projects: Which project the record belongs to.
    ///   - index: The record's place in its request.
    ///   - events: Where the record's event goes, if it is to be stored.
    /// - Returns: What becomes of the record.
    /// - Throws: The first rejection.
    mutating func verdict(
        _ checks: RecordChecks,
        _ projects: ProjectSelection,
        index: Int,
        into events: inout [EventBatch.Event]
    ) throws(RecordRejection) -> RecordVerdict {
        let name = try eventName(checks)
        guard properties == .object else { throw .propertiesNotAnObject }
        guard let selected = try project(value(.token), projects, missing: .tokenMissing) else { return .unknownToken }
        if value(.ignore).kind != .absent { return .dropped(selected.project) }
        let isTrusted = projects.isTrusted(at: checks.endpoint)
        let foundUnder = isTrusted ? takeIDBeforeIdentity() : nil
        let isVoid =
            switch checks.statements {
            case .asSaid: isTrusted && joinedNothing(selected.system)
            case .none: true
            case .all: false
            }

        let verb = name.flatMap { Self.verb($0) }
        if let verb {
            switch selected.system {
            case .simplified:
                guard checks.endpoint == .track else { throw .simplifiedVerb }
                return .dropped(selected.project)
            case .original where verb == .merge: try checkMerge(checks, projects)
            case .original, .legacy: break
            }
        }
        // P 6.4-1: the three verbs need neither time nor insert id, in a Legacy project too.
        let isStrict = checks.isStrict && verb == nil
        // A Legacy project's `$identify` and `$merge` are plain events (P 9-1).
        let stated = isVoid || (selected.system.isLegacy && verb != .alias) ? nil : verb
        var ids = RecordIDs()
        if let stated { ids = try self.ids(of: stated) }

        let milliseconds = try time(checks, isStrict: isStrict)
        if isStrict { try checkDistinctID(selected.system) }
        if stated == nil { try plainIDs(selected.system, &ids) }
        if isVoid { ids.verb = nil }
        if let foundUnder, selected.system.isLegacy { try file(&ids, under: foundUnder) }
        let insert = try insertID(isStrict: isStrict)

        guard recordBytes < limits.eventBytes else { throw .recordTooLarge(limits.eventBytes) }
        guard badByteOffset < 0 else { throw badByteRejection(quotesPath: false) }
        guard let name, name.count <= limits.eventNameBytes else { throw .eventNameTooLong(limits.eventNameBytes) }
        if let limitRejection { throw limitRejection }
        let isStatement = verb != nil && (!selected.system.isLegacy || verb == .alias)
        events.append(
            event(
                selected.project, name, ids, insert, milliseconds,
                voidStatement: isTrusted && isVoid ? isStatement : nil, index: index))
        if isTrusted, !joinedNothing(selected.system) || checks.statements.takesAll {
            events[events.count - 1].exportOrder = exportOrder()
        }
        return .stored
    }

    /// The event's name; nil for one that is too long to be looked at, which is a matter of the last check.
    private mutating func eventName(_ checks: RecordChecks) throws(RecordRejection) -> IDText? {
        let missing: RecordRejection =
            isEmptyRecord && checks.endpoint == .import ? .emptyOnImport : .eventMissing
        guard event.isString else { throw missing }
        guard let name = try? readID(event, slot: 3, isID: false) else { return nil }
        guard !isBlank(name.bytes) else { throw missing }
        return name
    }

    /// The record's project; nil where no project has its token.
    mutating func project(
        _ value: ValueReference,
        _ projects: ProjectSelection,
        missing: RecordRejection
    ) throws(RecordRejection) -> RecordProject? {
        switch projects {
        case .fixed(let project, mayMerge: _):
            return project
        case .byToken(let lookUp):
            guard value.isString else { throw missing }
            let token: IDText
            do throws(IDFault) { token = try readID(value, slot: 0) } catch {
                guard case .notUTF8 = error else { return nil }
                throw .notUTF8(path: missing.field, isQuoted: missing.field.first == "$")
            }
            guard !isBlank(token.bytes) else { throw missing }
            // The records of one request nearly always bear one token.
            let last = scratch.ids + (DecodeScratch.idSlots - 1) * DecodeScratch.idSlotBytes
            if lastTokenCount == token.count, areEqual(last, token.start, token.count) { return lastProject }
            last.update(from: token.start, count: token.count)
            lastTokenCount = token.count
            lastProject = lookUp(UnsafeRawBufferPointer(token.bytes))
            return lastProject
        }
    }

    /// The project that a record names, whatever else is wrong with it; nil where it names none that is known.
    mutating func namedProject(_ token: ValueReference, _ projects: ProjectSelection) -> ProjectID? {
        guard let found = try? project(token, projects, missing: .tokenMissing) else { return nil }
        return found.project
    }

    private static func verb(_ name: IDText) -> Verb? {
        guard name.start.pointee == UInt8(ascii: "$") else { return nil }
        if WireName.identify.equals(name.start, name.count) { return .identify }
        if WireName.createAlias.equals(name.start, name.count) { return .alias }
        return WireName.merge.equals(name.start, name.count) ? .merge : nil
    }

    /// P 5.3-1, 7.6 step 0.
    private mutating func checkMerge(_ checks: RecordChecks, _ projects: ProjectSelection) throws(RecordRejection) {
        guard checks.endpoint == .import else { throw .mergeOnTrack }
        if case .fixed(_, mayMerge: true) = projects { return }
        throw .mergeByToken
    }

    /// P 6.1-1, 6.1-2, 6.2 #6, 6.2-3.
    private mutating func time(_ checks: RecordChecks, isStrict: Bool) throws(RecordRejection) -> Int64 {
        let now = checks.nowMilliseconds
        switch eventTime() {
        case .absent:
            guard !isStrict, !checks.isTimeRequired else { throw .property(WireName.time, Rule.missing) }
            return checks.missingTimeMilliseconds
        case .unreadable:
            guard !isStrict, !checks.isTimeRequired else { throw .property(WireName.time, Rule.epoch) }
            return checks.missingTimeMilliseconds
        case .milliseconds(let sent):
            guard isStrict else { return sent < 0 ? checks.missingTimeMilliseconds : min(sent, now) }
            guard sent <= now + EventTime.aheadLimitMilliseconds else { throw .property(WireName.time, Rule.future) }
            guard sent >= EventTime.earliestMilliseconds else { throw .property(WireName.time, Rule.early) }
            return min(sent, now)
        }
    }

    /// P 6.2 #7.
    ///
    /// A Simplified event needs `distinct_id` only where it has neither of the other two.
    private mutating func checkDistinctID(_ system: IdentitySystem) throws(RecordRejection) {
        if case .simplified = system {
            let ids = try simplifiedIDs(usesDistinctID: false)
            if ids.filed != nil { return }
        }
        let value = value(.distinctID)
        guard !value.isMissing else { throw .property(WireName.distinctID, Rule.missing) }
        let id: IDText
        do throws(IDFault) { id = try readID(value, slot: 0) } catch { throw error.rejection(WireName.distinctID) }
        if ReservedID.contains(id.bytes) { throw .property(WireName.distinctID, Rule.reserved) }
    }
}

extension IdentitySystem {
    /// Told by the case: `==` goes by the raw values, which are text.
    fileprivate var isLegacy: Bool {
        if case .legacy = self { return true }
        return false
    }
}
