/// What is wrong with one record, without its place in the request (P 6.2).
struct RecordRejection: Error {
    /// The field, as a strict answer names it.
    var field: String
    var message: String
    /// What a verbose answer says instead; nil for `message`.
    var plainText: String?
    var reason = RejectionReason.other

    static let notAnObject = RecordRejection(
        field: "", message: "record must be a JSON object", reason: .notAnObject)
    static let notJSON = RecordRejection(field: "", message: "record is not valid JSON", reason: .notJSON)
    static let eventMissing = RecordRejection(
        field: "event", message: "'event' must not be missing or blank", plainText: "event, missing",
        reason: .eventMissing)
    static let propertiesNotAnObject = RecordRejection(
        field: "properties", message: "'properties' is invalid: must be an object",
        reason: .propertiesNotAnObject)
    static let tokenMissing = RecordRejection(
        field: "properties.token", message: "token, missing or empty", reason: .tokenMissing)
    static let tokenUnknown = RecordRejection(
        field: "properties.token", message: "token, unknown", reason: .tokenUnknown)
    static let updateTokenUnknown = RecordRejection(
        field: "$token", message: "$token, unknown", reason: .tokenUnknown)
    static let simplifiedVerb = RecordRejection(
        field: "event",
        message: "identity events are not allowed when project is using simplified identity management",
        reason: .verbNotAllowed)
    static let mergeOnTrack = RecordRejection(
        field: "event", message: "$merge is only accepted through /import", reason: .mergeNotAllowed)
    static let mergeByToken = RecordRejection(
        field: "event", message: "$merge requires project secret or service account authentication",
        reason: .mergeNotAllowed)
    static let notAPair = RecordRejection(
        field: "properties.$distinct_ids",
        message: "'properties.$distinct_ids' is invalid: must contain exactly 2 distinct_ids",
        reason: .idInvalid)

    /// An empty record on /import, which clients send to try their credentials (P 4.5-1).
    static let emptyOnImport = RecordRejection(
        field: "event", message: "'event' must not be missing or blank", plainText: "data, missing or empty",
        reason: .eventMissing)

    static func eventNameTooLong(_ limit: Int) -> RecordRejection {
        RecordRejection(
            field: "event", message: "'event' is invalid: must be at most \(limit) bytes", reason: .eventTooLong)
    }

    static let updateTokenMissing = RecordRejection(
        field: "$token", message: "$token, missing or empty", reason: .tokenMissing)
    static let noOperator = RecordRejection(
        field: "",
        message: "record has no operator: $set, $set_once, $add, $append, $union, $remove, $unset, $merge or $delete",
        reason: .updateInvalid)

    /// A member of a profile update that breaks a rule.
    static func member(_ path: String, _ rule: String) -> RecordRejection {
        RecordRejection(field: path, message: "'\(path)' is invalid: \(rule)", reason: .updateInvalid)
    }

    static func recordTooLarge(_ limit: Int) -> RecordRejection {
        RecordRejection(
            field: "", message: "record is invalid: must be smaller than \(limit) bytes", reason: .tooLarge)
    }

    static func tooManyProperties(_ limit: Int) -> RecordRejection {
        RecordRejection(
            field: "properties", message: "'properties' is invalid: must have fewer than \(limit) keys",
            reason: .tooLarge)
    }

    static func tooManyElements(_ path: String, _ limit: Int, isObject: Bool) -> RecordRejection {
        let unit = isObject ? "keys" : "elements"
        return RecordRejection(
            field: path, message: "\(path) is invalid: must have fewer than \(limit) \(unit)", reason: .tooLarge)
    }

    static func tooDeep(_ path: String, _ limit: Int) -> RecordRejection {
        RecordRejection(
            field: path, message: "\(path) is invalid: must not be nested deeper than \(limit) levels",
            reason: .tooLarge)
    }

    /// A property that breaks a rule.
    static func property(_ name: StaticString, _ rule: StaticString) -> RecordRejection {
        RecordRejection(
            field: "properties.\(name)", message: "'properties.\(name)' is invalid: \(rule)",
            reason: RejectionReason(field: name, rule: rule))
    }

    /// An id that holds half a surrogate pair, which no UTF-8 text can.
    static func notUTF8(_ name: StaticString) -> RecordRejection { notUTF8(path: "properties.\(name)") }

    /// A text with a byte that is no UTF-8.
    static func notUTF8(path: String, isQuoted: Bool = false) -> RecordRejection {
        RecordRejection(
            field: path, message: "\(isQuoted ? "'\(path)'" : path) is invalid: \(Rule.utf8)", reason: .notUTF8)
    }

    /// The insert id, whose field bears no `properties.` (P 6.2, #8).
    static func insertID(_ rule: String) -> RecordRejection {
        RecordRejection(
            field: "$insert_id", message: "'$insert_id' is invalid: \(rule)", reason: .insertIDInvalid)
    }
}

/// The rules' words, where several checks share them.
enum Rule {
    static let missing: StaticString = "must not be missing"
    static let blank: StaticString = "must not be missing or blank"
    static let text: StaticString = "must be a string"
    static let utf8: StaticString = "string should be valid utf8"
    static let reserved: StaticString = "must not be one of the disallowed values"
    static let long: StaticString = "must be at most 1024 bytes"
    static let epoch: StaticString = "must be specified as seconds since epoch"
    static let future: StaticString = "must not be in the future"
    static let early: StaticString = "must not be before 1971-01-01"
}

extension EventRejection {
    /// A record's fault at the record's place.
    init(_ index: Int, _ fault: RecordRejection, insertID: [UInt8]) {
        self.init(
            index: index, insertID: insertID, field: fault.field, message: fault.message,
            plainText: fault.plainText ?? fault.message)
        reason = fault.reason
    }
}
