import IdentityEngine
import IdentityServer
import IdentityStore
import Logging
import Synchronization
import Testing

/// A Memory store that a test can stop, and that refuses groups in which some event has a given name.
private final class ObstructedStore: Store {
    let inner = MemoryStore(sizeLimitBytes: 1 << 30)
    let groups = Mutex<[Int]>([])
    private let poison: [UInt8]
    private let code: StoreError.Code
    private let gate: AsyncStream<Void>

    init(poison: String = "poison", code: StoreError.Code = .unexpected, gate: AsyncStream<Void>) {
        self.poison = Array(poison.utf8)
        self.code = code
        self.gate = gate
    }

    func commit(
        _ group: [EventBatch], by rules: [ProjectID: MergeRules], nowMilliseconds: Int64
    ) async throws(StoreError) -> [CommitResult] {
        groups.withLock { $0.append(group.count) }
        for await _ in gate { break }
        let isPoisoned = group.contains { batch in batch.events.contains { Array(batch.bytes[$0.name.range]) == poison }
        }
        if isPoisoned { throw StoreError(code, "refused for the test") }
        return try await inner.commit(group, by: rules, nowMilliseconds: nowMilliseconds)
    }

    func read<Value: Sendable>(
        _ body: @escaping @Sendable (any StoreSnapshot) throws(StoreError) -> Value
    ) async throws(StoreError) -> Value { try await inner.read(body) }

    func probe() async throws(StoreError) { try await inner.probe() }
    func writeFault() async -> StoreError? { await inner.writeFault() }
    func projects() async throws(StoreError) -> [ProjectRecord] { try await inner.projects() }
    func save(_ project: ProjectRecord, nowMilliseconds: Int64) async throws(StoreError) {
        try await inner.save(project, nowMilliseconds: nowMilliseconds)
    }

    func amend(
        _ request: AmendmentRequest, in project: ProjectID, by rules: MergeRules, origin: EventBatch.Origin,
        nowMilliseconds: Int64
    ) async throws(StoreError) -> Result<AmendmentReport, AmendmentRefusal> {
        try await inner.amend(request, in: project, by: rules, origin: origin, nowMilliseconds: nowMilliseconds)
    }

    func settle(_ project: ProjectID, atMilliseconds time: Int64) async throws(StoreError) {
        try await inner.settle(project, atMilliseconds: time)
    }

    func accounts() async throws(StoreError) -> [AccountRecord] { try await inner.accounts() }
    func save(_ account: AccountRecord) async throws(StoreError) { try await inner.save(account) }
    func add(_ task: PrivacyTask, openLimit: Int) async throws(StoreError) -> Bool {
        try await inner.add(task, openLimit: openLimit)
    }
    func privacyTask(_ trackingID: String) async throws(StoreError) -> PrivacyTask? {
        try await inner.privacyTask(trackingID)
    }
    func privacyTasks(in states: Set<PrivacyTask.State>) async throws(StoreError) -> [PrivacyTask] {
        try await inner.privacyTasks(in: states)
    }
    func replace(_ task: PrivacyTask, in state: PrivacyTask.State) async throws(StoreError) -> Bool {
        try await inner.replace(task, in: state)
    }
    func deleteClusters(of trackingID: String) async throws(StoreError) -> Bool {
        try await inner.deleteClusters(of: trackingID)
    }
    func eraseTraces() async throws(StoreError) -> Bool { try await inner.eraseTraces() }
    func reset() async throws(StoreError) { try await inner.reset() }
    func reset(_ project: ProjectID) async throws(StoreError) { try await inner.reset(project) }
    func close() async throws(StoreError) { try await inner.close() }
}

