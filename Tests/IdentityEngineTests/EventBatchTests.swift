import IdentityEngine
import Testing

/// Events over one buffer of bytes.
struct EventBatchTests {
    @Test func `a slice gives back the bytes that were added`() {
        var batch = EventBatch(origin: EventBatch.Origin(endpoint: .track, principal: "token"), receivedMilliseconds: 7)
        let first = batch.append(Array("U1".utf8))
        let none = batch.append([UInt8]())
        let second = batch.append("A1".utf8)
        #expect([first, second].map { batch.distinctID($0) } == [DistinctID("U1"), DistinctID("A1")])
        #expect(batch.distinctID(none) == nil)
        #expect(batch.distinctID(.empty) == nil)
        #expect(none.isEmpty && !first.isEmpty)
        #expect(second.range == 2..<4)
    }

    @Test func `only an event with a verb and both ids states something`() {
        let origin = EventBatch.Origin(endpoint: .import, principal: "secret")
        var batch = EventBatch(origin: origin, receivedMilliseconds: 7)
        var event = EventBatch.Event(project: ProjectID(3))
        #expect(batch.identityEvent(of: event) == nil)
        event.primaryID = batch.append("U1".utf8)
        event.secondaryID = batch.append("x".utf8)
        #expect(batch.identityEvent(of: event) == nil)
        event.verb = .alias
        #expect(batch.identityEvent(of: event) == .alias("x", of: "U1"))
        event.primaryID = .empty
        #expect(batch.identityEvent(of: event) == nil)
    }

    @Test func `an endpoint has the path that clients call`() {
        #expect([EventBatch.Endpoint.track, .import].map(\.path) == ["/track", "/import"])
    }
}
