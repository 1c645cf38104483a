import Foundation

/// Sockets that listen already when the server starts, passed to it as systemd does: `LISTEN_FDS` says how many there
/// are, from descriptor 3 on, and `LISTEN_PID` for which process.
///
/// Whoever passed them keeps them open, and so does this process until it ends. So a restart refuses no connection:
/// what comes between the old process and the new one waits in the socket's queue.
package struct InheritedSockets: Sendable {
    private static let firstDescriptor: CInt = 3
    /// More than anyone listens on, so that a mistyped number is found.
    private static let countLimit: CInt = 64

    /// In the order in which they were passed; none where the server opens its own.
    package let descriptors: [CInt]

    /// No sockets: the server opens its own.
    package static let none = InheritedSockets(descriptors: [])

    private init(descriptors: [CInt]) { self.descriptors = descriptors }

    /// The sockets that an environment tells of.
    ///
    /// - Parameters:
    ///   - environment: the variables of the process.
    ///   - processID: the process; what was passed to another one is not ours.
    /// - Throws: `ConfigurationError` where a descriptor is no socket that listens.
    package init(environment: [String: String], processID: Int32) throws(ConfigurationError) {
        guard let owner = environment["LISTEN_PID"], let text = environment["LISTEN_FDS"], Int32(owner) == processID
        else {
            descriptors = []
            return
        }
        guard let count = CInt(text), (0...Self.countLimit).contains(count) else {
            throw ConfigurationError("LISTEN_FDS is \"\(text)\", but must be the number of sockets that are passed")
        }
        descriptors = Array(Self.firstDescriptor..<Self.firstDescriptor + count)
        for descriptor in descriptors {
            guard Self.isListening(descriptor) else {
                throw ConfigurationError(
                    "descriptor \(descriptor), which LISTEN_FDS names, is no stream socket that listens; see "
                        + "ListenStream in docs/operations.md")
            }
            // What this process starts has no use for it.
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        }
    }

    private static func isListening(_ descriptor: CInt) -> Bool {
        value(of: SO_ACCEPTCONN, descriptor) == 1 && value(of: SO_TYPE, descriptor) == CInt(stream)
    }

    #if canImport(Glibc)
    private static let stream = SOCK_STREAM.rawValue
    #else
    private static let stream = SOCK_STREAM
    #endif

    private static func value(of option: CInt, _ descriptor: CInt) -> CInt? {
        var value: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        return unsafe getsockopt(descriptor, SOL_SOCKET, option, &value, &size) == 0 ? value : nil
    }
}
