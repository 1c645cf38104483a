import IdentityEngine
import Testing

/// Devices and their owners in a Simplified project: P 8.
struct SimplifiedTests {
    static let table = [
        DecisionCase("8-2, first link", [], .device("$device:d", of: "U1"), .merged, 2, ["U1 $device:d"]),
        DecisionCase(
            "8-2, repeat", [.device("$device:d", of: "U1")],
            .device("$device:d", of: "U1"), .unlogged, 2, ["U1 $device:d"]),
        DecisionCase(
            "8-2, several devices", [.device("$device:d", of: "U1")],
            .device("$device:e", of: "U1"), .merged, 3, ["U1 $device:d $device:e"]),
        DecisionCase(
            "8-3, the first owner keeps it", [.device("$device:d", of: "U1")],
            .device("$device:d", of: "U2"), .conflict, 0, ["U1 $device:d"]),
        DecisionCase(
            "8-3, though the other has devices", [.device("$device:d", of: "U1"), .device("$device:e", of: "U2")],
            .device("$device:d", of: "U2"), .conflict, 0, ["U1 $device:d", "U2 $device:e"]),
        DecisionCase(
            "8-4, the owner is canonical though it is a UUID and the device's id is not", [],
            .device("$device:kiosk", of: "A1"), .merged, 2, ["A1 $device:kiosk"]),
        DecisionCase("8-9, one text for both", [], .device("$device:U1", of: "U1"), .merged, 2, ["U1 $device:U1"]),
        DecisionCase("8-6, $identify", [], .identify("U1", "A1"), .unlogged, 0, []),
        DecisionCase("8-6, $create_alias", [], .alias("X", of: "U1"), .unlogged, 0, []),
        DecisionCase("8-6, $merge", [], .merge("U1", "U2"), .unlogged, 0, []),
        DecisionCase(
            "8-6, $merge of two owners (8-4)", [.device("$device:d", of: "U1"), .device("$device:e", of: "U2")],
            .merge("U1", "U2"), .unlogged, 0, ["U1 $device:d", "U2 $device:e"]),
    ]

    @Test(arguments: table) func `a device belongs to whom it came with first`(_ row: DecisionCase) {
        row.check(MergeRules(system: .simplified))
    }

    @Test func `a device in an Original project links nothing`() {
        var history = History()
        #expect(Verdict(history.decide(.device("$device:d", of: "U1"))) == .unlogged)
        #expect(history.clusters.isEmpty)
        #expect(history.index.takeChangedNodes().isEmpty)
    }

    @Test func `no limit of size holds`() {
        var history = History(MergeRules(system: .simplified, maxClusterSize: 2))
        for number in 1...600 {
            #expect(history.decide(.device("$device:\(number)", of: "U1")).clusterSize == number + 1)
        }
        #expect(history.canonicalID(of: "$device:600") == "U1")
    }

    @Test func `what is not logged takes no sequence and changes no row`() throws {
        var history = History(MergeRules(system: .simplified), [.device("$device:d", of: "U1")])
        _ = history.index.takeChangedNodes()
        history.decide(.device("$device:d", of: "U1"))
        history.decide(.device("$device:d", of: "U2"))
        #expect(history.lastSequence == 1)
        #expect(history.index.takeChangedNodes().isEmpty)
        #expect(history.index.node(for: DistinctID("U2")) == nil)
    }
}
