import IdentityServer

/// Shows how an import goes: a bar on a terminal, a line every few seconds elsewhere.
final class ImportProgress {
    private let totalBytes: Int64
    private let isTerminal = Console.isErrorTerminal
    private let start = ContinuousClock.now
    private var lastShown = ContinuousClock.now
    private var isBarShown = false

    /// - Parameter totalBytes: the size of all files on disk; 0 where it is not known.
    init(totalBytes: Int64) { self.totalBytes = totalBytes }

    func show(_ tally: Importer.Tally) {
        let now = ContinuousClock.now
        guard lastShown.duration(to: now) > (isTerminal ? .milliseconds(100) : .seconds(5)) else { return }
        lastShown = now
        let seconds = Double(start.duration(to: now) / .milliseconds(1)) / 1000
        let share = min(1, Double(tally.readBytes) / Double(max(1, totalBytes)))
        let rate = Int(Double(tally.read) / max(seconds, 0.001))
        let remaining = share > 0 ? Int(seconds / share - seconds) : 0
        var text = "\(tally.read) records  \(rate)/s"
        if totalBytes > 0 { text = "\(Int(share * 100))%  \(text)  \(clock(remaining)) left" }
        guard isTerminal, totalBytes > 0 else {
            Console.note("import: \(text)")
            return
        }
        let filled = Int(share * 30)
        let bar = String(repeating: "#", count: filled) + String(repeating: " ", count: 30 - filled)
        Console.note("\r[\(bar)] \(text)\u{1b}[K", terminator: "")
        isBarShown = true
    }

    /// Writes a line without spoiling the bar.
    func note(_ text: String) {
        finish()
        Console.note(text)
    }

    /// Leaves the bar's line.
    func finish() {
        if isBarShown { Console.note("") }
        isBarShown = false
    }

    private func clock(_ seconds: Int) -> String {
        let rest = seconds % 60
        return "\(seconds / 60):\(rest < 10 ? "0" : "")\(rest)"
    }
}
