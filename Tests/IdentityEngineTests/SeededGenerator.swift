import Foundation

/// The seed of this run's random histories: `SELFSAME_SEED`, or another at each run.
///
/// Every failure prints it.
let runSeed: UInt64 = {
    let given = ProcessInfo.processInfo.environment["SELFSAME_SEED"].flatMap { UInt64($0) }
    let seed = given ?? UInt64.random(in: 0...999_999_999)
    print("IdentityEngineTests: SELFSAME_SEED=\(seed)")
    return seed
}()

/// SplitMix64: the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
