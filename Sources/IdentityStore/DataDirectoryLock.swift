import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The right to write in a data directory, which one process has at a time: a lock on the file `lock` in it.
///
/// The system takes the lock back when the process ends, however it ends, so a lock file that lies about means
/// nothing. Keep the lock for as long as the store is open, and `release` it then: an object that nobody names any
/// more is gone.
package final class DataDirectoryLock: Sendable {
    private let descriptor: Mutex<Int32>

    /// Takes the lock, without waiting for it.
    ///
    /// - Parameter directory: the path of the data directory, which exists.
    /// - Throws: `StoreError`: `busy` where another process has the lock, `inputOutput` where the file cannot be made.
    package init(directory: String) throws(StoreError) {
        let opened = open(directory + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard opened >= 0 else {
            throw StoreError(
                .inputOutput,
                "The lock of the data directory cannot be opened. Check that the directory exists and may be written.",
                cause: String(cString: strerror(errno)))
        }
        guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
            let cause = errno
            let owner = DataDirectoryLock.owner(opened)
            _ = close(opened)
            guard cause == EWOULDBLOCK else {
                throw StoreError(
                    .inputOutput, "The data directory cannot be locked. Use a local file system.",
                    cause: String(cString: strerror(cause)))
            }
            throw StoreError(
                .busy,
                "Another selfsame\(owner.map { " (pid \($0))" } ?? "") is using this data directory. "
                    + "Stop it first, or name another directory with --data.")
        }
        DataDirectoryLock.write(owner: getpid(), to: opened)
        descriptor = Mutex(opened)
    }

    /// Gives the lock back.
    ///
    /// A second call does nothing.
    package func release() {
        let opened = descriptor.withLock { descriptor in
            defer { descriptor = -1 }
            return descriptor
        }
        if opened >= 0 { _ = close(opened) }
    }

    deinit { release() }

    /// What the file says about who has the lock: for the message only.
    private static func owner(_ descriptor: Int32) -> Int32? {
        var text = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &text, text.count, 0)
        guard count > 0 else { return nil }
        return Int32(String(decoding: text[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }

    private static func write(owner: Int32, to descriptor: Int32) {
        let text = Array("\(owner)\n".utf8)
        _ = ftruncate(descriptor, 0)
        _ = pwrite(descriptor, text, text.count, 0)
    }
}
