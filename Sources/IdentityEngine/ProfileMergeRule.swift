/// How the profile of a cluster is made of its members' (P 7.10-1).
///
/// The raw value is what `profiles.onMerge` takes.
package enum ProfileMergeRule: String, CaseIterable, Sendable {
    /// The profile of the member that ranks first and has one, and what came to the others after they joined it.
    case hide
    /// Each property from the first member in rank that has it.
    case fill
}
