import IdentityStore
import Synchronization

/// Shows how a verification goes: one line that changes on a terminal, a line every few seconds elsewhere.
final class VerifyProgress: Sendable {
    private struct State {
        var lastShown = ContinuousClock.now
        var isLineShown = false
    }

    private let isTerminal = Console.isErrorTerminal
    private let state = Mutex(State())

    func show(_ progress: VerificationProgress) {
        let now = ContinuousClock.now
        state.withLock { state in
            guard state.lastShown.duration(to: now) > (isTerminal ? .milliseconds(100) : .seconds(5)) else { return }
            state.lastShown = now
            let total = progress.total.map { " of \($0)" } ?? ""
            let text = "\(progress.stage.rawValue): \(progress.done)\(total)"
            guard isTerminal else {
                Console.note("verify: \(text)")
                return
            }
            Console.note("\r\(text)\u{1b}[K", terminator: "")
            state.isLineShown = true
        }
    }

    /// Leaves the line.
    func finish() {
        state.withLock { state in
            if state.isLineShown { Console.note("\r\u{1b}[K", terminator: "") }
            state.isLineShown = false
        }
    }
}
