import CZlib
import Foundation

/// A file of records, plain or gzip, read in pieces.
///
/// zlib's file functions tell the two apart by the first bytes, and read gzip files of several members as one.
@safe package struct RecordFile: ~Copyable {
    private let file: gzFile
    private let path: String
    /// The file's size on disk, in bytes.
    package let sizeBytes: Int64
    /// When the file was last changed, in milliseconds since 1970.
    package let changedMilliseconds: Int64

    /// - Throws: `ConfigurationError` where the file cannot be read.
    package init(path: String) throws(ConfigurationError) {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path) else {
            throw ConfigurationError("\(path) cannot be read; check the name and its permissions")
        }
        guard attributes[.type] as? FileAttributeType != .typeDirectory else {
            throw ConfigurationError("\(path) is a directory, not a file")
        }
        guard let file = unsafe gzopen(path, "rb") else {
            throw ConfigurationError("\(path) cannot be read; check the name and its permissions")
        }
        unsafe self.file = file
        self.path = path
        unsafe gzbuffer(file, 1 << 18)
        sizeBytes = (attributes[.size] as? NSNumber)?.int64Value ?? 0
        let changed = attributes[.modificationDate] as? Date ?? Date(timeIntervalSince1970: 0)
        changedMilliseconds = Int64(changed.timeIntervalSince1970 * 1000)
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
