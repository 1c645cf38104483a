package import IdentityStore

/// Which projects' data this server may hold, and where the data of the others belongs.
package struct Residency: Sendable {
    /// The regions of this server; all where it is empty.
    private let regions: Set<String>
    /// Host names by region, as configured.
    private let hosts: [(region: String, host: String)]

    /// - Parameters:
    ///   - regions: the regions that this server may hold; none for all.
    ///   - hosts: under which name a region's server is reached.
    package init(regions: [String], hosts: [(region: String, host: String)]) {
        self.regions = Set(regions)
        self.hosts = hosts.map { ($0.region, $0.host.lowercased()) }
    }

    /// Whether anything can be refused.
    var isLimiting: Bool { !regions.isEmpty || !hosts.isEmpty }

    /// Why a project's data is refused here; nil where it is not.
    ///
    /// A project without a region is at home everywhere. Where a host name is that of a region, only that region's
    /// projects are served under it, whatever else this server holds.
    ///
    /// - Parameters:
    ///   - project: the project.
    ///   - host: the `Host` of the request.
    /// - Returns: the message, which names the right host where one is configured.
    package func refusal(of project: ProjectRecord, host: String?) -> String? {
        guard isLimiting, let region = project.region else { return nil }
        let name = HostName.name(in: host ?? "")
        let asked = hosts.filter { $0.host == name }.map(\.region)
        let isHeld = regions.isEmpty || regions.contains(region)
        if isHeld, asked.isEmpty || asked.contains(region) { return nil }
        let right = hosts.first { $0.region == region }.map { "send its data to \($0.host)" }
        return "this project's data is kept in region \(region); "
            + (right ?? "send its data to a server of that region")
    }

    /// Whether a text can name a region: `eu`, `us-east-1`.
    package static func isRegion(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == UInt8(ascii: "-")
            }
    }
}