@Suite(.timeLimit(.minutes(10))) struct `Committer queue` {
    private static let project = ProjectID(1)

    private struct Bench {
        let store: ObstructedStore
        let committer: Committer
        /// Lets one commit pass for each value that is yielded.
        let gate: AsyncStream<Void>.Continuation
    }

    private func bench(code: StoreError.Code = .unexpected, queueLimitBytes: Int = 1 << 20) async throws -> Bench {
        let (stream, gate) = AsyncStream<Void>.makeStream()
        let store = ObstructedStore(code: code, gate: stream)
        try await store.save(
            ProjectRecord(
                id: Self.project, name: "p", token: "t", secretDigest: [1], rules: MergeRules(),
                createdMilliseconds: 0),
            nowMilliseconds: 0)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let directory = try await ProjectDirectory.load(
            from: store, secretKey: SecretKey(), residency: Residency(regions: [], hosts: []), logger: logger)
        let committer = Committer(
            store: store, directory: directory, clock: ServerClock(), queueLimitBytes: queueLimitBytes,
            repeatMemoryLimitBytes: 1 << 20, signal: LogSignal(), logger: logger)
        return Bench(store: store, committer: committer, gate: gate)
    }

    private func batch(_ name: String, padding: Int = 0) -> EventBatch {
        var batch = EventBatch(origin: .init(endpoint: .track, principal: "token"), receivedMilliseconds: 1)
        var event = EventBatch.Event(project: Self.project)
        event.name = batch.append(Array(name.utf8))
        event.properties = batch.append(Array("{}".utf8) + Array(repeating: 0x20, count: padding))
        batch.events.append(event)
        return batch
    }

    private func outcome(_ bench: Bench, _ batch: EventBatch) async -> String {
        do throws(CommitFailure) {
            _ = try await bench.committer.commit(batch)
            return "stored"
        } catch {
            switch error {
            case .overloaded: return "overloaded"
            case .rateLimited: return "rate limited"
            case .closing: return "closing"
            case .store(let error): return error.code.rawValue
            }
        }
    }

    /// Waits until the store has been asked to commit this many groups.
    private func waitForGroups(_ count: Int, _ bench: Bench) async {
        while bench.store.groups.withLock({ $0.count }) < count { await Task.yield() }
    }

    @Test func `what queues while a commit runs is the next group`() async throws {
        let bench = try await bench()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await bench.committer.run() }
            tasks.addTask { _ = await outcome(bench, batch("first")) }
            await waitForGroups(1, bench)
            let later = (0..<5).map { n in Task { await outcome(bench, batch("later \(n)")) } }
            while bench.committer.waitingCount < 5 { await Task.yield() }
            bench.gate.yield()
            bench.gate.yield()
            for task in later { #expect(await task.value == "stored") }
            bench.committer.close()
            try await tasks.waitForAll()
        }
        #expect(bench.store.groups.withLock { $0 } == [1, 5])
    }

    @Test func `one poisoned request fails alone`() async throws {
        let bench = try await bench()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await bench.committer.run() }
            tasks.addTask { _ = await outcome(bench, batch("first")) }
            await waitForGroups(1, bench)
            let names = ["a", "poison", "b"]
            let later = names.map { name in Task { await outcome(bench, batch(name)) } }
            while bench.committer.waitingCount < 3 { await Task.yield() }
            for _ in 0..<5 { bench.gate.yield() }
            var outcomes: [String] = []
            for task in later { outcomes.append(await task.value) }
            #expect(outcomes == ["stored", "unexpected", "stored"])
            bench.committer.close()
            try await tasks.waitForAll()
        }
    }

    @Test func `of a request that failed nothing is remembered, and of one beside it everything`() async throws {
        let bench = try await bench()
        func marked(_ name: String, _ record: UInt64) -> EventBatch {
            var batch = batch(name)
            let hash = RecordHash(high: 0, low: record)
            batch.repeatMarks = RepeatMarks(invalid: [RecordHash(high: 1, low: 1)], events: [hash], updates: [])
            return batch
        }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await bench.committer.run() }
            tasks.addTask { _ = await outcome(bench, batch("first")) }
            await waitForGroups(1, bench)
            let sent = [marked("a", 1), marked("poison", 2), marked("a", 1)]
            let later = sent.map { batch in Task { await outcome(bench, batch) } }
            while bench.committer.waitingCount < 3 { await Task.yield() }
            for _ in 0..<8 { bench.gate.yield() }
            for (task, expected) in zip(later, ["stored", "unexpected", "stored"]) {
                #expect(await task.value == expected)
            }
            #expect(await outcome(bench, marked("b", 2)) == "stored", "what failed comes again, and is stored")
            #expect(await outcome(bench, marked("b", 2)) == "stored")
            bench.committer.close()
            try await tasks.waitForAll()
        }
        let names = try await bench.store.read { snapshot throws(StoreError) in
            try snapshot.events(
                in: Self.project, after: .before(.min + 1), beforeMilliseconds: .max, limit: 9, sizeLimitBytes: 1 << 20
            ).map { String(decoding: $0.name, as: UTF8.self) }
        }
        #expect(names.sorted() == ["a", "b", "first"])
    }

    @Test(arguments: [StoreError.Code.full, .inputOutput, .busy])
    func `a group that fails for want of room or disk is not tried one by one`(_ code: StoreError.Code) async throws {
        let bench = try await bench(code: code)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await bench.committer.run() }
            tasks.addTask { _ = await outcome(bench, batch("first")) }
            await waitForGroups(1, bench)
            let later = ["a", "poison"].map { name in Task { await outcome(bench, batch(name)) } }
            while bench.committer.waitingCount < 2 { await Task.yield() }
            for _ in 0..<3 { bench.gate.yield() }
            for task in later { #expect(await task.value == code.rawValue) }
            bench.committer.close()
            try await tasks.waitForAll()
        }
        #expect(bench.store.groups.withLock { $0 } == [1, 2])
    }

    @Test func `a full queue refuses, and what it holds is still committed`() async throws {
        let bench = try await bench(queueLimitBytes: 10_000)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await bench.committer.run() }
            tasks.addTask { _ = await outcome(bench, batch("first")) }
            await waitForGroups(1, bench)
            let fits = Task { await outcome(bench, batch("fits", padding: 6000)) }
            while bench.committer.waitingCount < 1 { await Task.yield() }
            #expect(await outcome(bench, batch("too much", padding: 6000)) == "overloaded")
            bench.gate.yield()
            bench.gate.yield()
            #expect(await fits.value == "stored")
            bench.committer.close()
            try await tasks.waitForAll()
        }
    }

    @Test func `closing commits what is queued and takes nothing more`() async throws {
        let bench = try await bench()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await bench.committer.run() }
            tasks.addTask { _ = await outcome(bench, batch("first")) }
            await waitForGroups(1, bench)
            let queued = Task { await outcome(bench, batch("queued")) }
            while bench.committer.waitingCount < 1 { await Task.yield() }
            bench.committer.close()
            #expect(await outcome(bench, batch("late")) == "closing")
            bench.gate.yield()
            bench.gate.yield()
            #expect(await queued.value == "stored")
            try await tasks.waitForAll()
        }
    }
}
