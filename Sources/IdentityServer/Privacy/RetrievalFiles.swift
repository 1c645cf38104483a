import Foundation

/// The files of retrievals: in a folder of their own, readable by its owner only.
package struct RetrievalFiles: Sendable {
    /// The most bytes of a file that are in memory while it is sent.
    private static let pieceSizeBytes = 1 << 18

    private let path: String
    /// Whether the folder ends with the server.
    private let isTemporary: Bool

    /// - Parameter directory: the data directory; nil where everything is in memory, for a folder among the system's
    ///   temporary ones.
    package init(in directory: DataDirectory?) {
        path = directory?.retrievalsPath ?? NSTemporaryDirectory() + "selfsame-retrievals-\(UUID().uuidString)"
        isTemporary = directory == nil
    }

    /// A file that is being written.
    ///
    /// - Throws: where it cannot be made.
    func create(_ trackingID: String) throws -> FileHandle {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let partPath = self.partPath(trackingID)
        let isMade = FileManager.default.createFile(
            atPath: partPath, contents: nil, attributes: [.posixPermissions: 0o600])
        guard isMade, let file = FileHandle(forWritingAtPath: partPath) else { throw CocoaError(.fileWriteUnknown) }
        return file
    }

    /// Gives a file that was written its name, so that what has the name is whole.
    func complete(_ trackingID: String) throws {
        guard unsafe rename(partPath(trackingID), filePath(trackingID)) == 0 else {
            throw CocoaError(.fileWriteUnknown)
        }
    }

    /// Takes a file away, whole or not; nothing where there is none.
    func remove(_ trackingID: String) throws {
        for path in [filePath(trackingID), partPath(trackingID)] where FileManager.default.fileExists(atPath: path) {
            try FileManager.default.removeItem(atPath: path)
        }
    }

    /// Takes the folder away where it ends with the server.
    func close() {
        if isTemporary { try? FileManager.default.removeItem(atPath: path) }
    }

    /// A file's content; nil where there is none.
    package func pieces(of trackingID: String) -> AsyncThrowingStream<[UInt8], any Error>? {
        guard let file = FileHandle(forReadingAtPath: filePath(trackingID)) else { return nil }
        return AsyncThrowingStream {
            guard let piece = try file.read(upToCount: Self.pieceSizeBytes), !piece.isEmpty else { return nil }
            return Array(piece)
        }
    }

    private func filePath(_ trackingID: String) -> String { "\(path)/\(trackingID).jsonl" }

    private func partPath(_ trackingID: String) -> String { "\(path)/\(trackingID).part" }
}
