import IdentityEngine
import Testing

@testable import IdentityStore

/// One thing that is wrong in a store, and the sequence at which a verification finds it first.
struct Damage: CustomTestStringConvertible {
    let sql: String
    let sequence: Int64
    let subject: String

    init(_ sql: String, _ sequence: Int64, _ subject: String) {
        self.sql = sql
        self.sequence = sequence
        self.subject = subject
    }

    var testDescription: String { sql }

    static let ids: [Damage] = [
        Damage("UPDATE identity SET parent = 11 WHERE key = 11", 13, "id "),
        Damage("UPDATE identity SET parent = 6 WHERE key = 11", 13, "id "),
        Damage("UPDATE identity SET parent = 99 WHERE key = 11", 13, "id "),
        Damage("UPDATE identity SET joined_sequence = 12 WHERE key = 11", 13, "id "),
        Damage("UPDATE identity SET next = 11 WHERE key = 11", 13, "id "),
        Damage("UPDATE identity SET next = 6 WHERE key = 10", 13, "id U5"),
        Damage("UPDATE identity SET link_order = 0 WHERE key = 9", 12, "id x2"),
        Damage("UPDATE identity SET identified_sequence = 0 WHERE key = 1", 9, "id U1"),
        Damage("UPDATE identity SET alias_sequence = 0 WHERE key = 5", 9, "id x"),
        Damage("UPDATE identity SET size = 3 WHERE key = 10", 13, "id U5"),
        Damage("UPDATE identity SET canonical = 11 WHERE key = 10", 13, "id U5"),
        Damage("UPDATE identity SET canonical_rank = 1 WHERE key = 10", 13, "id U5"),
        Damage("UPDATE identity SET canonical_since = 12 WHERE key = 10", 13, "id U5"),
        Damage("UPDATE identity SET identified_count = 0 WHERE key = 10", 13, "id U5"),
        Damage("UPDATE identity SET linked_sequence = 12 WHERE key = 10", 13, "id U5"),
        Damage("UPDATE identity SET linked_sequence = 99 WHERE key = 10", 13, "id U5"),
        Damage("UPDATE identity SET revised_sequence = 0 WHERE key = 8", 12, "id U4"),
        Damage("UPDATE identity SET first_sequence = 12 WHERE key = 10", 13, "id U5"),
        Damage("UPDATE identity SET first_seen = 5 WHERE key = 10", 13, "id U5"),
        Damage("UPDATE identity SET anonymous_form = 1 WHERE key = 10", 13, "id U5"),
        Damage("UPDATE identity SET distinct_id = x'7a7a' WHERE key = 10", 13, "id "),
        Damage("UPDATE identity SET project = 2 WHERE key = 10", 13, "id U5"),
        Damage("DELETE FROM identity WHERE key = 10", 13, "id U5"),
        Damage("DELETE FROM identity WHERE key = 1", 9, "id U1"),
        Damage(
            "INSERT INTO identity SELECT 99, project, x'7a', 7, 7, 0, 99, 0, 99, 0, 0, 0, 1, 99, 1, 7, 0, 0, 0 "
                + "FROM identity WHERE key = 1", 7, "id z"),
    ]

    static let links: [Damage] = [
        Damage("DELETE FROM link WHERE sequence = 6", 6, "link 6"),
        Damage("DELETE FROM link WHERE sequence = 13", 13, "link 13"),
        Damage("UPDATE link SET first = 1 WHERE sequence = 1", 1, "the changes recorded with link 1"),
        Damage("UPDATE link SET canonical = 2 WHERE sequence = 1", 1, "the changes recorded with link 1"),
        Damage("UPDATE link SET canonical = 0 WHERE sequence = 1", 1, "the changes recorded with link 1"),
        Damage("INSERT INTO link (project, sequence, verb, from_key, to_key) VALUES (1, 5, 1, 2, 1)", 5, "link 5"),
        Damage("INSERT INTO link (project, sequence, verb, from_key, to_key) VALUES (1, 99, 1, 2, 1)", 99, "link 99"),
        Damage("UPDATE link SET from_key = to_key, to_key = from_key WHERE sequence = 6", 6, "link 6"),
        Damage("UPDATE link SET verb = 3 WHERE sequence = 13", 13, "link 13"),
        Damage("UPDATE link_state SET active = 1 WHERE link = 4", 9, "link 4"),
        Damage("DELETE FROM link_state WHERE link = 10 AND from_sequence = 12", 12, "link 10"),
        Damage("INSERT INTO link_state VALUES (1, 13, 14, 0)", 14, "link 13"),
        Damage("DELETE FROM block WHERE low_key = 1", 9, "the block"),
        Damage("UPDATE block SET sequence = 8 WHERE low_key = 1", 9, "a block"),
        Damage("UPDATE block SET high_key = 4 WHERE low_key = 1", 9, "a block"),
        Damage("INSERT INTO block VALUES (1, 6, 7, 14)", 15, "a block"),
        Damage("DELETE FROM log_node WHERE sequence = 8 AND node = 6", 8, "log_node of id U3"),
        Damage("DELETE FROM log_node WHERE node = 10", 13, "log_node of id U5"),
        Damage("INSERT INTO log_node VALUES (1, 1, 13)", 13, "log_node of id U1"),
        Damage("INSERT INTO log_node VALUES (1, 77, 12)", 12, "the names of the entry"),
    ]

