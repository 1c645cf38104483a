import Foundation

#if canImport(Glibc)
import Glibc
#endif

/// One figure: the median of several runs, with all of them.
struct Measurement {
    let name: String
    let unit: String
    var runs: [Double] = []
    /// What was measured, where the name does not say: sizes and counts.
    var detail: String?

    var median: Double {
        let sorted = runs.sorted()
        guard !sorted.isEmpty else { return .nan }
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    /// Writes the figure as one line of JSON, and for people.
    func report() {
        let values = runs.map(Self.text).joined(separator: ",")
        let note = detail.map { #","detail":"\#($0)""# } ?? ""
        let value = Self.text(median)
        Console.write(#"{"name":"\#(name)","unit":"\#(unit)","value":\#(value),"runs":[\#(values)]\#(note)}"#)
        Console.note("  \(name): \(value) \(unit)\(detail.map { " (\($0))" } ?? "")")
    }

    /// Four digits that count are more than a noisy machine can give.
    private static func text(_ value: Double) -> String {
        value >= 1_000 ? String(format: "%.0f", value) : String(format: "%.4g", value)
    }
}

/// What time something took.
struct Elapsed {
    /// Seconds on the wall.
    let wall: Double
    /// Seconds of processor time, of all threads of this program.
    let processor: Double

    /// Measures a body.
    static func measure(_ body: () throws -> Void) rethrows -> Elapsed {
        let start = now
        try body()
        return now - start
    }

    /// Both clocks, now.
    static var now: Elapsed { Elapsed(wall: seconds(CLOCK_MONOTONIC), processor: seconds(CLOCK_PROCESS_CPUTIME_ID)) }

    static func - (a: Elapsed, b: Elapsed) -> Elapsed {
        Elapsed(wall: a.wall - b.wall, processor: a.processor - b.processor)
    }

    private static func seconds(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// Where figures and words go.
enum Console {
    /// Writes a line to standard output.
    static func write(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

    /// Writes a line to standard error.
    static func note(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }
}
