import IdentityEngine
import IdentityStore
import MixpanelWire

/// The answer of `/api/app/me`: whose credential this is, and which projects it opens (P 10-13).
struct AccountQuery: Sendable {
    private let directory: ProjectDirectory

    init(directory: ProjectDirectory) { self.directory = directory }

    func answer(_ request: WireRequest) async -> WireResponse {
        let projectID = QueryItems(request.query).first("project_id").map { String(decoding: $0, as: UTF8.self) }
        do throws(AccessRefusal) {
            let (username, projects) = try await directory.memberships(
                Credentials(authorization: request.authorization), projectID: projectID)
            return Answer.json(Self.json(username ?? "project secret", projects))
        } catch {
            return Answer.failure(error.status, error.message)
        }
    }

    private static func json(_ username: String, _ memberships: [Membership]) -> [UInt8] {
        var json = JSONBuilder()
        json.object { json in
            json.field("status", "ok")
            json.object("results") { json in
                json.null("user_id")
                json.field("user_name", username)
                json.field("user_email", username)
                json.object("organizations") { json in
                    json.object("1") { json in
                        json.field("id", 1)
                        json.field("name", "Selfsame")
                    }
                }
                json.object("projects") { json in
                    for membership in memberships { write(membership, to: &json) }
                }
                json.object("workspaces") { _ in }
            }
        }
        return json.bytes
    }

    private static func write(_ membership: Membership, to json: inout JSONBuilder) {
        json.object(membership.project.id.description) { json in
            json.field("id", membership.project.id.rawValue)
            json.field("name", membership.project.name)
            json.field("organization_id", 1)
            json.field("timezone", "UTC")
            json.field("has_workspaces", false)
            json.field("identity_system", membership.project.rules.system.rawValue)
            json.object("role") { json in json.field("name", membership.role.rawValue) }
            json.array("permissions") { json in
                // What clients look for before they read; any role may.
                json.element("view_base_reports")
            }
        }
    }
}
