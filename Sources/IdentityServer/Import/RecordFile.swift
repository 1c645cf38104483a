import CZlib
import Foundation

/// A file of records, plain or gzip, read in pieces.
///
/// zlib's file functions tell the two apart by the first bytes, and read gzip files of several members as one.
@safe package struct RecordFile: ~Copyable {
    /// The path that means standard input.
    package static let standardInput = "-"

    private let file: gzFile
    private let path: String
    /// The file's size on disk, in bytes; 0 where it is a stream.
    package let sizeBytes: Int64
    /// Whether it is standard input or a pipe, which can be read but once.
    package let isStream: Bool
    /// When the file was last changed, in milliseconds since 1970.
    package let changedMilliseconds: Int64

    /// - Throws: `ConfigurationError` where the file cannot be read.
    package init(path: String) throws(ConfigurationError) {
        if path == Self.standardInput {
            let descriptor = dup(STDIN_FILENO)
            guard descriptor >= 0, let file = unsafe gzdopen(descriptor, "rb") else {
                throw ConfigurationError("standard input cannot be read")
            }
            unsafe self.file = file
            self.path = "standard input"
            (sizeBytes, isStream) = (0, true)
            changedMilliseconds = Int64(Date().timeIntervalSince1970 * 1000)
        } else {
            guard FileManager.default.fileExists(atPath: path) else {
                throw ConfigurationError("\(path) cannot be read; check the name and its permissions")
            }
            // What a shell's <(…) names is a link to no path: a pipe.
            let resolved = URL(filePath: path).resolvingSymlinksInPath().path
            let attributes = try? FileManager.default.attributesOfItem(atPath: resolved)
            let type = attributes?[.type] as? FileAttributeType
            guard type != .typeDirectory else { throw ConfigurationError("\(path) is a directory, not a file") }
            guard let file = unsafe gzopen(path, "rb") else {
                throw ConfigurationError("\(path) cannot be read; check the name and its permissions")
            }
            unsafe self.file = file
            self.path = path
            isStream = type != .typeRegular
            sizeBytes = isStream ? 0 : (attributes?[.size] as? NSNumber)?.int64Value ?? 0
            let changed = attributes?[.modificationDate] as? Date ?? Date(timeIntervalSince1970: 0)
            changedMilliseconds = Int64(changed.timeIntervalSince1970 * 1000)
        }
        // What reads waits until a buffer is full, and a stream may be slow.
        unsafe gzbuffer(file, isStream ? 1 << 14 : 1 << 18)
    }

    deinit { unsafe gzclose(file) }

    /// How far reading has come, in bytes of the file on disk.
    package var offsetBytes: Int64 { Int64(unsafe gzoffset(file)) }

    /// Reads the next bytes; empty at the end.
    ///
    /// - Throws: `ConfigurationError` where the file is damaged, or ends in the middle of what was compressed.
    package mutating func read(upTo count: Int) throws(ConfigurationError) -> [UInt8] {
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = max(0, Int(unsafe gzread(file, buffer.baseAddress, UInt32(count))))
        }
        if bytes.isEmpty {
            var code: Int32 = 0
            _ = unsafe gzerror(file, &code)
            guard code == Z_OK || code == Z_STREAM_END else {
                throw ConfigurationError("\(path) is damaged or cut off: what follows cannot be inflated")
            }
        }
        return bytes
    }
}
