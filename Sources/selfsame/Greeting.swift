import Foundation
import IdentityEngine
import IdentityServer
import IdentityStore

/// What the server says when it is ready: where it is, and the first call to try.
struct Greeting: Sendable {
    let server: Server

    func write(port: Int) {
        let hasPort = port != 0
        let origin = origin(port: port)
        let socket = hasPort ? "" : " --unix-socket YOUR_SOCKET"
        Console.write("Selfsame listens on \(hasPort ? origin : "the Unix socket that was passed to it")")
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

              curl\(socket) --request POST --url '\(origin)/track' --header 'accept: text/plain' \
            --header 'content-type: application/x-www-form-urlencoded' --data 'data={"event": "$identify", \
            "properties": {"$identified_id": "user-1", "$anon_id": "\(anonymous)", "token": "\(first.project.token)"}}'

            and see the result:

              curl\(socket) --user "\(known ?? read ?? "YOUR_PROJECT_SECRET"):" \
            '\(origin)/identity/cluster?distinct_id=user-1'

            """)
    }

    /// The same for scripts.
    func announcement(port: Int) -> Announcement {
        Announcement(
            url: port == 0 ? nil : origin(port: port), port: port == 0 ? nil : port,
            pid: ProcessInfo.processInfo.processIdentifier,
            projects: server.sandboxKeys.map { keys in
                Announcement.Project(
                    id: keys.project.id.rawValue, name: keys.project.name, token: keys.project.token,
                    secret: keys.secret)
            })
    }

    /// Where requests go; a Unix socket has no port, which is 0 then.
    private func origin(port: Int) -> String {
        let host = server.configuration.server.host
        let shown = host == "0.0.0.0" || host == "::" ? "127.0.0.1" : host
        let scheme = server.configuration.server.tls == nil ? "http" : "https"
        guard port != 0 else { return "\(scheme)://localhost" }
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

    /// Neither url nor port where the server listens on Unix sockets only.
    let url: String?
    let port: Int?
    let pid: Int32
    /// Of a sandbox only.
    let projects: [Project]
}
