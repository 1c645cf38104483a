import Foundation

/// How many files and connections the process may have open at once.
///
/// The server must never reach that number: not only accepting fails there. The thread pool below the store looks at
/// its threads through files every second and ends the process where it cannot, and SQLite needs files for what does
/// not fit in memory. So the soft limit is raised at the start, and connections stay below it with a reserve.
package enum OpenFiles {
    /// What the soft limit is raised to at most: more is of no use to `server.connectionLimit` as it is by default, and
    /// the system sets memory aside for it.
    static let wanted = 65_536
    /// What is kept free for the store, its temporary files, and the system's own libraries.
    static let reserve = 128
    /// The share of the limit that the reserve takes at most, where the limit is low.
    private static let reserveShare = 4

    /// Raises the soft limit to the hard one, or to `wanted`; it is never lowered.
    ///
    /// - Returns: the limit that is in force.
    @discardableResult
    package static func raiseLimit() -> Int {
        var limit = rlimit()
        guard unsafe getrlimit(resource, &limit) == 0 else { return 1024 }
        let most = min(limit.rlim_max, rlim_t(wanted))
        if limit.rlim_cur < most {
            var raised = limit
            raised.rlim_cur = most
            if unsafe setrlimit(resource, &raised) == 0 { limit = raised }
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// How many connections may be open.
    ///
    /// - Parameters:
    ///   - wanted: what the configuration asks for.
    ///   - limit: how many files may be open.
    ///   - open: how many are open already, before any connection.
    /// - Returns: the number, which is `wanted` where there is room for it.
    /// - Throws: `ConfigurationError` where there is no room for any.
    static func connectionLimit(wanted: Int, limit: Int, open: Int) throws(ConfigurationError) -> Int {
        let room = limit - open - min(reserve, limit / reserveShare)
        guard room > 0 else {
            throw ConfigurationError(
                "the limit of open files is \(limit), and \(open) are open before the first connection; raise it "
                    + "(ulimit -n, or LimitNOFILE in a systemd unit)")
        }
        return min(wanted, room)
    }

    /// How many files the process has open.
    static func openCount() -> Int {
        let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        // Where the system does not list them, what a server usually has.
        return names.map(\.count) ?? 64
    }

    #if canImport(Glibc)
    private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
    private static let resource = RLIMIT_NOFILE
    #endif
}
