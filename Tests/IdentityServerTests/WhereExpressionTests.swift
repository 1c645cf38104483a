import IdentityServer
import Testing

@Suite struct `Where expression` {
    /// What every row below is asked of.
    static let properties = #"""
        {"plan":"pro","age":30,"ratio":0.5,"big":9007199254740993,"paid":true,"trial":false,"none":null,"empty":"",\#
        "zero":0,"no":"false","tags":["red","gr\"een",3,true,null,["x"]],"box":{"tags":["hidden"],"plan":"inner"},\#
        "quo\"ted":"a\\b\nc","größe":"Ünïcödé ✓","cut":"x\ud83dy","one":1,"float":1.0,"exp":1e2,"self":"plan",\#
        "it's":"it's","number text":"30","a,b":"}{][,:"}
        """#

    struct Case: CustomTestStringConvertible {
        let text: String
        let isTrue: Bool

        var testDescription: String { "\(text) is \(isTrue)" }
    }

    static let met = [
        #"properties["plan"] == "pro""#, #"properties['plan'] == 'pro'"#, #"'pro'==properties["plan"]"#,
        #"properties["plan"] != "free""#, #"properties["age"] == 30"#, #"properties["age"] >= 30"#,
        #"properties["age"] > 29.5 and properties["age"] < 30.5"#, #"properties["age"] <= 3e1"#,
        #"properties["ratio"] == 0.50"#, #"properties["ratio"] > -1"#, #"properties["float"] == properties["one"]"#,
        #"properties["exp"] == 100"#, #"properties["big"] == 9007199254740993"#,
        #"properties["big"] != 9007199254740992"#, #"properties["big"] > 9007199254740992"#,
        #"properties["paid"] == true"#, #"properties["paid"]"#, #"not properties["trial"]"#,
        #"properties["trial"] == false"#, #"defined(properties["plan"])"#, #"defined (properties["zero"])"#,
        #"not defined(properties["gone"])"#, #"not defined(properties["none"])"#, #"not defined(properties["tags]"])"#,
        #"properties["gone"] != 1"#, #"properties["age"] != "30""#, #"properties["number text"] == "30""#,
        #"properties["none"] != properties["none"]"#, #""ro" in properties["plan"]"#, #""" in properties["plan"]"#,
        #""red" in properties["tags"]"#, #"'gr"een' in properties["tags"]"#, #"3.0 in properties["tags"]"#,
        #"true in properties["tags"]"#, #"properties["age"] in [1, 2, 30]"#, #"properties["plan"] in ["pro"]"#,
        #"not properties["plan"] in []"#, #"not "Face" in properties["plan"]"#, #"properties["plan"] < "q""#,
        #"properties["plan"] > "Pro""#, #"properties["empty"] < properties["plan"]"#, #"true"#, #""x""#, #"1"#,
        #"not (0 or "" or "false" or false or properties["gone"] or properties["none"])"#,
        #"properties["tags"] and properties["box"]"#, #"boolean(properties["tags"]) == true"#,
        #"(boolean(properties["no"]) == false)"#, #"properties["quo\"ted"] == "a\\b\nc""#,
        #"properties["größe"] == "Ünïcödé \u2713""#, #"properties["gr\u00f6\u00dfe"] > "U""#,
        #""✓" in properties["größe"]"#, #"properties["cut"] == "x\ud83dy""#, #""\ud83d" in properties["cut"]"#,
        #"properties["it's"] == 'it\'s'"#, #"properties["a,b"] == "}{][,:""#,
        #"properties["tags"] == properties["tags"]"#,
        #"properties["one"] == 1 or properties["one"] == 2 and false"#, #"not false and not false"#,
        #"not true or true"#, #"(properties["one"] == 1) == true"#, " \t\n( true )\r\n",
        #"((("Albany" in properties["$city"]) or (defined (properties["plan"]))))"#,
    ]

    static let unmet = [
        #"properties["plan"] == "Pro""#, #"properties["age"] == "30""#, #"properties["age"] < "40""#,
        #"properties["number text"] > 1"#, #"properties["gone"] == properties["gone"]"#, #"properties["gone"] < 1"#,
        #"properties["gone"] >= 1"#, #"properties["gone"] == """#, #"properties["none"] == false"#,
        #"properties["none"]"#, #"defined(properties["hidden"])"#, #"defined(properties["none"])"#,
        #"properties["paid"] == 1"#, #"properties["paid"] > false"#, #"properties["trial"] == 0"#,
        #""red" in properties["plan"]"#, #""hidden" in properties["tags"]"#, #""x" in properties["tags"]"#,
        #""plan" in properties["box"]"#, #""3" in properties["tags"]"#, #"3 in properties["plan"]"#,
        #"3 in properties["age"]"#, #""" in properties["gone"]"#, #"properties["gone"] in [1]"#,
        #"properties["none"] in properties["tags"]"#, #"properties["plan"] in ["free", 1, true]"#,
        #"properties["tags"] == properties["box"]"#, #"properties["tags"] < properties["box"]"#,
        #"properties["self"] == "pro""#, #"false or 0 or "false""#, #"true and true and false"#,
        #"not not false"#, #"(true or true) and false"#, #"properties["größe"] == "größe""#,
        #"properties["gro\u0308\u00dfe"] == "Ünïcödé ✓""#, #"boolean(properties["gone"])"#,
        #"not "pro" == properties["plan"]"#,
    ]

    static let cases =
        met.map { Case(text: $0, isTrue: true) } + unmet.map { Case(text: $0, isTrue: false) }

    @Test(arguments: cases)
    func `a condition is true of the properties that it describes`(_ one: Case) throws {
        let expression = try WhereExpression(parsing: Array(one.text.utf8))
        let before = Array("before".utf8)
        let bytes = before + Array(Self.properties.utf8) + Array("after".utf8)
        let range = before.count..<(before.count + Self.properties.utf8.count)
        #expect(expression.matches(bytes, in: range) == one.isTrue)
    }

    @Test func `nothing is defined where there are no properties`() throws {
        let expression = try WhereExpression(parsing: Array(#"defined(properties["a"])"#.utf8))
        #expect(!expression.matches(Array("{}".utf8), in: 0..<2))
        let negative = try WhereExpression(parsing: Array(#"not defined(properties["a"])"#.utf8))
        #expect(negative.matches(Array("{}".utf8), in: 0..<2))
    }

    @Test func `of a key that stands twice the last counts`() throws {
        let expression = try WhereExpression(parsing: Array(#"properties["a"] == 2"#.utf8))
        let text = Array(#"{"a":1,"a":2}"#.utf8)
        #expect(expression.matches(text, in: text.indices))
    }

    struct Wrong: CustomTestStringConvertible {
        let text: String
        let position: Int
        let says: String

        var testDescription: String { text }
    }

    static let wrong = [
        Wrong(text: "", position: 1, says: "expected a value, found the end"),
        Wrong(text: "   ", position: 4, says: "expected a value, found the end"),
        Wrong(text: #"properties["a"] ="#, position: 17, says: "write \"==\""),
        Wrong(text: #"properties["a"] = 1"#, position: 17, says: "write \"==\""),
        Wrong(text: #"properties["a"] == "#, position: 20, says: "expected a value, found the end"),
        Wrong(text: #"properties["a"] =="#, position: 19, says: "expected a value, found the end"),
        Wrong(text: #"properties["a"] ! 1"#, position: 17, says: "write \"!=\" or \"not\""),
        Wrong(text: #"properties["a"] + 1"#, position: 17, says: "\"+\" means nothing here"),
        Wrong(text: #"properties["a"] -1"#, position: 17, says: "expected \"and\", \"or\", a comparison or the end"),
        Wrong(text: #"properties["é"] & 1"#, position: 17, says: "\"&\" means nothing here"),
        Wrong(text: #"properties["👩🏽‍🚀"] ✓"#, position: 20, says: "\"✓\" means nothing here"),
        Wrong(text: "true\u{0}", position: 5, says: "the character U+0"),
        Wrong(text: #"properties["a] == 1"#, position: 12, says: "this string is not closed"),
        Wrong(text: #"properties[a] == 1"#, position: 12, says: "expected a property's name in quotes, found \"a\""),
        Wrong(text: #"properties("a")"#, position: 11, says: "expected \"[\", found \"(\""),
        Wrong(text: #"properties["a" == 1"#, position: 16, says: "expected \"]\", found \"==\""),
        Wrong(text: #"properties"#, position: 11, says: "expected \"[\", found the end"),
        Wrong(text: #"user.a == 1"#, position: 5, says: "\".\" means nothing here"),
        Wrong(text: #"user("a") == 1"#, position: 5, says: "expected \"[\", found \"(\""),
        Wrong(text: #"true and event["a"]"#, position: 10, says: "\"event\" means nothing here"),
        Wrong(text: #"datetime("soon") > 2"#, position: 10, says: "this is no time; a time is written in seconds"),
        Wrong(text: #"datetime(true) > 2"#, position: 10, says: "this is no time"),
        Wrong(text: #"datetime()"#, position: 10, says: "expected a value, found \")\""),
        Wrong(text: #"datetime 1"#, position: 10, says: "expected \"(\", found a number"),
        Wrong(text: #"number(1, 2)"#, position: 9, says: "expected \")\", found \",\""),
        Wrong(text: #"date(1) > 2"#, position: 1, says: "\"date\" means nothing here"),
        Wrong(text: #"properties["a"] == null"#, position: 20, says: "\"null\" means nothing here"),
        Wrong(text: #"TRUE"#, position: 1, says: "\"TRUE\" means nothing here"),
        Wrong(text: #"true AND true"#, position: 6, says: "expected \"and\""),
        Wrong(text: #"true true"#, position: 6, says: "found \"true\""),
        Wrong(text: #"(true"#, position: 6, says: "expected \")\", found the end"),
        Wrong(text: #"true)"#, position: 5, says: "found \")\""),
        Wrong(text: #"()"#, position: 2, says: "expected a value, found \")\""),
        Wrong(text: #"and true"#, position: 1, says: "expected a value, found \"and\""),
        Wrong(text: #"true and"#, position: 9, says: "expected a value, found the end"),
        Wrong(text: #"true == not false"#, position: 9, says: "expected a value, found \"not\""),
        Wrong(text: #""a" not "b""#, position: 9, says: "expected \"in\", found a string"),
        Wrong(text: #"1 not in [1] not in [2]"#, position: 14, says: "comparisons cannot be chained"),
        Wrong(text: #"1 < 2 < 3"#, position: 7, says: "comparisons cannot be chained"),
        Wrong(text: #""a" in "b" in "c""#, position: 12, says: "comparisons cannot be chained"),
        Wrong(text: #"[1] == 1"#, position: 1, says: "expected a value, found \"[\""),
        Wrong(text: #"1 in [1, properties["a"]]"#, position: 10, says: "expected a string, a number, true or false"),
        Wrong(text: #"1 in [1,]"#, position: 9, says: "expected a string, a number, true or false, found \"]\""),
        Wrong(text: #"1 in [1 2]"#, position: 9, says: "expected \",\" or \"]\", found a number"),
        Wrong(text: #"defined properties["a"]"#, position: 9, says: "expected \"(\", found \"properties\""),
        Wrong(text: #"boolean true"#, position: 9, says: "expected \"(\", found \"true\""),
        Wrong(text: #"1.5.2 == 1"#, position: 1, says: "this is not a number"),
        Wrong(text: #"1 == 12abc"#, position: 6, says: "this is not a number"),
        Wrong(text: #"1 == -"#, position: 6, says: "this is not a number"),
        Wrong(text: #"1 == 1e"#, position: 6, says: "this is not a number"),
        Wrong(text: #""a\x" == 1"#, position: 3, says: "there is no such escape"),
        Wrong(text: #""a\u12" == 1"#, position: 3, says: "four hexadecimal digits"),
        Wrong(text: #""a\"#, position: 3, says: "this escape is not finished"),
    ]

    @Test(arguments: wrong)
    func `what cannot be read is named with its place`(_ one: Wrong) {
        let error = #expect(throws: WhereError.self) { try WhereExpression(parsing: Array(one.text.utf8)) }
        #expect(error?.position == one.position, "\(error?.description ?? "")")
        #expect(error?.message.contains(one.says) == true, "\(error?.description ?? "")")
    }

    @Test func `length and depth are limited`() throws {
        func parse(_ text: String) throws { _ = try WhereExpression(parsing: Array(text.utf8)) }
        func nested(_ open: String, _ close: String, _ depth: Int) -> String {
            String(repeating: open, count: depth) + "true" + String(repeating: close, count: depth)
        }
        for (open, close) in [("(", ")"), ("not ", ""), ("boolean(", ")")] {
            try parse(nested(open, close, WhereExpression.depthLimit))
            let error = #expect(throws: WhereError.self) { try parse(nested(open, close, 65)) }
            #expect(error?.position == open.count * 64 + 1)
            #expect(throws: WhereError.self) { try parse(nested(open, close, 1500)) }
        }
        let long = Array(repeating: "true", count: 1800).joined(separator: " and ")
        try parse(long)
        #expect(throws: WhereError.self) { try parse(long + String(repeating: " ", count: 16_384)) }
        let error = #expect(throws: WhereError.self) { try WhereExpression(parsing: [0x22, 0xFF, 0x22]) }
        #expect(error?.message.contains("UTF-8") == true)
    }

    @Test func `a text of repeats is searched in the time of its length`() throws {
        let text = String(repeating: "a", count: 200_000)
        let expression = try WhereExpression(
            parsing: Array(#""\#(String(repeating: "a", count: 16_000))b" in properties["t"]"#.utf8))
        let bytes = Array(#"{"t":"\#(text)"}"#.utf8)
        let start = ContinuousClock.now
        #expect(!expression.matches(bytes, in: bytes.indices))
        // The product of the two lengths would take minutes in a debug build.
        #expect(ContinuousClock.now - start < .seconds(10))
    }
}
