/// Why a record was rejected, in one word: what rejections are counted by.
///
/// The raw value is part of our HTTP surface.
package enum RejectionReason: String, CaseIterable, Sendable {
    case notAnObject = "not_an_object"
    case notJSON = "not_json"
    case eventMissing = "event_missing"
    case eventTooLong = "event_too_long"
    case propertiesNotAnObject = "properties_not_an_object"
    case tokenMissing = "token_missing"
    case tokenUnknown = "token_unknown"
    /// A verb in a Simplified project (P 8-6).
    case verbNotAllowed = "verb_not_allowed"
    /// `$merge` by the public token, or through /track (P 5.3-1).
    case mergeNotAllowed = "merge_not_allowed"
    case idMissing = "id_missing"
    case idInvalid = "id_invalid"
    /// One of the ids that stand for nobody (P 6.3).
    case idReserved = "id_reserved"
    case timeInvalid = "time_invalid"
    case insertIDInvalid = "insert_id_invalid"
    /// An update of a profile without an operator, or with an operand that its operator cannot take (P 10-4).
    case updateInvalid = "update_invalid"
    /// A text with a byte that is no UTF-8, or an id with half a surrogate pair (P 2-11).
    case notUTF8 = "not_utf8"
    /// Too many bytes, properties, keys or elements, or too deep (P 6.1).
    case tooLarge = "too_large"
    /// The whole request cannot be read.
    case requestUnreadable = "request_unreadable"
    /// The whole request has more records than it may.
    case tooManyRecords = "too_many_records"
    case other
}

extension RejectionReason {
    /// The reason that a rule about a field stands for.
    init(field: StaticString, rule: StaticString) {
        let isTime = "\(field)" == "\(WireName.time)"
        switch "\(rule)" {
        case "\(Rule.missing)", "\(Rule.blank)": self = isTime ? .timeInvalid : .idMissing
        case "\(Rule.reserved)": self = .idReserved
        case "\(Rule.text)", "\(Rule.long)": self = .idInvalid
        case "\(Rule.epoch)", "\(Rule.future)", "\(Rule.early)": self = .timeInvalid
        default: self = .other
        }
    }
    /// Whether the messages of its rejections are this server's words alone, and have nothing of the record.
    ///
    /// The others name a property, and its name may be an id.
    package var hasOwnWords: Bool {
        switch self {
        case .notAnObject, .notJSON, .eventMissing, .eventTooLong, .propertiesNotAnObject, .tokenMissing,
            .tokenUnknown, .verbNotAllowed, .mergeNotAllowed, .idMissing, .idInvalid, .idReserved, .timeInvalid,
            .insertIDInvalid, .requestUnreadable, .tooManyRecords:
            true
        case .updateInvalid, .notUTF8, .tooLarge, .other: false
        }
    }
}
