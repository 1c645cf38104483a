/// Records as one client sends them: the same keys in the same order, but for what is now and then otherwise.
enum SimilarRecords {
    private static let keys = [
        "time", "distinct_id", "$insert_id", "$device_id", "$user_id", "$import", "$ignores", "$os", "$browser_version",
        "$current_url_of_the_page", "Amount", "amount", "a", "b", "é", "", "key one", "$identified_id", "$anon_id",
    ]

    /// A few records, each valid JSON on one line.
    static func records(_ random: inout SeededGenerator) -> [String] {
        var template = Array(keys.shuffled(using: &random).prefix(random.below(12)))
        return (0..<random.below(7) + 1).map { _ in
            var own = template
            switch random.below(8) {
            case 0 where !own.isEmpty: own.remove(at: random.below(own.count))
            case 1 where !own.isEmpty: own.append(own[random.below(own.count)])
            case 2: own.insert(random.pick(keys), at: random.below(own.count + 1))
            case 3: own.shuffle(using: &random)
            case 4 where !own.isEmpty: own[random.below(own.count)] = random.pick(keys)
            default: break
            }
            if random.oneIn(3) { template = own }
            return record(own, &random)
        }
    }

    private static func record(_ keys: [String], _ random: inout SeededGenerator) -> String {
        let isPretty = random.oneIn(8)
        let (comma, colon) = isPretty ? (", ", ": ") : (",", ":")
        var pairs: [String] = []
        for key in keys { pairs.append(spelt(key, &random) + colon + value(key, &random)) }
        let name = random.pick(["View", "View", "View", "$identify", "caf\\u00e9"])
        let properties = "{" + pairs.joined(separator: comma) + (random.oneIn(16) ? " }" : "}")
        let members = [#""event":"\#(name)""#, #""properties"\#(colon)\#(properties)"#]
        return "{" + (random.oneIn(8) ? members.reversed() : members).joined(separator: comma) + "}"
    }

    /// A key, now and then with an escape.
    private static func spelt(_ key: String, _ random: inout SeededGenerator) -> String {
        guard random.oneIn(16), let first = key.unicodeScalars.first, first.isASCII else { return #""\#(key)""# }
        let hex = String(first.value, radix: 16)
        return #""\u00\#(hex.count < 2 ? "0" : "")\#(hex)\#(key.dropFirst())""#
    }

    private static func value(_ key: String, _ random: inout SeededGenerator) -> String {
        if key == "time", !random.oneIn(8) { return random.pick(["1699999999", "1699999999000", "1699999999.5"]) }
        switch random.below(8) {
        case 0:
            // One to a line is how some bodies go, so no value may hold a bare line break.
            let text = RandomValue(depth: 4, &random).spelt(&random)
            return text.replacing("\r\n", with: " ").replacing("\n", with: " ")
        case 1: return random.pick(["0", "-1.5e3", "true", "false", "null", "[]", "{}", #""""#])
        case 2: return #""\#(String(repeating: random.pick(["x", "é"]), count: random.below(300)))""#
        default: return #""\#(random.pick(["u1", "a-b", "Chrome", "$device:d1", "caf\\u00e9", "a\\/b", "one", "é"]))""#
        }
    }
}
