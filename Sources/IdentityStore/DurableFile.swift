#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Small files that are there whole or not at all, after a crash too, and that only their owner may read.
///
/// A file is written beside its place, under a name that ends with `pendingSuffix`. When the disk has it, it gets its
/// name, and the disk is waited for again. What a crash leaves under the other name means nothing.
package enum DurableFile {
    /// What the name of a file ends with until it is whole.
    package static let pendingSuffix = ".new"

    /// Makes a file, or replaces the one that is there.
    ///
    /// - Parameters:
    ///   - bytes: what it is to hold.
    ///   - path: its place, in a directory that exists.
    /// - Throws: `StoreError`: `full` or `inputOutput`; the place has what it had before.
    package static func write(_ bytes: [UInt8], to path: String) throws(StoreError) {
        try writePending(bytes, of: path)
        try complete(path)
    }

    /// Writes a file beside its place only, for `complete` to give it its name.
    package static func writePending(_ bytes: [UInt8], of path: String) throws(StoreError) {
        let pending = path + pendingSuffix
        try remove(pending)
        // It must not be there: one that was made by another could be read by them. The mode is the file's from its
        // first moment.
        let descriptor = open(pending, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StoreError(systemCode: errno, path: pending) }
        do throws(StoreError) {
            defer { close(descriptor) }
            try writeAll(bytes, to: descriptor, path: pending)
            guard fsync(descriptor) == 0 else { throw StoreError(systemCode: errno, path: pending) }
        } catch {
            try? remove(pending)
            throw error
        }
    }

    /// Gives a file that was written beside its place its name.
    package static func complete(_ path: String) throws(StoreError) {
        guard rename(path + pendingSuffix, path) == 0 else { throw StoreError(systemCode: errno, path: path) }
        try syncDirectory(of: path)
    }

    /// Takes a file away; nothing where there is none.
    package static func remove(_ path: String) throws(StoreError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw StoreError(systemCode: errno, path: path) }
    }

    /// Waits until the disk has what a file holds.
    static func sync(_ path: String) throws(StoreError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw StoreError(systemCode: errno, path: path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw StoreError(systemCode: errno, path: path) }
    }

    /// Waits until the disk has the names in the directory of a file.
    static func syncDirectory(of path: String) throws(StoreError) {
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        try sync(directory.isEmpty ? "/" : directory)
    }

    /// How many bytes a file has; nil where there is none.
    package static func sizeBytes(_ path: String) -> Int? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return Int(status.st_size)
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32, path: String) throws(StoreError) {
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { rest in
                pwrite(descriptor, rest.baseAddress, rest.count, off_t(written))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw StoreError(systemCode: count < 0 ? errno : ENOSPC, path: path) }
            written += count
        }
    }
}

extension StoreError {
    /// What an error number of the system means for a caller.
    init(systemCode: Int32, path: String) {
        let cause = "\(path): \(String(cString: strerror(systemCode)))"
        switch systemCode {
        case ENOSPC, EDQUOT, EFBIG:
            self.init(
                .full, "The disk that holds the data directory is full, so nothing was stored. Free some space.",
                cause: cause)
        default:
            self.init(
                .inputOutput,
                "A file of the data directory cannot be read or written. Check the disk and the file's permissions.",
                cause: cause)
        }
    }
}
