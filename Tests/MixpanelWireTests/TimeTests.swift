import IdentityEngine
import MixpanelWire
import Testing

struct TimeTests {
    @Test(arguments: [
        ("1699999999", 1_699_999_999_000), ("1699999999.5", 1_699_999_999_500), ("1699999999123", 1_699_999_999_123),
        (#""1699999999""#, 1_699_999_999_000), (#""1699999999.25""#, 1_699_999_999_250), ("1.7e9", now),
        ("1699999999.123456789", 1_699_999_999_123), ("1.699999999e9", 1_699_999_999_000), ("0", 0), ("5", 5000),
        ("99999999", 99_999_999_000), ("1700003600", now), ("1700999999", now), ("99999999999", now),
        ("1e400", now), ("123456789012345678901234567890", now), ("-1", now), ("-1e-9", now), ("1e-9", 0),
        ("null", now),
        ("true", now), (#""""#, now), (#""1.5e9""#, now), (#""-5""#, now), (#""2023-11-14T22:13:20Z""#, now),
        ("{}", now),
    ])
    func `track keeps a past time and gives any other event the present one`(_ source: String, _ expected: Int64) {
        let decoded = track(event(#""time":\#(source)"#))
        #expect(decoded.batch.events.map(\.timeMilliseconds) == [expected])
    }

    @Test(arguments: [
        ("1700003600", now), ("1700000001", now), ("31536000", 31_536_000_000), ("1699999999999", 1_699_999_999_999),
    ])
    func `a strict import brings a time slightly ahead back to the present`(_ source: String, _ expected: Int64) {
        let decoded = importing(
            #"{"event":"E","properties":{"time":\#(source),"distinct_id":"u","$insert_id":"i"}}"#)
        #expect(decoded.batch.events.map(\.timeMilliseconds) == [expected])
    }

    @Test func `a time can be required without strictness`() {
        let decoded = importing(
            #"[{"event":"E","properties":{}},{"event":"E","properties":{"time":1}}]"#, strict: false, timeRequired: true
        )
        #expect(decoded.rejections == ["0 properties.time: 'properties.time' is invalid: must not be missing"])
        #expect(decoded.lines == ["E time=1000 {}"])
    }

    @Test(arguments: [
        ("null", 7), (#""soon""#, 7), ("true", 7), ("-1", 7), ("0", 0), ("1699999999", 1_699_999_999_000),
        ("1700003600", now), ("1700999999", now),
    ])
    func `a time can be given for the records that lack one`(_ source: String, _ expected: Int64) {
        let decoded = importing(
            #"{"event":"E","properties":{"time":\#(source)}}"#, strict: false, missingTime: 7)
        #expect(decoded.batch.events.map(\.timeMilliseconds) == [expected])
        #expect(importing(#"{"event":"E"}"#, missingTime: 7).batch.events.isEmpty)
    }
}
