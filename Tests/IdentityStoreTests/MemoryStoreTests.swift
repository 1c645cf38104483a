import IdentityEngine
import IdentityStore
import Testing

/// What only the store in memory keeps.
@Suite(.timeLimit(.minutes(10)))
struct MemoryStoreTests {
    @Test func `a commit that could pass the limit is refused whole, and the store goes on after`() async throws {
        let store = MemoryStore(sizeLimitBytes: 20_000)
        try await store.commit(.identify("U", anonymous(1)), Sent(id: "a"))
        let before = try await (store.events(), store.nodes(), store.log())
        let big = Sent(id: "b", properties: String(repeating: "x", count: 20_000))
        let error = await #expect(throws: StoreError.self) { try await store.commit(.identify("V", anonymous(2)), big) }
        #expect(error?.code == .full)
        #expect(try await store.events() == before.0)
        #expect(try await store.nodes() == before.1)
        #expect(try await store.log() == before.2)
        #expect(try await store.commit(.identify("V", anonymous(2))).merged == 1)
    }

    @Test func `copies of one event do not fill the store`() async throws {
        let store = MemoryStore(sizeLimitBytes: 5_000)
        for _ in 0..<100 {
            try await store.commit(Sent(id: "a", insertID: "i", properties: String(repeating: "x", count: 1_000)))
        }
        #expect(try await store.events().count == 1)
    }

    @Test func `reset gives the memory back`() async throws {
        let store = MemoryStore(sizeLimitBytes: 5_000)
        for _ in 0..<20 {
            try await store.commit(Sent(id: "a", properties: String(repeating: "x", count: 2_000)))
            try await store.reset()
        }
    }

    @Test func `profiles count as memory, and what is replaced is given back`() async throws {
        let store = MemoryStore(sizeLimitBytes: 60_000)
        let text = String(repeating: "x", count: 8_000)
        for _ in 0..<50 { try await store.update("a", .set, "{\"n\":\"\(text)\"}") }
        for _ in 0..<50 {
            try await store.update("b", .set, "{\"n\":\"\(text)\"}")
            try await store.update("b", .delete, "")
        }
        let error = await #expect(throws: StoreError.self) {
            try await store.update("c", .set, "{\"n\":\"\(text)\",\"m\":\"\(text)\"}")
        }
        #expect(error?.code == .full)
        #expect(try await store.profile("c") == nil)
    }
}
