import IdentityEngine
package import IdentityStore

/// The answers about tasks.
package enum PrivacyText {
    /// The answer to a request for a task.
    package static func created(_ task: PrivacyTask) -> [UInt8] {
        answer { json in
            json.array("results") { json in
                json.object { json in
                    json.field("status", task.state.text)
                    json.field("disclosure_type", "DATA")
                    describe(task, to: &json)
                    json.field("task_id", task.trackingID)
                    json.null("destination_url")
                }
            }
        }
    }

    /// How a task stands; `link` is where its file is.
    package static func status(of task: PrivacyTask, link: String) -> [UInt8] {
        answer { json in
            json.object("results") { json in
                json.field("status", task.state.text)
                json.field("result", link)
                if task.kind == .retrieval { json.field("results", link) }
                describe(task, to: &json)
                json.array("distinct_ids") { json in
                    for id in task.distinctIDs { json.element(id.bytes) }
                }
            }
        }
    }

    /// The answer about a task that nobody knows.
    static func unknown() -> [UInt8] {
        answer { json in
            json.object("results") { json in
                json.field("status", "NOT_FOUND")
                json.field("result", "")
                json.array("distinct_ids") { _ in }
            }
        }
    }

    private static func answer(_ results: (inout JSONBuilder) -> Void) -> [UInt8] {
        var json = JSONBuilder()
        json.object { json in
            json.field("status", "ok")
            results(&json)
        }
        return json.bytes
    }

    private static func describe(_ task: PrivacyTask, to json: inout JSONBuilder) {
        json.field("tracking_id", task.trackingID)
        json.field("date_requested", Timestamp.text(milliseconds: task.createdMilliseconds))
        json.field("project_id", task.project.rawValue)
        json.field("compliance_type", task.complianceType.rawValue)
        json.field("requesting_user", task.requestedBy)
        json.field("distinct_id_count", Int64(task.idCount))
    }
}

extension PrivacyTask.State {
    /// Mixpanel's word for it; a file that was taken away does not undo the success.
    package var text: String {
        switch self {
        case .pending: "PENDING"
        case .started, .erasing: "STARTED"
        case .succeeded, .available, .expired: "SUCCESS"
        case .failed: "FAILURE"
        case .revoked: "REVOKED"
        }
    }
}
