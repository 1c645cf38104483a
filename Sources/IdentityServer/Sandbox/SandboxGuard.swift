package import MixpanelWire

/// Who may empty a sandbox: not a page of another origin, and not a name that was pointed at this machine.
package struct SandboxGuard: Sendable {
    private let hostNames: [String]

    package init(hostNames: [String]) { self.hostNames = hostNames.map { $0.lowercased() } }

    /// Why a request to `/sandbox/…` is refused; nil where it is not.
    package func refusal(of request: WireRequest) -> String? {
        if request.origin != nil {
            return "requests with an Origin header may not change the sandbox; call it from a test, not from a page"
        }
        let name = HostName.name(in: request.host ?? "")
        guard SandboxGuard.isLoopback(name) || hostNames.contains(name) else {
            return "the sandbox answers to loopback names and server.hostNames only, not to the Host of this request"
        }
        return nil
    }

    /// Whether an address or name means this machine only.
    package static func isLoopback(_ host: String) -> Bool {
        let name = HostName.name(in: host)
        return name == "localhost" || name == "::1" || isLoopbackIPv4(name)
    }

    private static func isLoopbackIPv4(_ name: String) -> Bool {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}
