import ArgumentParser
import Dispatch
import Foundation
import IdentityServer
import Synchronization

/// What an import shows while it runs and at its end, and how it is stopped.
final class ImportConsole {
    private let progress: ImportProgress
    private let stop = StopSignals()
    /// Kept, for signals are looked for as long as these are there.
    private let sources: [any DispatchSourceSignal]
    private var named = 0

    /// - Parameter totalBytes: the size of all files on disk; 0 where it is not known.
    init(totalBytes: Int64) {
        progress = ImportProgress(totalBytes: totalBytes)
        sources = stop.sources()
    }

    var listener: Importer.Listener {
        Importer.Listener(
            progress: { [self] tally in
                stop.note(Self.text(of: tally))
                progress.show(tally)
            },
            rejected: { [self] rejection in
                named += 1
                guard named <= ImportCommand.namedRejectionLimit else { return }
                progress.note(rejection.line)
            },
            warned: { [self] text in progress.note(text) },
            isStopped: { [self] in stop.isStopped })
    }

    /// Tells what an import came to, and how to go on where it did not come to its end.
    ///
    /// - Throws: what ended it, or the status that it ends with.
    func finish(_ tally: Importer.Tally, _ failure: (any Error)?) throws {
        progress.finish()
        stop.end()
        if named > ImportCommand.namedRejectionLimit {
            Console.note("and \(named - ImportCommand.namedRejectionLimit) more rejected records")
        }
        // Where nothing could be begun, there is nothing to tell but why.
        if let failure, tally.read == 0 { throw failure }
        Console.write(Self.text(of: tally))
        if tally.amendments > 0 { Console.write("\(tally.amendments) amendments of the log were made again") }
        if tally.skippedRules > 0 {
            Console.write(
                "\(tally.skippedRules) changes of rules were left out: the project has a log of its own, and keeps its "
                    + "rules")
        }
        if tally.lost > 0 { Console.write("\(tally.lost) entries of the log did not come along") }
        if stop.isStopped {
            Console.note(StopSignals.hint)
            throw ExitCode(StopSignals.status)
        }
        if let failure { throw failure }
        if tally.rejected > 0 { throw ExitCode(1) }
    }

    static func text(of tally: Importer.Tally) -> String {
        let repeated = tally.repeated > 0 ? "\(tally.repeated) already there, " : ""
        return "\(tally.read) records read, \(tally.stored) stored, \(repeated)\(tally.rejected) rejected; "
            + "merged=\(tally.merged), unchanged=\(tally.unchanged), refused=\(tally.refused)"
    }
}

extension Importer.Rejection {
    /// The rejection as a line of text.
    var line: String {
        "\(path), record \(place.ordinal): line \(place.line), column \(place.column): \(message)"
    }
}

/// Ctrl-C and SIGTERM while something is done in steps: it stops after the step that it is in.
///
/// Where a step waits for input that does not come, the program ends without it: every step is durable by itself.
final class StopSignals: Sendable {
    /// What shells say of a program that Ctrl-C ended.
    static let status: Int32 = 130
    static let hint =
        "Stopped. What is counted is stored; run the same command again to go on: nothing is added twice."

    private let state = Mutex(State())
    private struct State {
        var isStopped = false
        var isOver = false
        var text: String?
    }

    /// What looks for the signals, from now on.
    func sources() -> [any DispatchSourceSignal] {
        [SIGINT, SIGTERM].map { number in
            _ = signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { [self] in stop() }
            source.resume()
            return source
        }
    }

    var isStopped: Bool { state.withLock { $0.isStopped } }

    /// Notes what is to be said where the program must end in the middle of a step.
    func note(_ text: String) { state.withLock { $0.text = text } }

    /// Nothing is left to stop.
    func end() { state.withLock { $0.isOver = true } }

    private func stop() {
        let isSecond = state.withLock { state in
            defer { state.isStopped = true }
            return state.isStopped
        }
        if isSecond { return giveUp() }
        DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(1)) { [self] in giveUp() }
    }

    private func giveUp() {
        let (isOver, text) = state.withLock { ($0.isOver, $0.text) }
        if isOver { return }
        if let text { Console.write(text) }
        Console.note(Self.hint)
        exit(Self.status)
    }
}
