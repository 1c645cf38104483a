import IdentityServer
import Testing

@Suite struct `Record splitter` {
    struct Case: CustomTestStringConvertible {
        let testDescription: String
        let text: String
        let records: [String]

        init(_ description: String, _ text: String, _ records: [String]) {
            testDescription = description
            self.text = text
            self.records = records
        }
    }

    static let cases = [
        Case("nothing", "", []),
        Case("blank lines", "\n \n\t\n", []),
        Case("lines", "{\"a\":1}\n{\"b\":2}\n", ["{\"a\":1}", "{\"b\":2}"]),
        Case("the last line without an end", "{\"a\":1}\n{\"b\":2}", ["{\"a\":1}", "{\"b\":2}"]),
        Case("blank lines between", "{\"a\":1}\n\n  \n{\"b\":2}", ["{\"a\":1}", "{\"b\":2}"]),
        Case("a byte order mark", "\u{FEFF}{\"a\":1}\n", ["{\"a\":1}"]),
        Case(
            "a broken line costs its neighbours nothing", "{}\n{\"a\":\"x\n{\"b\":[\n{\"c\":3}",
            ["{}", "{\"a\":\"x", "{\"b\":[", "{\"c\":3}"]),
        Case("an array", "[{\"a\":1},{\"b\":2}]", ["{\"a\":1}", "{\"b\":2}"]),
        Case("an empty array", " [ ] ", []),
        Case("an array over lines", "[\n {\"a\":1},\n {\"b\":2}\n]\n", ["\n {\"a\":1}", "\n {\"b\":2}\n"]),
        Case(
            "brackets and quotes in strings", "[{\"a\":\"]},\\\"[\"},{\"b\":2}]",
            ["{\"a\":\"]},\\\"[\"}", "{\"b\":2}"]),
        Case("elements that are no objects", "[1,\"x\",{\"a\":[1,2]}]", ["1", "\"x\"", "{\"a\":[1,2]}"]),
        Case(
            "objects over lines", "{\n\"a\":1\n}\n{\n\"b\":{\"c\":2}\n}", ["{\n\"a\":1\n}", "\n{\n\"b\":{\"c\":2}\n}"]),
    ]

    @Test(arguments: cases)
    func `records come out as they stand`(_ one: Case) {
        var splitter = RecordSplitter(recordSizeLimitBytes: 1000)
        let records = splitter.feed(Array(one.text.utf8)) + splitter.finish()
        #expect(records == one.records.map { .bytes(Array($0.utf8)) })
    }

    @Test(arguments: cases)
    func `pieces of any size make the same records`(_ one: Case) {
        for size in 1...7 {
            var splitter = RecordSplitter(recordSizeLimitBytes: 1000)
            var records: [RecordSplitter.Record] = []
            let bytes = Array(one.text.utf8)
            for start in stride(from: 0, to: bytes.count, by: size) {
                records += splitter.feed(Array(bytes[start..<min(start + size, bytes.count)]))
            }
            records += splitter.finish()
            #expect(records == one.records.map { .bytes(Array($0.utf8)) }, "pieces of \(size)")
        }
    }

    @Test func `of a record that is too large only its size is kept`() {
        var splitter = RecordSplitter(recordSizeLimitBytes: 10)
        let text = "{\"a\":1}\n{\"b\":\"0123456789\"}\n{\"c\":3}\n"
        #expect(
            splitter.feed(Array(text.utf8)) == [
                .bytes(Array("{\"a\":1}".utf8)), .tooLarge, .bytes(Array("{\"c\":3}".utf8)),
            ])
    }
}
