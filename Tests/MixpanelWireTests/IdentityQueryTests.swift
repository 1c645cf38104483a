import IdentityEngine
import MixpanelWire
import Testing

struct IdentityQueryTests {
    private func ids(_ json: String, limit: Int = 10_000) -> Result<[String], IdentityQuery.Failure> {
        do throws(IdentityQuery.Failure) {
            return .success(try IdentityQuery.distinctIDs(fromJSON: Array(json.utf8), limit: limit).map(\.description))
        } catch {
            return .failure(error)
        }
    }

    @Test(arguments: [
        (#"{"distinct_ids":["a","b\u00e9",12,1.50]}"#, ["a", "bé", "12", "1.5"]),
        (#" { "x" : [1,{"y":2}] , "distinct_ids" : [ ] } "#, []),
        (#"{"distinct_ids":["a"],"distinct_ids":["b","b"]}"#, ["b", "b"]),
        (#"{"distinct_ids":[""]}"#, [""]),
    ])
    func `the ids of a body are read in order`(_ json: String, _ expected: [String]) {
        #expect(ids(json) == .success(expected))
    }

    @Test(arguments: [
        ("", IdentityQuery.Failure.notJSON), ("[]", .notJSON), (#"{"distinct_ids":["a"]} x"#, .notJSON),
        (#"{"distinct_ids":["a",]}"#, .notJSON), (#"{"distinct_ids":["a""#, .notJSON), ("{}", .missing),
        (#"{"distinct_ids":"a"}"#, .missing), (#"{"distinct_ids":["a",null]}"#, .notAnID(index: 1)),
        (#"{"distinct_ids":[["a"]]}"#, .notAnID(index: 0)), (#"{"distinct_ids":["\ud800"]}"#, .notAnID(index: 0)),
        (#"{"distinct_ids":["a","b","c","d"]}"#, .tooMany(limit: 3)),
    ])
    func `a body that names no ids says why`(_ json: String, _ expected: IdentityQuery.Failure) {
        #expect(ids(json, limit: 3) == .failure(expected))
    }

    @Test func `ten thousand ids are read`() {
        let json = #"{"distinct_ids":[\#((0..<10_000).map { "\"\($0)\"" }.joined(separator: ","))]}"#
        #expect(ids(json) == .success((0..<10_000).map(String.init)))
    }

    @Test(arguments: [
        ("a=1&b=2&a=3", "a", ["1", "3"]), ("a=%2B+%zz%4", "a", ["+ %zz%4"]), ("a", "a", [""]), ("%61=x", "a", ["x"]),
        ("&&=1&a==", "a", ["="]), ("A=1", "a", []), ("a=é", "a", ["é"]),
    ])
    func `a query names its values in order`(_ query: String, _ name: String, _ expected: [String]) {
        let items = QueryItems(Array(query.utf8))
        #expect(items.all(name).map { String(decoding: $0, as: UTF8.self) } == expected)
        #expect(items.text(name) == expected.first)
    }
}
