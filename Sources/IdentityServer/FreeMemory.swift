import Foundation

/// Memory that was freed and that the allocator kept for later.
///
/// After a burst that is most of it: the pieces lie between others that are in use, and only the end of the heap is
/// given back by itself.
enum FreeMemory {
    /// Gives it back to the system; does nothing where the C library has no call for that.
    static func giveBack() {
        #if os(Linux)
        _ = trim?(0)
        #endif
    }

    #if os(Linux)
    private typealias Trim = @convention(c) (Int) -> CInt

    private static let trim: Trim? = unsafe dlsym(nil, "malloc_trim").map { unsafe unsafeBitCast($0, to: Trim.self) }
    #endif
}
