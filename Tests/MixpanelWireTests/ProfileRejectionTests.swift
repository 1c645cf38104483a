import IdentityEngine
import MixpanelWire
import Testing

struct ProfileRejectionTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var record: String
        var field: String
        var message: String
        var endpoint: EventBatch.Endpoint
        var testDescription: String { record }

        init(_ record: String, _ field: String, _ message: String, at endpoint: EventBatch.Endpoint = .engage) {
            self.record = record
            self.field = field
            self.message = message
            self.endpoint = endpoint
        }

        /// A fault whose message names the field as all rules of a field do.
        init(_ record: String, _ field: String, breaks rule: String, at endpoint: EventBatch.Endpoint = .engage) {
            self.init(record, field, "'\(field)' is invalid: \(rule)", at: endpoint)
        }
    }

    private static let noToken = "$token, missing or empty"
    private static let noOperator =
        "record has no operator: $set, $set_once, $add, $append, $union, $remove, $unset, $merge or $delete"
    private static func to(_ id: String) -> String { #"{"$token":"aaaa","$distinct_id":\#(id),"$set":{}}"# }
    private static func toGroup(_ members: String) -> String { #"{"$token":"aaaa",\#(members),"$set":{}}"# }

    @Test(arguments: [
        Case("7", "", "record must be a JSON object"),
        Case(#"{"$set":{"a":1e}}"#, "", "record is not valid JSON"),
        Case("{}", "$token", noToken),
        Case(#"{"$distinct_id":"u1","$set":{"a":1}}"#, "$token", noToken),
        Case(#"{"$token":" ","$set":7}"#, "$token", noToken),
        Case(#"{"$token":7}"#, "$token", noToken),
        Case(#"{"$token":"aaaa","$set":{}}"#, "$distinct_id", breaks: "must not be missing or blank"),
        Case(to("null"), "$distinct_id", breaks: "must not be missing or blank"),
        Case(to(#""""#), "$distinct_id", breaks: "must not be missing or blank"),
        Case(to(#"" \t""#), "$distinct_id", breaks: "must not be missing or blank"),
        Case(to("true"), "$distinct_id", breaks: "must be a string"),
        Case(to("[1]"), "$distinct_id", breaks: "must be a string"),
        Case(to(#""\ud800""#), "$distinct_id", breaks: "string should be valid utf8"),
        Case(to(#""\#(String(repeating: "a", count: 1025))""#), "$distinct_id", breaks: "must be at most 1024 bytes"),
        Case(#"{"$token":"aaaa","$distinct_id":"u1"}"#, "", noOperator),
        Case(update(#""$name":"x","set":{"a":1}"#), "", noOperator),
        Case(update(#""$set":7"#), "$set", breaks: "must be an object"),
        Case(update(#""$set":null"#), "$set", breaks: "must be an object"),
        Case(update(#""$merge":[{}]"#), "$merge", breaks: "must be an object"),
        Case(update(#""$set":{"a":1},"$append":"x""#), "$append", breaks: "must be an object"),
        Case(update(#""$add":{"n":1,"m":"2"}"#), "$add.m", breaks: "must be a number"),
        Case(update(#""$add":{"n":null}"#), "$add.n", breaks: "must be a number"),
        Case(update(#""$union":{"l":"x"}"#), "$union.l", breaks: "must be an array"),
        Case(update(#""$unset":"a""#), "$unset", breaks: "must be an array of property names"),
        Case(update(#""$unset":["a",1]"#), "$unset", breaks: "must be an array of property names"),
        Case(update(#""$unset":{"a":""}"#), "$unset", breaks: "must be an array of property names"),
        Case(toGroup(#""$group_id":"a""#), "$group_key", breaks: "must not be missing or blank", at: .groups),
        Case(toGroup(#""$group_key":"k""#), "$group_id", breaks: "must not be missing or blank", at: .groups),
        Case(
            toGroup(#""$group_key":"k","$group_id":["a"]"#), "$group_id", breaks: "must be a string", at: .groups),
    ])
    func `the first fault of a record is told`(_ one: Case) {
        let decoded = updating("[\(one.record)]", one.endpoint)
        #expect(decoded.updateLines.isEmpty)
        #expect(decoded.rejections == ["0 \(one.field): \(one.message)"])
    }

    private static func pairs(_ count: Int, _ value: String = "0") -> String {
        (0..<count).map { #""k\#($0)":\#(value)"# }.joined(separator: ",")
    }

    private static func nested(_ depth: Int) -> String {
        String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }

    struct Limit: CustomTestStringConvertible, Sendable {
        var name: String
        var good: String
        var bad: String
        var field: String
        var rule: String
        var testDescription: String { name }
    }

    @Test(arguments: [
        Limit(
            name: "properties", good: #""$set":{\#(pairs(2000))}"#, bad: #""$set":{\#(pairs(2001))}"#, field: "$set",
            rule: "must have at most 2000 keys"),
        Limit(
            name: "keys of a nested object", good: #""$set":{"a":{\#(pairs(254))}}"#,
            bad: #""$merge":{"a":{\#(pairs(255))}}"#, field: "$merge.a", rule: "must have fewer than 255 keys"),
        Limit(
            name: "nesting", good: #""$set":{"a":\#(nested(64))}"#, bad: #""$set":{"a":\#(nested(65))}"#,
            field: "$set.a", rule: "must not be nested deeper than 64 levels"),
        Limit(
            name: "a name", good: #""$set":{"\#(String(repeating: "\\u00e9", count: 255))":1}"#,
            bad: #""$set":{"\#(String(repeating: "a", count: 256))":1}"#,
            field: "$set.\(String(repeating: "a", count: 64))", rule: "its name must have at most 255 characters"),
        Limit(
            name: "a list has none", good: #""$union":{"a":[\#((0..<5000).map(String.init).joined(separator: ","))]}"#,
            bad: #""$union":{"a":0}"#, field: "$union.a", rule: "must be an array"),
    ])
    func `a limit holds exactly`(_ limit: Limit) {
        #expect(updating(update(limit.good)).rejections.isEmpty)
        let refused = updating(update(limit.bad)).rejections
        #expect(refused.count == 1)
        #expect(refused.first?.hasPrefix("0 \(limit.field): ") == true, "\(refused)")
        #expect(refused.first?.hasSuffix("is invalid: \(limit.rule)") == true, "\(refused)")
    }

    @Test func `a broken limit of a repeated operator does not count`() {
        let decoded = updating(update(#""$set":{\#(Self.pairs(2001))},"$set":{"a":1}"#))
        #expect(decoded.updateLines == [#"1001 u1 set{"a":1}"#])
    }

    @Test func `an update must be smaller than a megabyte`() {
        func sized(_ bytes: Int) -> String {
            let empty = update(#""$set":{"a":[]},"x":"""#)
            return update(#""$set":{"a":[]},"x":"\#(String(repeating: "x", count: bytes - empty.utf8.count))""#)
        }
        #expect(updating(sized(1_048_575)).updateLines == [#"1001 u1 set{"a":[]}"#])
        #expect(
            updating(sized(1_048_576)).rejections == ["0 : record is invalid: must be smaller than 1048576 bytes"])
    }

    @Test func `more records than the limit are none`() {
        let records = Array(repeating: update(#""$set":{}"#), count: 2001).joined(separator: ",")
        #expect(updating("[\(records)]").result.failure == .tooManyRecords(limit: 2000))
        #expect(updating("[\(records)]").batch.profileUpdates.isEmpty)
    }
}
