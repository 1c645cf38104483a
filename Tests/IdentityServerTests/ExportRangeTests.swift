import IdentityServer
import Testing

@Suite struct `Export range` {
    struct Case: CustomTestStringConvertible {
        let from: String
        let to: String
        let fromMilliseconds: Int64
        let beforeMilliseconds: Int64

        var testDescription: String { "\(from) to \(to)" }
    }

    static let cases = [
        Case(from: "1970-01-01", to: "1970-01-01", fromMilliseconds: 0, beforeMilliseconds: 86_400_000),
        Case(
            from: "2023-11-14", to: "2023-11-15", fromMilliseconds: 1_699_920_000_000,
            beforeMilliseconds: 1_700_092_800_000),
        Case(
            from: "2024-02-28", to: "2024-02-29", fromMilliseconds: 1_709_078_400_000,
            beforeMilliseconds: 1_709_251_200_000),
        Case(
            from: "1969-12-31", to: "1969-12-31", fromMilliseconds: -86_400_000, beforeMilliseconds: 0),
        Case(
            from: "2000-03-01", to: "2000-03-01", fromMilliseconds: 951_868_800_000,
            beforeMilliseconds: 951_955_200_000),
    ]

    @Test(arguments: cases)
    func `both days are included, in UTC`(_ one: Case) throws {
        let range = try Export.Range(fromDay: one.from, toDay: one.to)
        #expect(range.fromMilliseconds == one.fromMilliseconds)
        #expect(range.beforeMilliseconds == one.beforeMilliseconds)
    }

    @Test(arguments: [
        "2023-02-29", "2023-13-01", "2023-00-10", "2023-1-1", "20230101", "2023-01-01T00:00:00Z", "", "-023-01-01",
        "2023-01-32", "yesterday", "2100-02-29",
    ])
    func `what is not a day is refused, and named`(_ text: String) {
        let error = #expect(throws: ConfigurationError.self) { try Export.Range(fromDay: text, toDay: "2023-01-01") }
        #expect(error?.message.contains("from_date") == true)
    }

    @Test func `the first day may not come after the last`() {
        #expect(throws: ConfigurationError.self) { try Export.Range(fromDay: "2023-01-02", toDay: "2023-01-01") }
    }
}
