import IdentityServer
import Testing

/// What conditions make of times, profiles and values of other types (P 10-8).
@Suite struct `Where functions` {
    /// 2024-05-01T12:30:00.250Z.
    static let time: Int64 = 1_714_566_600_250
    static let properties = #"""
        {"time":1714566600,"$time":"mine","n":30,"half":1.5,"text":"30","padded":" -2.5 ","word":"x","yes":true,\#
        "no":false,"none":null,"list":[1,"a"],"box":{"k":1},"day":"2024-05-01","at":"2024-05-01 12:30:00",\#
        "zoned":"2024-05-01T14:30:00+0200","ms":1714566600250,"hex":"0x10","nan":"nan","long":1e300,"quote":"a\"b"}
        """#
    static let profile = #"{"plan":"pro","n":7,"$last_seen":"2024-05-01T00:00:00","same":30}"#

    static let met = [
        #"properties["$time"] >= datetime(1714566600)"#, #"properties["$time"]<datetime(1714566601)"#,
        #"properties["$time"] > datetime("2024-05-01")"#, #"properties["$time"] == 1714566600.25"#,
        #"1714566600.25 == properties["$time"]"#, #"properties["$time"] >= "2024-05-01T12:30:00Z""#,
        #"properties["$time"] < "2024-05-01T12:30:01""#, #"properties["$time"] < "2024-05-02""#,
        #"properties["$time"] > properties["day"]"#, #"properties["$time"] >= properties["at"]"#,
        #"properties["$time"] in [1714566600.25, 2]"#, #"not properties["$time"] in [2, "2024-05-01"]"#,
        #"properties["$time"] not in [2]"#, #""2024-05" in properties["$time"]"#, #"properties["$time"]"#,
        #"defined(properties["$time"])"#, #"string(properties["$time"]) == "2024-05-01T12:30:00""#,
        #"number(properties["$time"]) == 1714566600.25"#, #"properties["$time"] == properties["ms"]"#,
        #"datetime(properties["ms"]) == properties["$time"]"#, #"datetime(properties["time"]) < properties["$time"]"#,
        #"properties["time"] == datetime(1714566600)"#, #"properties["time"] == datetime("1714566600")"#,
        #"datetime(properties["zoned"]) == datetime(properties["at"])"#,
        #"datetime(properties["at"]) == datetime("2024-05-01T12:30")"#, #"datetime("1969-12-31T23:59:59") == -1"#,
        #"datetime(1.5) > datetime(1)"#, #"datetime(253402300799) > datetime(0)"#,
        #"not defined(datetime(properties["word"]))"#, #"not defined(datetime(properties["long"]))"#,
        #"datetime(properties["none"]) != 1"#, #"datetime("2024-02-29") < datetime("2024-03-01")"#,
        #"number(properties["text"]) == 30"#, #"number(properties["text"]) == properties["n"]"#,
        #"number(properties["padded"]) == -2.5"#, #"number(properties["yes"]) == 1"#, #"number(false) == 0"#,
        #"not defined(number(properties["word"]))"#, #"not defined(number(properties["hex"]))"#,
        #"not defined(number(properties["nan"]))"#, #"not defined(number(properties["list"]))"#,
        #"not defined(number("")) and not defined(number(" "))"#, #"number("1e3") == 1000"#,
        #"string(properties["n"]) == "30""#, #"string(properties["half"]) == "1.5""#,
        #"string(properties["yes"]) == "true""#, #"string(properties["list"]) == "[1,\"a\"]""#,
        #""0" in string(properties["n"])"#, #"not defined(string(properties["none"]))"#,
        #"boolean(number("0")) == false"#, #"1 in list(properties["list"])"#, #"30 in list(properties["n"])"#,
        #""a\"b" in list(properties["quote"])"#, #"true in list(properties["yes"])"#,
        #"not defined(list(properties["none"]))"#, #"defined("x") and defined(1 == 2)"#,
        #"properties["word"] not in ["a", "b"]"#, #""y" not in properties["word"]"#,
        #"not ("x" not in properties["word"])"#,
        #"user["plan"] == "pro""#, #"user["n"] < properties["n"]"#, #"user["same"] == properties["n"]"#,
        #"user["$last_seen"] < properties["$time"]"#, #"datetime(user["$last_seen"]) == datetime("2024-05-01")"#,
        #"not defined(user["word"])"#, #"defined(user['n']) and "r" in user["plan"]"#,
    ]

    static let unmet = [
        #"properties["$time"] == "2024-05-01""#, #"properties["$time"] < datetime(0)"#, #"properties["$time"] in []"#,
        #"properties["$time"] == properties["word"]"#, #"properties["$time"] > properties["none"]"#,
        #"properties["$time"] == properties["yes"]"#, #""mine" in properties["$time"]"#,
        #"datetime(properties["day"]) == properties["word"]"#, #"properties["text"] == 30"#,
        #"user["gone"] == 1"#, #"user["word"] == "x""#, #"user["n"] == properties["n"]"#,
        #""x" not in properties["word"]"#,
    ]

    static let cases = met.map { ($0, true) } + unmet.map { ($0, false) }

    @Test(arguments: cases)
    func `a condition on an event is true of what it describes`(_ text: String, _ isTrue: Bool) throws {
        let expression = try WhereExpression(parsing: Array(text.utf8), of: .event)
        let bytes = Array(Self.properties.utf8)
        let found = expression.matches(
            bytes, in: bytes.indices, timeMilliseconds: Self.time, profile: Array(Self.profile.utf8))
        #expect(found == isTrue)
    }

    @Test(arguments: [
        #"properties["$time"] > "soon""#, #"properties["$time"] == true"#, #""2024-13-01" < properties["$time"]"#,
        #"properties["$time"] in [1, "x"]"#, #"properties["$time"] not in [false]"#,
        #"properties["$time"] >= datetime("x")"#,
        #"properties["$time"] == 1e300"#,
    ])
    func `an event's time is not compared with a constant that is none`(_ text: String) {
        let error = #expect(throws: WhereError.self) { try WhereExpression(parsing: Array(text.utf8), of: .event) }
        #expect(error?.message.contains("a time is written in seconds since 1970") == true)
    }

    @Test func `an event without a profile has no property of one`() throws {
        let expression = try WhereExpression(parsing: Array(#"not defined(user["plan"])"#.utf8), of: .event)
        #expect(expression.namesProfile)
        #expect(expression.matches(Array("{}".utf8), in: 0..<2, timeMilliseconds: 0))
    }

    @Test func `of a profile its own properties are asked, and the time is one as any other`() throws {
        let bytes = Array(#"{"plan":"pro","$time":"x"}"#.utf8)
        for text in [#"user["plan"] == "pro""#, #"properties["plan"] == user["plan"]"#, #"properties["$time"] == "x""#]
        {
            let expression = try WhereExpression(parsing: Array(text.utf8))
            #expect(!expression.namesProfile)
            #expect(expression.matches(bytes, in: bytes.indices))
        }
    }
}
