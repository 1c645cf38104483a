import Foundation
import IdentityStore
import Testing

struct DataDirectoryLockTests {
    @Test func `a second holder is refused, and told who the first is and what to do`() async throws {
        try await withTemporaryDirectory { directory in
            let first = try DataDirectoryLock(directory: directory)
            let error = #expect(throws: StoreError.self) { try DataDirectoryLock(directory: directory) }
            #expect(error?.code == .busy)
            #expect(error?.message.contains("pid \(ProcessInfo.processInfo.processIdentifier)") == true)
            #expect(error?.message.contains("--data") == true)
            first.release()
        }
    }

    @Test func `a lock that was released is free, though its file lies there`() async throws {
        try await withTemporaryDirectory { directory in
            for _ in 0..<2 {
                let lock = try DataDirectoryLock(directory: directory)
                lock.release()
                lock.release()
                #expect(FileManager.default.fileExists(atPath: directory + "/lock"))
            }
        }
    }

    @Test func `a directory that is not there is an error that says so`() {
        #expect(throws: StoreError(.inputOutput, "")) { try DataDirectoryLock(directory: "/nowhere/at/all") }
    }
}
