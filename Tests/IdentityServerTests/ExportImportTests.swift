import Foundation
import IdentityEngine
import IdentityServer
import IdentityStore
import Testing

/// Random histories that are exported and imported into an empty project (P 7.1-7, 7.1-8).
@Suite(.timeLimit(.minutes(10)))
struct ExportImportTests {
    @Test(arguments: IdentitySystem.allCases, Backend.allCases)
    func `an empty project that takes an export has the same clusters, canonical ids, blocks and log`(
        _ system: IdentitySystem, _ backend: Backend
    ) async throws {
        for _ in 0..<6 {
            let seed = MovedHistory.seed()
            var history = MovedHistory(system: system, seed: seed)
            try await withMoves(backend) { source, target, path in
                try await history.play(in: source, amending: true)
                try await source.export(to: path)
                // Clusters come from the rules of the export, not from these.
                try await target.save(MergeRules(system: system))
                try await target.take(path)
                try await expectSame(source, target, "seed \(seed)")
                #expect(try await target.verifies(), "seed \(seed)")

                // Again: nothing is added, and nothing changes.
                let before = try await target.state(of: source)
                let tally = try await target.take(path)
                #expect(tally.stored == 0 && tally.rejected == 0, "seed \(seed)")
                #expect(try await target.state(of: source) == before, "seed \(seed)")
            }
        }
    }

    @Test(arguments: IdentitySystem.allCases, Backend.allCases)
    func `an import that is stopped at any point goes on where it ended`(
        _ system: IdentitySystem, _ backend: Backend
    ) async throws {
        let seed = MovedHistory.seed()
        var history = MovedHistory(system: system, seed: seed)
        try await withMoves(backend) { source, target, path in
            try await history.play(in: source, amending: true)
            try await source.export(to: path)
            try await target.save(MergeRules(system: system))
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count
            for limit in stride(from: 1, to: lines, by: 17) { _ = try await target.take(path, stoppingAfter: limit) }
            try await target.take(path)
            try await expectSame(source, target, "seed \(seed)")
        }
    }

    @Test(arguments: IdentitySystem.allCases, [true, false])
    func `a raw export without amendments gives the same clusters, in whatever order its rows stand`(
        _ system: IdentitySystem, _ isOurs: Bool
    ) async throws {
        for _ in 0..<6 {
            let seed = MovedHistory.seed()
            var history = MovedHistory(system: system, seed: seed)
            try await withMoves(.memory) { source, target, path in
                try await history.play(in: source, amending: false)
                var rows = try await source.rawRows()
                if !isOurs { rows = rows.map { MovedHistory.withoutOwnMarks($0) } }
                rows.shuffle(using: &history.random)
                try await target.save(MergeRules(system: system, maxClusterSize: system == .original ? 499 : 0))
                try Data((rows.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: path))
                try await target.take(path)
                try await expectSame(source, target, "seed \(seed)", withLog: false)
            }
        }
    }

    @Test func `statements that do not fit into memory at once are taken in order all the same`() async throws {
        let seed = MovedHistory.seed()
        var history = MovedHistory(system: .original, seed: seed)
        try await withMoves(.memory) { source, target, path in
            try await history.play(in: source, amending: false)
            var rows = try await source.rawRows()
            rows.shuffle(using: &history.random)
            try await target.save(MergeRules(system: .original))
            try Data(rows.joined(separator: "\n").utf8).write(to: URL(filePath: path))
            let importer = Importer(
                store: target.store, project: try await target.project, clock: ServerClock(), acceptsMissingTime: false,
                heldLimitBytes: 4000)
            var tally = Importer.Tally()
            try await importer.run([path], tally: &tally, listener: .silent)
            #expect(tally.read == rows.count && tally.stored == rows.count, "seed \(seed)")
            try await expectSame(source, target, "seed \(seed)", withLog: false)
        }
    }

    private func expectSame(
        _ source: MovedProject, _ target: MovedProject, _ comment: Comment, withLog: Bool = true
    ) async throws {
        let expected = try await source.state(of: source)
        let found = try await target.state(of: source)
        #expect(found.clusters == expected.clusters, comment)
        #expect(found.canonicalIDs == expected.canonicalIDs, comment)
        #expect(found.events == expected.events, comment)
        guard withLog else { return }
        #expect(found.blocks == expected.blocks, comment)
        #expect(found.log == expected.log, comment)
    }

    private func withMoves(
        _ backend: Backend, _ body: (MovedProject, MovedProject, String) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "selfsame-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let source = try MovedProject(number: 1, backend, folder.path + "/source")
        let target = try MovedProject(number: 2, backend, folder.path + "/target")
        try await body(source, target, folder.path + "/export.jsonl")
        try await source.store.close()
        try await target.store.close()
    }

    enum Backend: CaseIterable {
        case memory
        case sqlite
    }
}
