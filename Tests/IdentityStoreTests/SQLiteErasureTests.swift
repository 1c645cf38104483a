import Foundation
import IdentityEngine
import Testing

@testable import IdentityStore

@Suite(.timeLimit(.minutes(10)))
struct SQLiteErasureTests {
    /// Bytes that the ids of these tests begin with, and that stand nowhere else.
    private static let mark = "VICTIM"

    @Test(arguments: zip([4, 1_024, 1_024], [150, 700, nil]))
    func `after an erasure no file has a trace of what was deleted, and commits went on beside it`(
        _ pagesAtOnce: Int, _ runRecords: Int?
    ) async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            var options = SQLiteOptions()
            options.erasurePages = pagesAtOnce
            if let runRecords {
                options.postings.openRecordLimit = runRecords
                options.postings.blockRecords = runRecords == 150 ? 20 : 510
                options.postings.runsPerMerge = 3
                options.postings.stepBlocks = 1
            }
            let store = try SQLiteStore(path: path, options: options)
            let ids = try await fill(store)
            #expect(try Self.count(Self.mark, beside: path) > 125)
            #expect(try Self.hashes(of: ids.prefix(20), beside: path) >= 20)
            let standing = try await store.standing()
            #expect(standing.runs.isEmpty == (runRecords == nil))
            #expect(runRecords != 150 || Set(standing.runs.map(\.state)).count > 1)
            var task = PrivacyTask(
                trackingID: "t", project: project, kind: .deletion, complianceType: .gdpr, requestedBy: "secret",
                createdMilliseconds: 1, distinctIDs: ids)
            #expect(try await store.add(task, openLimit: 1))
            task.state = .started
            #expect(try await store.replace(task, in: .pending))
            #expect(try await store.deleteClusters(of: "t"))
            try await withThrowingTaskGroup { tasks in
                tasks.addTask {
                    let isDone = try await store.eraseTraces()
                    #expect(isDone)
                }
                tasks.addTask {
                    for number in 0..<200 {
                        let text = String(repeating: "p", count: 40 * (number % 100))
                        try await store.commit(
                            Sent(
                                id: "beside", insertID: "\(number)", time: Int64(number * 7_919 % 200) * 5_000_000,
                                properties: #"{"p":"\#(text)"}"#))
                    }
                }
                try await tasks.waitForAll()
            }
            #expect(try Self.count(Self.mark, beside: path) == 0)
            #expect(try Self.hashes(of: ids.prefix(20), beside: path) == 0)
            // What the connection remembers of pages does not bring anything back.
            for number in 0..<200 {
                try await store.commit(Sent(id: "later", insertID: "\(number)", time: Int64(number) * 5_000_000))
            }
            #expect(try Self.count(Self.mark, beside: path) == 0)
            #expect(try await store.events().count == 25 * 95 + 400)
            #expect(try await store.check() == ["ok"])
            try await store.close()
        }
    }

