import IdentityEngine

/// The failures that every store words alike.
extension StoreError {
    static var closed: StoreError { StoreError(.closed, "The store is closed.") }

    static func tokenTaken(of project: ProjectRecord, by other: ProjectRecord) -> StoreError {
        StoreError(
            .conflict,
            "The token of project \(project.id) belongs to project \(other.id). Give each project its own token.")
    }

    static func secretTaken(of project: ProjectRecord, by other: ProjectRecord) -> StoreError {
        StoreError(
            .conflict,
            "The secret of project \(project.id) belongs to project \(other.id). Give each project its own secret.")
    }

    /// P 9-6.
    static func systemFixed(of project: ProjectRecord) -> StoreError {
        StoreError(
            .conflict,
            "Project \(project.id) (\(project.name)) holds data, so its identity system stays "
                + "\(project.rules.system.rawValue). Set it back, or make another project.")
    }
}
