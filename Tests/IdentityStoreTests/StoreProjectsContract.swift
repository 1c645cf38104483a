import IdentityEngine
import IdentityStore
import Testing

/// What every store keeps: projects and accounts.
@Suite(.timeLimit(.minutes(10)))
struct StoreProjectsContract {
    private func record(_ id: Int64, token: String, digest: UInt8, _ rules: MergeRules = MergeRules()) -> ProjectRecord
    {
        ProjectRecord(
            id: ProjectID(id), name: "Shop \(id)", token: token, secretDigest: [digest], rules: rules,
            createdMilliseconds: 5)
    }

    @Test(arguments: Backend.allCases)
    func `projects come back as they were saved, in the order of their numbers`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            let rules = MergeRules(system: .simplified, maxClusterSize: 0, anonymousForm: .any)
            try await store.save(record(2, token: "b", digest: 2, rules))
            try await store.save(record(1, token: "a", digest: 1))
            #expect(
                try await store.projects() == [
                    record(1, token: "a", digest: 1), record(2, token: "b", digest: 2, rules),
                ])
            try await store.save(record(1, token: "c", digest: 3))
            #expect(try await store.projects().first == record(1, token: "c", digest: 3))
        }
    }

    @Test(arguments: Backend.allCases)
    func `a token or a secret of another project is a conflict, and changes nothing`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            try await store.save(record(1, token: "a", digest: 1))
            for taken in [record(2, token: "a", digest: 2), record(2, token: "b", digest: 1)] {
                let error = await #expect(throws: StoreError.self) { try await store.save(taken) }
                #expect(error?.code == .conflict)
                #expect(error?.message.contains("project 1") == true)
            }
            #expect(try await store.projects() == [record(1, token: "a", digest: 1)])
        }
    }

    @Test(arguments: Backend.allCases)
    func `the identity system of a project that holds data cannot change, its limits can`(
        _ backend: Backend
    ) async throws {
        try await backend.withStore { store async throws in
            try await store.save(record(1, token: "a", digest: 1))
            try await store.save(record(1, token: "a", digest: 1, MergeRules(system: .legacy)))
            try await store.save(record(1, token: "a", digest: 1))
            try await store.commit(Sent(id: "a"))
            let error = await #expect(throws: StoreError.self) {
                try await store.save(record(1, token: "a", digest: 1, MergeRules(system: .legacy)))
            }
            #expect(error?.code == .conflict)
            #expect(error?.message.contains("Project 1 (Shop 1)") == true)
            try await store.save(record(1, token: "a", digest: 1, MergeRules(maxClusterSize: 7)))
            #expect(try await store.projects().first?.rules == MergeRules(maxClusterSize: 7))
            try await store.reset()
            try await store.save(record(1, token: "a", digest: 1, MergeRules(system: .legacy)))
        }
    }

    @Test(arguments: Backend.allCases)
    func `accounts come back as they were saved, in the order of their names`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            let ci = AccountRecord(
                username: "ci", secretDigest: [9], roles: [project: .admin, ProjectID(2): .consumer],
                createdMilliseconds: 1)
            var analyst = AccountRecord(
                username: "analyst", secretDigest: [8], roles: [project: .analyst], createdMilliseconds: 2)
            try await store.save(ci)
            try await store.save(analyst)
            #expect(try await store.accounts() == [analyst, ci])
            analyst.roles = [ProjectID(3): .owner]
            try await store.save(analyst)
            #expect(try await store.accounts() == [analyst, ci])
        }
    }

    @Test(arguments: Backend.allCases)
    func `names of accounts that only look the same are two, each with its own roles`(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            let names = ["e\u{301}", "\u{e9}"]
            for (name, role) in zip(names, [AccountRole.owner, .consumer]) {
                try await store.save(
                    AccountRecord(
                        username: name, secretDigest: Array(name.utf8), roles: [project: role], createdMilliseconds: 1))
            }
            let accounts = try await store.accounts()
            #expect(accounts.map { Array($0.username.utf8) } == names.map { Array($0.utf8) })
            #expect(accounts.map(\.secretDigest) == names.map { Array($0.utf8) })
            #expect(accounts.map(\.roles) == [[project: .owner], [project: .consumer]])
        }
    }
}
