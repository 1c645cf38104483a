import IdentityEngine
import Testing

struct TimestampTests {
    @Test(
        arguments: [
            (1_700_000_000_999, "2023-11-14T22:13:20"), (0, "1970-01-01T00:00:00"), (-1, "1969-12-31T23:59:59"),
            (951_782_400_000, "2000-02-29T00:00:00"), (253_402_300_799_999, "9999-12-31T23:59:59"),
        ] as [(Int64, String)])
    func `a property's time is whole seconds without a zone`(_ milliseconds: Int64, _ text: String) {
        #expect(Timestamp.propertyText(milliseconds: milliseconds) == text)
        #expect(Timestamp.text(milliseconds: milliseconds).hasPrefix(text + "."))
    }

    @Test(arguments: [Int64.min, .min + 1, .max])
    func `every number of milliseconds has a text`(_ milliseconds: Int64) {
        #expect(Timestamp.text(milliseconds: milliseconds).hasSuffix("Z"))
        #expect(!Timestamp.propertyText(milliseconds: milliseconds).isEmpty)
    }
}
