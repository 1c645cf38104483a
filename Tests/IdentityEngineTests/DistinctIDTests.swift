import IdentityEngine
import Testing

/// Ids are bytes: P 2-12, 7.6-4, 7.6-5.
struct DistinctIDTests {
    static let composed = "caf\u{e9}"
    static let decomposed = "cafe\u{301}"

    @Test func `two spellings of one text are two ids`() {
        #expect(Self.composed == Self.decomposed, "to String they are one")
        let ids = [DistinctID(Self.composed), DistinctID(Self.decomposed)]
        #expect(ids[0] != ids[1])
        #expect(Set(ids).count == 2)

        var history = History(MergeRules(), [.merge(Self.composed, "x")])
        #expect(history.index.node(for: ids[1]) == nil)
        #expect(history.decide(.merge(Self.composed, Self.decomposed)).outcome == .merged)
        #expect(history.index.count == 3)
    }

    @Test(arguments: [("U1", "u1"), ("a", "a "), ("a", "a\0"), ("", " "), ("A1", "$device:A1")])
    func `nothing is folded or trimmed`(_ a: String, _ b: String) {
        #expect(DistinctID(a) != DistinctID(b))
    }

    @Test func `bytes that are no text stay apart`() {
        let ids = [DistinctID([0xff]), DistinctID([0xfe]), DistinctID("\u{fffd}")]
        #expect(Set(ids.map(\.description)).count == 1, "as text they are one")
        #expect(Set(ids).count == 3)
    }

    @Test func `an id of the greatest length is kept whole`() {
        let text = String(repeating: "x", count: DistinctID.sizeLimitBytes)
        #expect(DistinctID.sizeLimitBytes == 1024)
        #expect(DistinctID(text + "a") != DistinctID(text + "b"))
        #expect(DistinctID(text).description == text)
    }

    @Test func `the order is that of the bytes`() {
        let texts = ["", "A", "B", "a", "aa", "b", "\u{e9}"]
        #expect(texts.map { DistinctID($0) }.shuffled().sorted().map(\.description) == texts)
        #expect([ProjectID(10), ProjectID(9)].sorted().map(\.description) == ["9", "10"])
    }
}
