import Foundation
import Synchronization

/// Descriptors that are held so that they can be given back when there are no others.
///
/// Connections stay below the limit of files, but the limit can be lowered while the server runs, and the system has
/// one for all processes. Where accepting comes to the end of them, what else needs a file must still get one.
final class SpareFiles: Sendable {
    private static let count = 16

    private let held = Mutex<[CInt]>([])

    /// Takes what is missing.
    ///
    /// - Returns: whether all are held, and there is at least one more.
    func take() -> Bool {
        held.withLock { held in
            while held.count < Self.count {
                guard let spare = Self.open() else { return false }
                held.append(spare)
            }
            guard let another = Self.open() else { return false }
            close(another)
            return true
        }
    }

    /// Gives all of them back to the system.
    func release() {
        held.withLock { held in
            for spare in held { close(spare) }
            held = []
        }
    }

    deinit { release() }

    private static func open() -> CInt? {
        let descriptor = unsafe Foundation.open("/dev/null", O_RDONLY | O_CLOEXEC)
        return descriptor < 0 ? nil : descriptor
    }
}