    static let log: [Damage] = [
        Damage("UPDATE log SET outcome = 2 WHERE sequence = 13", 13, "what the entry says"),
        Damage(
            "UPDATE log SET outcome = 3, refusal = 6, has_link = 0, cluster_size = 2 WHERE sequence = 13", 13,
            "id U5"),
        Damage("UPDATE log SET outcome = 1, refusal = NULL, has_link = 1 WHERE sequence = 8", 8, ""),
        Damage("UPDATE log SET has_link = 0 WHERE sequence = 6", 6, "what the entry says"),
        Damage("UPDATE log SET has_link = 1 WHERE sequence = 5", 5, "what the entry says"),
        Damage("UPDATE log SET cluster_size = 4 WHERE sequence = 3", 3, "what the entry says"),
        Damage("UPDATE log SET verb = 3 WHERE sequence = 13", 13, ""),
        Damage("UPDATE log SET primary_id = x'5531' WHERE sequence = 13", 13, ""),
        Damage("UPDATE log SET secondary_id = primary_id WHERE sequence = 10", 10, ""),
        Damage("UPDATE log SET time = 0 WHERE sequence = 7", 7, "the time of the entry"),
        Damage("DELETE FROM log WHERE sequence = 5", 5, "the log"),
        Damage("DELETE FROM log WHERE sequence = 1", 1, "the log"),
        // Packed: whether the pair is kept apart, the link that was named, the links.
        Damage(
            "UPDATE log SET detail = x'000000000000000100000000000000040000000000000003' "
                + "WHERE sequence = 9", 9, "the links of the unmerge"),
        Damage(
            "UPDATE log SET detail = x'000000000000000100000000000000050000000000000005' "
                + "WHERE sequence = 9", 9, "link "),
        Damage("UPDATE log SET detail = x'0000000000000009000000000000000a' WHERE sequence = 12", 11, "the block"),
        Damage("UPDATE log SET primary_id = x'5531' WHERE sequence = 15", 14, "the block"),
        Damage("UPDATE project SET max_cluster_size = 7", 16, "the project's rules"),
    ]

    static let rest: [Damage] = [
        Damage("UPDATE event SET sequence = 99 WHERE sequence = 5", 16, "an event"),
        Damage("UPDATE event SET sequence = 9 WHERE sequence = 5", 9, "an event"),
        Damage("UPDATE profile SET root = 3 WHERE linked_sequence = 6", 6, "the profile of 6f1f8a3e"),
        Damage("UPDATE profile SET root = 0 WHERE linked_sequence = 6", 6, "the profile of 6f1f8a3e"),
        Damage("UPDATE profile SET linked_sequence = 4 WHERE linked_sequence = 6", 4, "the profile of 6f1f8a3e"),
        Damage("UPDATE profile SET linked_sequence = 8 WHERE linked_sequence = 6", 8, "the profile of 6f1f8a3e"),
        Damage("UPDATE profile SET linked_sequence = 99 WHERE linked_sequence = 6", 16, "the profile of 6f1f8a3e"),
    ]

    /// In a cluster that was once with ids that were deleted.
    static let frayed: [Damage] = [
        Damage("UPDATE identity SET size = 9 WHERE parent = key", 5, "the cluster of"),
        Damage("UPDATE identity SET canonical = 3 WHERE parent = key", 5, "the cluster of"),
        Damage("UPDATE identity SET canonical_rank = 0 WHERE parent = key", 5, "the cluster of"),
        Damage("UPDATE identity SET identified_count = 2 WHERE parent = key", 5, "the cluster of"),
        Damage("UPDATE identity SET linked_sequence = 99 WHERE parent = key", 5, "the cluster of"),
        Damage("UPDATE identity SET parent = key WHERE parent <> key", 5, "the cluster of"),
        Damage("UPDATE identity SET parent = 77 WHERE parent <> key", 5, "the cluster of"),
        Damage("UPDATE identity SET joined_sequence = 3 WHERE joined_sequence = 1", 5, "the cluster of"),
        Damage("UPDATE identity SET next = key WHERE parent = key", 5, "the cluster of"),
        Damage("UPDATE identity SET next = key WHERE parent <> key", 5, "the cluster of"),
        Damage("UPDATE identity SET identified_sequence = 0 WHERE key = 1", 5, "id U1"),
        Damage("UPDATE identity SET link_order = 0 WHERE key = 1", 5, "id U1"),
        Damage("UPDATE identity SET first_sequence = 2 WHERE key = 1", 5, "id U1"),
        Damage("DELETE FROM link WHERE sequence = 3", 3, "link 3"),
    ]
}

