import Foundation
import IdentityEngine
import IdentityServer
import IdentityStore

/// What the server says when it is ready: where it is, and the first call to try.
struct Greeting: Sendable {
    let server: Server

    func write(port: Int) {
        let origin = origin(port: port)
        Console.write("Selfsame listens on \(origin)")
        if server.configuration.sandbox.isEnabled {
            for keys in server.sandboxKeys {
                Console.write("Project \(keys.project.id) (\(keys.project.name)), token \(keys.project.token)")
                Console.write("Secret: \(keys.secret)")
            }
        }
        guard let first = server.firstProject else { return }
        if !server.configuration.sandbox.isEnabled {
            Console.write("Project \(first.project.id) (\(first.project.name)), token \(first.project.token)")
            if let path = first.secretPath { Console.write("Its secret is in \(path)") }
            if let secret = first.freshSecret, Console.isOutputTerminal { Console.write("Secret: \(secret)") }
        }
        let known = server.sandboxKeys.first { $0.project.id == first.project.id }?.secret
        let read = first.secretPath.map { "$(sed -n 's/^secret: //p' '\($0)')" }
        let anonymous = UUID().uuidString.lowercased()
        Console.write(
            """

            Try it: make one identity of an anonymous id and a user id,

              curl --request POST --url '\(origin)/track' --header 'accept: text/plain' \
            --header 'content-type: application/x-www-form-urlencoded' --data 'data={"event": "$identify", \
            "properties": {"$identified_id": "user-1", "$anon_id": "\(anonymous)", "token": "\(first.project.token)"}}'

            and see the result:

              curl --user "\(known ?? read ?? "YOUR_PROJECT_SECRET"):" \
            '\(origin)/identity/cluster?distinct_id=user-1'

            """)
    }

    /// The same for scripts.
    func announcement(port: Int) -> Announcement {
        Announcement(
            url: origin(port: port), port: port, pid: ProcessInfo.processInfo.processIdentifier,
            projects: server.sandboxKeys.map { keys in
                Announcement.Project(
                    id: keys.project.id.rawValue, name: keys.project.name, token: keys.project.token,
                    secret: keys.secret)
            })
    }

    private func origin(port: Int) -> String {
        let host = server.configuration.server.host
        let shown = host == "0.0.0.0" || host == "::" ? "127.0.0.1" : host
        let scheme = server.configuration.server.tls == nil ? "http" : "https"
        return "\(scheme)://\(shown.contains(":") ? "[\(shown)]" : shown):\(port)"
    }
}

/// What the ready file says.
struct Announcement: Encodable, Sendable {
    struct Project: Encodable, Sendable {
        let id: Int64
        let name: String
        let token: String
        let secret: String
    }

    let url: String
    let port: Int
    let pid: Int32
    /// Of a sandbox only.
    let projects: [Project]
}
