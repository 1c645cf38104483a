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

    @Test(arguments: [
        (3, "a=1&a=2&a=3", 3, false), (3, "&a=1&&a=2&a=3&&", 3, false), (3, "a=1&a=2&a=3&a=4", 3, true),
        (3, "a=1&a=2&a=3&b", 3, true), (0, "", 0, false), (0, "a", 0, true),
    ])
    func `a query says whether it has more pairs than are read`(
        _ limit: Int, _ query: String, _ count: Int, _ isTruncated: Bool
    ) {
        let items = QueryItems(Array(query.utf8), limit: limit)
        #expect(items.all("a").count == count)
        #expect(items.isTruncated == isTruncated)
    }

    @Test(arguments: [(256, false), (257, true)])
    func `256 pairs are read where no limit is given`(_ count: Int, _ isTruncated: Bool) {
        let items = QueryItems(Array([String](repeating: "a=1", count: count).joined(separator: "&").utf8))
        #expect(items.all("a").count == 256)
        #expect(items.isTruncated == isTruncated)
    }

    @Test func `ten thousand pairs are read where the limit allows it`() {
        let items = QueryItems(
            Array((0..<10_001).map { "a=\($0)" }.joined(separator: "&").utf8), limit: 10_001)
        #expect(items.all("a").last == Array("10000".utf8))
        #expect(!items.isTruncated)
    }
}
