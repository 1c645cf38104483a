/// Web events as SDKs send them, made of random numbers; `events_sqlite.c` makes the same ones, byte for byte.
struct SampleEvents {
    /// The parts of one event.
    struct Event {
        var timeMilliseconds: Int64
        var name: String
        var distinctID: [UInt8]
        var insertID: [UInt8]
        /// The pairs of `properties`, without its brackets.
        var properties: [UInt8]
    }

    static let token = "0123456789abcdef0123456789abcdef"
    /// A time after all events.
    static let nowMilliseconds: Int64 = 1_800_000_000_000

    private static let names = ["Page View", "Product Viewed", "Add to Cart", "Checkout"]
    private static let browsers = ["Chrome", "Safari", "Firefox", "Edge"]
    private static let cities = ["San Francisco", "Berlin", "Tokyo", "Sao Paulo", "Pune", "Paris", "Lagos"]

    private var random = RandomNumbers()
    private var time: Int64 = 1_700_000_000_000

    /// The next event; times rise, but for a few seconds of disorder.
    mutating func next() -> Event {
        time += Int64(random.next(below: 20))
        let sent = time - Int64(random.next(below: 5_000))
        var event = Event(
            timeMilliseconds: sent, name: Self.names[random.next(below: 4)], distinctID: [], insertID: [],
            properties: [])
        event.distinctID.append(uuidOf: random.next(), random.next())
        event.insertID.append(hex: random.next(), digits: 16)
        appendProperties(to: &event.properties)
        return event
    }

    private mutating func appendProperties(to text: inout [UInt8]) {
        text.append(#""$browser":""# + Self.browsers[random.next(below: 4)])
        text.append(#"","$browser_version":"#)
        text.append(number: 100 + random.next(below: 30))
        text.append(#","$city":""# + Self.cities[random.next(below: 7)])
        text.append(#"","mp_country_code":"US","$current_url":"https://example.com/products/"#)
        text.append(number: random.next(below: 100_000))
        text.append(#"?utm_source=x","$device":"iPhone","$initial_referrer":"$direct","$lib_version":"2.45.0","#)
        text.append(#""$os":"iOS","$screen_height":844,"$screen_width":390,"mp_lib":"web","Amount":"#)
        text.append(number: random.next(below: 500))
        text.append(".")
        text.append(number: 10 + random.next(below: 90))
    }
}

extension SampleEvents {
    /// Events as a JSON array, or one a line.
    static func json(count: Int, isLines: Bool = false) -> [UInt8] {
        var events = SampleEvents()
        var text: [UInt8] = isLines ? [] : [UInt8(ascii: "[")]
        for index in 0..<count {
            let event = events.next()
            if index > 0 { text.append(isLines ? "\n" : ",") }
            text.append(#"{"event":""# + event.name + #"","properties":{"token":""# + token + #"","time":"#)
            text.append(number: Int(event.timeMilliseconds))
            text.append(#","distinct_id":""#)
            text += event.distinctID
            text.append(#"","$insert_id":""#)
            text += event.insertID
            text.append(#"","#)
            text += event.properties
            text.append("}}")
        }
        if !isLines { text.append("]") }
        return text
    }
}