/// What a verification finds in damaged stores: each damage, with the entry that last concerned it.
@Suite(.timeLimit(.minutes(10)))
struct VerificationDamageTests {
    @Test(arguments: Damage.ids + Damage.links + Damage.log + Damage.rest)
    func `a damage is found with the entry that last concerned it`(_ damage: Damage) async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            let store = try SQLiteStore(path: path)
            let record = try await Self.fill(store)
            let sound = try await store.verify(record, decides: true, checksEvents: true, progress: { _ in })
            #expect(sound.tally.first == nil)
            #expect(sound.lastSequence == 16)
            try await Self.check(damage, store, path)
        }
    }

    @Test(arguments: Damage.frayed)
    func `a damage is found where a deletion took part of the history`(_ damage: Damage) async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.sqlite"
            let store = try SQLiteStore(path: path)
            let record = ProjectRecord.plain(MergeRules())
            try await store.save(record)
            try await store.commit(.identify("U1", anonymous(1)), .merge("d", "e"), now: 10)
            try await store.commit(.alias("x", of: "U1"), .merge("U1", "d"), now: 20)
            try await store.amend(.unmergeLink(4, keepsApart: true))
            try await store.delete("e")
            let sound = try await store.verify(record, decides: true, checksEvents: true, progress: { _ in })
            #expect(sound.isIdentical, "\(String(describing: sound.tally.first))")
            #expect(sound.tombstones == 3)
            #expect(sound.frayed == 3)
            try await Self.check(damage, store, path)
        }
    }

    private static func check(_ damage: Damage, _ store: SQLiteStore, _ path: String) async throws {
        try await execute(damage.sql, path)
        let record = try #require(try await store.projects().first)
        let report = try await store.verify(record, decides: false, checksEvents: true, progress: { _ in })
        let first = try #require(report.tally.first)
        #expect(first.sequence == damage.sequence, "\(first)")
        #expect(first.subject.hasPrefix(damage.subject), "\(first)")
        #expect(first.expected != first.found, "\(first)")
        try await store.close()
    }

    /// A history of sixteen entries with everything that there is, of which the nodes are, by their keys:
    /// U1, an anonymous id, U2, another, x, U3, a third, U4, x2, U5, a fourth.
    private static func fill(_ store: SQLiteStore) async throws -> ProjectRecord {
        var record = ProjectRecord.plain(MergeRules())
        try await store.save(record)
        try await store.commit(
            .identify("U1", anonymous(1)), .identify("U2", anonymous(2)), .alias("x", of: "U1"), .merge("U1", "U2"),
            .identify("U1", anonymous(1)))
        var batch = EventBatch.of([.merge(anonymous(1), "x")])
        batch.update(anonymous(1), [(.set, #"{"city":"Bern"}"#)])
        batch.update("alone", [(.set, #"{"city":"Bern"}"#)])
        _ = try await store.commit([batch], by: original, nowMilliseconds: 1_000)
        try await store.commit(.identify("U3", anonymous(3)), .identify("U3", anonymous(1)), now: 2_000)
        try await store.amend(.unmergeLink(4, keepsApart: true))
        try await store.commit(.merge("U4", "x2"))
        try await store.amend(.unmergeLink(10, keepsApart: true))
        try await store.amend(.restore(11))
        try await store.commit(.identify("U5", anonymous(5)))
        try await store.amend(.unmergeID(DistinctID("U3"), keepsApart: true))
        try await store.amend(.unblock(DistinctID("U3"), DistinctID(anonymous(3))))
        record.rules.maxClusterSize = 9
        try await store.save(record)
        return record
    }
}

extension SQLiteStore {
    /// Makes an amendment that can be made.
    fileprivate func amend(_ request: AmendmentRequest) async throws {
        _ = try await amend(request, in: project, by: MergeRules(), origin: .command, nowMilliseconds: 3_000).get()
    }
}
