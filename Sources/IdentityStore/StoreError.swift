/// Why a store could not do its work: what, why, and what to do about it.
///
/// The message carries no SQL, path or id, so that it may be shown to a client. `cause` is for the log.
package struct StoreError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The kinds of failure that a caller tells apart.
    package enum Code: String, Sendable {
        /// The disk, or the memory that the store may use, is full.
        case full
        /// Reading or writing failed.
        case inputOutput
        /// Another process holds the store, or too many reads wait.
        case busy
        /// The file is not a store, or was written by a newer version.
        case incompatible
        /// What is stored contradicts itself.
        case corrupt
        /// What was asked for contradicts what is stored.
        case conflict
        /// The store was closed.
        case closed
        /// Anything else: a fault of ours.
        case unexpected
    }

    package let code: Code
    package let message: String
    package let cause: String?

    package init(_ code: Code, _ message: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// Whether the same call may succeed later without any change to what is asked.
    package var isRetryable: Bool { code == .full || code == .inputOutput || code == .busy }

    package var description: String { cause.map { "\(message) (\($0))" } ?? message }

    /// Errors are the same when their codes are.
    package static func == (a: StoreError, b: StoreError) -> Bool { a.code == b.code }
}
