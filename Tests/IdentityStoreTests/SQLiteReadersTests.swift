import Dispatch
import GRDB
import IdentityEngine
import Testing

@testable import IdentityStore

/// Reads that wait for a connection.
@Suite(.timeLimit(.minutes(10)))
struct SQLiteReadersTests {
    private final class Witness: Sendable {}

    /// A read that stays until it is let go.
    private final class Blockade: Sendable {
        // A read blocks the queue of its connection, as the ones that SQLite does, and no thread of Swift's.
        private let gate = DispatchGroup()
        private let began = AsyncStream<Void>.makeStream()

        init() { gate.enter() }

        /// Called by the read.
        func hold() {
            began.continuation.finish()
            gate.wait()
        }

        func hasBegun() async { for await _ in began.stream {} }

        func open() { gate.leave() }
    }

    @Test func `a read that is done is let go, though others wait`() async throws {
        try await withReaders(waitingLimit: 1_000) { readers async throws in
            let (first, second) = (Blockade(), Blockade())
            let ended = AsyncStream<Void>.makeStream()
            weak var begun: Witness?
            weak var waited: Witness?
            func queue(_ blockade: Blockade?) throws -> Witness {
                let witness = Witness()
                try readers.run { [witness] _ in withExtendedLifetime(witness) { blockade?.hold() } }
                return witness
            }
            begun = try queue(first)
            waited = try queue(nil)
            try readers.run { _ in second.hold() }
            for _ in 0..<500 { try readers.run { _ in ended.continuation.yield() } }
            try readers.run { _ in ended.continuation.finish() }
            await first.hasBegun()
            #expect(begun != nil)
            #expect(waited != nil)
            first.open()
            await second.hasBegun()
            #expect(begun == nil)
            #expect(waited == nil)
            second.open()
            #expect(await ended.stream.reduce(into: 0) { count, _ in count += 1 } == 500)
        }
    }

    @Test func `past the limit a read is refused, and those before it finish in order`() async throws {
        try await withReaders(waitingLimit: 3) { readers async throws in
            let ended = AsyncStream<Int>.makeStream()
            var numbers = ended.stream.makeAsyncIterator()
            for round in 0..<2 {
                let blockade = Blockade()
                try readers.run { _ in blockade.hold() }
                // A read that has a connection is not one that waits, though the connection may not have begun.
                if round == 1 { await blockade.hasBegun() }
                for number in 0..<3 { try readers.run { _ in ended.continuation.yield(number) } }
                let error = #expect(throws: StoreError.self) { try readers.run { _ in Issue.record("was run") } }
                #expect(error?.code == .busy)
                #expect(error?.isRetryable == true)
                #expect(error?.message.contains("too many reads are waiting") == true)
                blockade.open()
                for number in 0..<3 { #expect(await numbers.next() == number) }
            }
        }
    }

    @Test func `a store refuses reads past its limit, and answers the others`() async throws {
        try await withTemporaryDirectory { directory in
            var options = SQLiteOptions()
            #expect(options.waitingReadLimit == 10_000)
            (options.readerCount, options.waitingReadLimit) = (1, 5)
            let store = try SQLiteStore(path: directory + "/store.sqlite", options: options)
            try await store.commit(.merge("a", "b"))
            let blockade = Blockade()
            async let held: Void = store.read { _ throws(StoreError) in blockade.hold() }
            await blockade.hasBegun()
            await withTaskGroup { tasks in
                for _ in 0..<20 {
                    tasks.addTask {
                        do throws(StoreError) {
                            return Result<String, StoreError>.success(try await store.canonicalID(of: "b"))
                        } catch {
                            return .failure(error)
                        }
                    }
                }
                for _ in 0..<15 { #expect(await tasks.next() == .failure(.tooManyReads)) }
                blockade.open()
                for await result in tasks { #expect(result == .success("a")) }
            }
            try await held
            #expect(try await store.canonicalID(of: "b") == "a")
            try await store.close()
        }
    }

    @Test func `a probe is answered while every connection that reads is taken`() async throws {
        try await withTemporaryDirectory { directory in
            var options = SQLiteOptions()
            (options.readerCount, options.waitingReadLimit) = (2, 1)
            let store = try SQLiteStore(path: directory + "/store.sqlite", options: options)
            let blockades = [Blockade(), Blockade()]
            try await withThrowingTaskGroup { tasks in
                for blockade in blockades {
                    tasks.addTask { try await store.read { _ throws(StoreError) in blockade.hold() } }
                }
                for blockade in blockades { await blockade.hasBegun() }
                for _ in 0..<10 { try await store.probe() }
                for blockade in blockades { blockade.open() }
                try await tasks.waitForAll()
            }
            try await store.close()
            await #expect(throws: StoreError.closed) { try await store.probe() }
        }
    }

    @Test func `a queue keeps its order, and no more places than it needs`() {
        var queue = FirstInFirstOut<Int>()
        var (added, taken) = (0, 0)
        for round in 0..<3_000 {
            for _ in 0..<(round % 7) {
                queue.append(added)
                added += 1
            }
            for _ in 0..<(round < 2_000 ? 3 : 9) {
                let element = queue.popFirst()
                #expect(element == (taken < added ? taken : nil))
                if element != nil { taken += 1 }
            }
            #expect(queue.count == added - taken)
            #expect(queue.placeCount <= max(queue.count * 2, queue.count + 64) + 1)
        }
        #expect(added > 8_000)
        #expect(queue.count == 0)
        #expect(queue.placeCount == 0)
    }

    /// One connection.
    private func withReaders(waitingLimit: Int, _ body: (SQLiteReaders) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            try await SQLiteStore(path: path).close()
            let readers = try SQLiteReaders(
                path: path, count: 1, waitingLimit: waitingLimit, configuration: Configuration())
            try await body(readers)
            try readers.close()
        }
    }
}
