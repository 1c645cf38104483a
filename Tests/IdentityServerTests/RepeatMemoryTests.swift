import IdentityEngine
import IdentityServer
import Testing

@Suite struct `Repeat memory` {
    private static let project = ProjectID(1)

    private func hash(_ number: Int) -> RecordHash { RecordHash(high: 7, low: UInt64(bitPattern: Int64(number))) }

    private func counts(_ numbers: [Int]) -> [RecordHash: Int] {
        numbers.reduce(into: [:]) { $0[hash($1), default: 0] += 1 }
    }

    private func numbers(
        _ count: ClosedRange<Int>, below limit: Int, using random: inout some RandomNumberGenerator
    ) -> [Int] {
        (0..<Int.random(in: count, using: &random)).map { _ in Int.random(in: 0..<limit, using: &random) }
    }

    private func memory(
        records: Int = 100_000, invalid: Int = 400_000, sizeBytes: Int = 1 << 26
    ) -> RepeatMemory {
        var limits = RepeatMemory.Limits(sizeBytes: sizeBytes)
        limits.records = records
        limits.invalid = invalid
        return RepeatMemory(limits)
    }

    private func stored(_ memory: RepeatMemory, _ number: Int, beside invalid: Int, at now: Int64 = 0) -> Int {
        memory.stored(
            of: [Self.project: [hash(number): 9]], beside: [hash(invalid)], nowMilliseconds: now
        )[Self.project]?[hash(number)] ?? 0
    }

    @Test func `what it says of random requests is what a list of them says`() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = `Where expression, random`.Randomness(state: seed)
        var memory = memory()
        // The most that was stored of each record beside each invalid one.
        var model: [Int: [Int: Int]] = [:]
        for round in 0..<3_000 {
            let invalid = Set(numbers(1...3, below: 8, using: &random))
            let records = numbers(1...12, below: 40, using: &random)
            let wanted = counts(records)
            let found = memory.stored(
                of: [Self.project: wanted], beside: invalid.map(hash).sorted(), nowMilliseconds: 0)
            for number in Set(records) {
                let expected = invalid.map { model[$0]?[number] ?? 0 }.max() ?? 0
                #expect(
                    found[Self.project]?[hash(number)] ?? 0 == expected, "seed \(seed), round \(round)")
                for bad in invalid {
                    model[bad, default: [:]][number] = max(model[bad]?[number] ?? 0, wanted[hash(number)] ?? 0)
                }
            }
            memory.note([Self.project: wanted], beside: invalid.map(hash).sorted(), nowMilliseconds: 0)
        }
    }

    @Test func `a project has room for as many records as were promised, and the oldest go first`() {
        var memory = memory(records: 1_000)
        for number in 0..<1_500 {
            memory.note([Self.project: [hash(number): 1]], beside: [hash(-number - 1)], nowMilliseconds: 0)
            // The first is renewed by each repeat.
            memory.note([Self.project: [hash(0): 1]], beside: [hash(-1)], nowMilliseconds: 0)
        }
        #expect(memory.count(of: Self.project) == 1_000)
        #expect(stored(memory, 0, beside: -1) == 1)
        #expect(stored(memory, 500, beside: -501) == 0)
        #expect(stored(memory, 502, beside: -503) == 1)
        #expect(stored(memory, 1_499, beside: -1_500) == 1)
    }

    @Test func `requests that are nearly all invalid take bounded room`() {
        var memory = memory(invalid: 10_000)
        for round in 0..<100 {
            let invalid = (0..<1_000).map { hash(1_000_000 + round * 1_000 + $0) }
            memory.note([Self.project: [hash(round): 1]], beside: invalid, nowMilliseconds: 0)
        }
        #expect(memory.count(of: Self.project) == 10)
        #expect(memory.sizeBytes < 2_000_000)
        #expect(stored(memory, 99, beside: 1_099_500) == 1)
        #expect(stored(memory, 89, beside: 1_089_500) == 0)
    }

    @Test func `the oldest of all projects go where the memory is full`() {
        var memory = memory(sizeBytes: 1_000_000)
        for round in 0..<30 {
            for project in 1...10 {
                let wanted = counts((0..<100).map { round * 100 + $0 })
                memory.note([ProjectID(Int64(project)): wanted], beside: [hash(-1)], nowMilliseconds: 0)
                #expect(memory.sizeBytes <= 1_000_000)
            }
        }
        let kept = (1...10).map { memory.count(of: ProjectID(Int64($0))) }
        #expect(kept.allSatisfy { (800...1_000).contains($0) }, "\(kept)")
        #expect(stored(memory, 2_999, beside: -1) == 1)
        #expect(stored(memory, 1_000, beside: -1) == 0)
        memory.forget(Self.project)
        #expect(stored(memory, 2_999, beside: -1) == 0)
        memory.forget()
        #expect(memory.sizeBytes == 0)
    }

    @Test func `a day after the last repeat a record is forgotten, and its room given back`() {
        let day: Int64 = 24 * 60 * 60 * 1_000
        var memory = memory()
        memory.note([Self.project: counts([1, 2])], beside: [hash(-1)], nowMilliseconds: 0)
        memory.note([Self.project: counts([1])], beside: [hash(-1)], nowMilliseconds: day / 2)
        #expect(stored(memory, 2, beside: -1, at: day - 1) == 1)
        #expect(stored(memory, 2, beside: -1, at: day) == 0)
        #expect(stored(memory, 1, beside: -1, at: day) == 1)
        memory.note([ProjectID(2): counts([3])], beside: [hash(-1)], nowMilliseconds: 2 * day)
        #expect(memory.count(of: Self.project) == 0)
        // A clock that goes back forgets nothing early.
        #expect(memory.stored(of: [ProjectID(2): counts([3])], beside: [hash(-1)], nowMilliseconds: 0).count == 1)
    }

    @Test func `one invalid record in every request, beside others, is found quickly and bounded`() {
        var memory = memory()
        for number in 0..<5_000 {
            memory.note(
                [Self.project: [hash(number): 1]], beside: [hash(-number - 2), hash(-1)].sorted(), nowMilliseconds: 0)
        }
        // A repeat carries all of its invalid records, so that it is found however many the other requests were.
        for number in [0, 2_500, 4_999] {
            let found = memory.stored(
                of: [Self.project: counts([number])], beside: [hash(-number - 2), hash(-1)].sorted(),
                nowMilliseconds: 0)
            #expect(found[Self.project] == counts([number]))
        }
        #expect(stored(memory, 4_999, beside: -1) == 1)
    }
}