    /// Commits events of which one in twenty is to be deleted.
    ///
    /// - Returns: the ids of those.
    private func fill(_ store: SQLiteStore) async throws -> [DistinctID] {
        var generator = SeededGenerator(seed: 7)
        var ids: [DistinctID] = []
        // Random times split pages in the middle, which leaves copies of rows behind.
        for round in 0..<25 {
            var events: [Sent] = []
            for number in 0..<100 {
                let isVictim = number % 20 == 0
                let id = "\(generator.next() % 1_000_000)-\(isVictim ? Self.mark : "other")-\(round)-\(number)"
                if isVictim { ids.append(DistinctID(id)) }
                let length = Int(generator.next() % 900)
                let text = String(repeating: isVictim ? Self.mark : "filler", count: length / 6)
                var sent = Sent(
                    id: id, insertID: "i\(number)", time: Int64(generator.next() % 1_000_000_000),
                    properties: #"{"p":"\#(text)"}"#)
                if number % 10 == 0 {
                    sent.identity = .of(
                        .merge, id, isVictim ? "\(Self.mark)2-\(round)-\(number)" : "o\(round)-\(number)")
                }
                events.append(sent)
            }
            _ = try await store.commit([EventBatch.of(events)], by: original, nowMilliseconds: 1)
        }
        return ids
    }

    @Test func `what commits change between two steps is cleared too`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            var options = SQLiteOptions()
            options.erasurePages = 4
            let store = try SQLiteStore(path: path, options: options)
            var generator = SeededGenerator(seed: 8)
            func commit(_ count: Int) async throws {
                let events = (0..<count).map { _ in
                    let text = String(repeating: "p", count: Int(generator.next() % 900))
                    return Sent(
                        id: "a\(generator.next() % 100)", insertID: "\(generator.next())",
                        time: Int64(generator.next() % 1_000_000_000), properties: #"{"p":"\#(text)"}"#)
                }
                _ = try await store.commit([EventBatch.of(events)], by: original, nowMilliseconds: 1)
            }
            try await commit(500)
            var page = 1
            var steps = 0
            erasing: while true {
                let progress = try await store.write { [page, options] _, db throws(StoreError) in
                    try SQLiteErasure(db).step(from: page, options)
                }
                steps += 1
                switch progress {
                case .next(let next):
                    page = next
                    // Splits pages that were cleared, and leaves copies of rows there.
                    try await commit(steps < 10 ? 40 : 0)
                case .busy: continue
                case .done: break erasing
                }
            }
            #expect(steps > 10)
            let file = try Self.files(path)[0]
            let size = Schema.pageSizeBytes
            for start in stride(from: 0, to: file.count, by: size) {
                let content = Array(file[start..<(start + size)])
                for range in PageLayout.unused(of: content, header: start == 0 ? 100 : 0) {
                    #expect(content[range].allSatisfy { $0 == 0 }, "page \(start / size + 1)")
                }
            }
            try await store.close()
        }
    }

    @Test func `what a page holds is never cleared, and what lies unused always is`() {
        var page = [UInt8](repeating: 0xEE, count: 64)
        // A leaf of an index: one freed block of 10 bytes at 40, two rows, the first at 30.
        page.replaceSubrange(0..<12, with: [10, 0, 40, 0, 2, 0, 30, 0, 0, 30, 0, 50])
        page.replaceSubrange(40..<44, with: [0, 0, 0, 10])
        #expect(PageLayout.unused(of: page, header: 0) == [12..<30, 44..<50])
        for kind in [0, 1, 3, 4, 6, 255] as [UInt8] {
            page[0] = kind
            #expect(PageLayout.unused(of: page, header: 0) == [])
        }
        page[0] = 10
        page[2] = 60
        page.replaceSubrange(60..<64, with: [0, 0, 0, 10])
        #expect(PageLayout.unused(of: page, header: 0) == [], "a block beyond the page's end")
    }

    /// How often a text stands in the store's files.
    private static func count(_ text: String, beside path: String) throws -> Int {
        try files(path).reduce(0) { $0 + occurrences(of: Array(text.utf8), in: $1) }
    }

    /// How often a hash of one of the ids stands in the store's files, as `arrivals` has it.
    private static func hashes(of ids: some Sequence<DistinctID>, beside path: String) throws -> Int {
        let files = try files(path)
        return ids.reduce(0) { count, id in
            let hash = id.bytes.withUnsafeBytes { DeletedIDs.hash(of: $0) }.bigEndian
            let needle = withUnsafeBytes(of: hash) { Array($0) }
            return files.reduce(count) { $0 + occurrences(of: needle, in: $1) }
        }
    }

    private static func occurrences(of needle: [UInt8], in file: [UInt8]) -> Int {
        file.withUnsafeBytes { bytes in
            var count = 0
            var place = 0
            while place + needle.count <= bytes.count, let base = bytes.baseAddress,
                let found = memchr(base + place, Int32(needle[0]), bytes.count - needle.count + 1 - place)
            {
                if memcmp(found, needle, needle.count) == 0 { count += 1 }
                place = UnsafeRawPointer(found) - base + 1
            }
            return count
        }
    }

    private static func files(_ path: String) throws -> [[UInt8]] {
        try ["", "-wal", "-shm"].map { Array(try Data(contentsOf: URL(filePath: path + $0))) }
    }
}

extension SQLiteStore {
    /// What SQLite finds wrong with the file; `ok` where nothing is.
    fileprivate func check() async throws -> [String] {
        try await onReader { db throws(StoreError) in
            try PreparedStatement("PRAGMA integrity_check", in: db).all { $0.text(0) }
        }
    }
}
