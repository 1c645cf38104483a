import IdentityEngine

extension RecordReader {
    /// Checks the profile update that was read, in the order of P 10-4.
    ///
    /// - Parameters:
    ///   - checks: The door that it came through.
    ///   - projects: Which project it belongs to.
    /// - Returns: What becomes of it.
    /// - Throws: The first rejection.
    mutating func updateVerdict(
        _ checks: RecordChecks,
        _ projects: ProjectSelection
    ) throws(RecordRejection) -> RecordVerdict {
        let selected = try project(update.token, projects, missing: .updateTokenMissing)
        let isGroup = checks.endpoint == .groups
        let first =
            isGroup
            ? try subjectID(update.groupKey, WireName.groupKey, slot: 1)
            : try subjectID(update.distinctID, WireName.updatedID, slot: 1)
        let second = isGroup ? try subjectID(update.groupID, WireName.groupID, slot: 2) : nil
        guard !update.operations.isEmpty else { throw .noOperator }
        for operation in update.operations {
            if let fault = operation.fault { throw fault }
        }
        guard recordBytes < limits.eventBytes else { throw .recordTooLarge(limits.eventBytes) }
        guard badByteOffset < 0 else { throw badByteRejection(quotesPath: true) }
        guard let selected else { return .unknownToken }

        let firstSlice = append(first)
        let subject: ProfileUpdate.Subject
        if let second {
            subject = .group(key: firstSlice, id: append(second))
        } else {
            subject = .user(firstSlice)
        }
        var checked = ProfileUpdate(
            project: selected.project, subject: subject, operations: update.operations.map(\.operation))
        checked.ignoresAlias = !isGroup && isTrue(update.ignoreAlias)
        checked.ignoresTime = isTrue(update.ignoreTime)
        return .updated(checked)
    }

    /// Reads what an update is about.
    ///
    /// A reserved id is taken (P 6.3-2 speaks of verbs): it never joins a cluster, so its profile is nobody else's.
    private mutating func subjectID(
        _ value: ValueReference,
        _ name: StaticString,
        slot: Int
    ) throws(RecordRejection) -> IDText {
        guard !value.isMissing else { throw .member("\(name)", "\(Rule.blank)") }
        let id: IDText
        do throws(IDFault) {
            id = try readID(value, slot: slot)
        } catch {
            switch error {
            case .notText: throw .member("\(name)", "\(Rule.text)")
            case .tooLong: throw .member("\(name)", "\(Rule.long)")
            case .notUTF8: throw .member("\(name)", "\(Rule.utf8)")
            }
        }
        guard !isBlank(id.bytes) else { throw .member("\(name)", "\(Rule.blank)") }
        return id
    }

    /// Whether a value is `true`, or the string that Go sends for it (P 7.10-2).
    private mutating func isTrue(_ value: ValueReference) -> Bool {
        let text: StaticString = "true"
        switch value.kind {
        case .boolean, .string: return text.equals(base + value.start, value.end - value.start)
        default: return false
        }
    }
}
