import IdentityEngine
import IdentityStore

/// Finds what a condition on events asks of the profiles of those who the events are found under (P 10-8).
///
/// It serves one read of the store: what it found for an id it keeps that long, within its limit.
struct ProfileConditions {
    private static let sizeLimitBytes = 8 << 20

    let condition: WhereExpression
    let project: ProjectID
    let system: IdentitySystem
    let rule: ProfileMergeRule
    private var found: [[UInt8]: [WhereValue]] = [:]
    private var sizeBytes = 0

    init(condition: WhereExpression, project: ProjectID, system: IdentitySystem, rule: ProfileMergeRule) {
        self.condition = condition
        self.project = project
        self.system = system
        self.rule = rule
    }

    /// The values that the condition asks for, in the order of its names.
    ///
    /// - Parameters:
    ///   - canonicalID: the id that the event is found under; no bytes for an event of nobody.
    ///   - snapshot: the state to read.
    /// - Returns: the values; all undefined where there is no profile.
    /// - Throws: `StoreError`.
    mutating func values(
        of canonicalID: [UInt8], _ snapshot: any StoreSnapshot
    ) throws(StoreError) -> [WhereValue] {
        guard condition.namesProfile, !canonicalID.isEmpty else { return condition.profileValues(of: nil) }
        if let values = found[canonicalID] { return values }
        let profile = try snapshot.clusterProfile(
            of: DistinctID(canonicalID), in: project, system: system, rule: rule)
        let values = condition.profileValues(of: profile?.properties).map(\.compact)
        sizeBytes += canonicalID.count + values.reduce(100) { $0 + $1.sizeBytes }
        if sizeBytes > Self.sizeLimitBytes {
            found.removeAll()
            sizeBytes = 0
        }
        found[canonicalID] = values
        return values
    }
}

extension WhereValue {
    /// The same value, which keeps no more of the text that it was read from.
    fileprivate var compact: WhereValue {
        switch self {
        case .string(let text): .string(Array(text)[...])
        case .array(let json): .array(Array(json)[...])
        case .object(let json): .object(Array(json)[...])
        case .undefined, .boolean, .number, .time: self
        }
    }

    fileprivate var sizeBytes: Int {
        switch self {
        case .string(let bytes), .array(let bytes), .object(let bytes): bytes.count + 32
        case .undefined, .boolean, .number, .time: 32
        }
    }
}
