import IdentityEngine

extension Export.Range {
    /// The most events that one export gives where it asks for a limit (P 10-5).
    private static let limitRange: ClosedRange<Int64> = 1...100_000

    /// The events that a request asks for.
    ///
    /// - Parameters:
    ///   - query: the request.
    ///   - profileRule: how the profiles that a condition asks for are made.
    /// - Throws: `QueryFault` that names the option, and what is allowed.
    init(_ query: QueryRequest, profileRule: ProfileMergeRule) throws(QueryFault) {
        guard let from = query.text("from_date"), let to = query.text("to_date") else {
            throw .badRequest("from_date and to_date must be given, as days: YYYY-MM-DD")
        }
        do throws(ConfigurationError) {
            try self.init(fromDay: from, toDay: to)
        } catch {
            throw .badRequest(error.message)
        }
        if query.first("limit") != nil { limit = Int(try query.number("limit", default: 1, in: Self.limitRange)) }
        isTimeInMilliseconds = query.isTrue("time_in_ms")
        names = try query.strings("event", of: "event names").map { Set($0.map { Array($0.utf8) }) }
        condition = try query.condition("where", of: .event)
        self.profileRule = profileRule
        if query.first("as_of") != nil, condition?.namesProfile == true {
            throw .badRequest("a where with user[…] has no as_of: profiles are only known as they are now")
        }
    }
}
