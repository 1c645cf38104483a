import Foundation

/// The command `Benchmarks`: figures as JSON lines on standard output, words on standard error.
///
/// `compare.sh` runs it beside the references.
@main
struct Command {
    private static let usage = """
        usage: Benchmarks engine [--quick] [--runs N] [--known N]
               Benchmarks wire   [--quick] [--runs N] [--only NAME] [--write-body FILE]
               Benchmarks store  [--quick] [--runs N] [--directory DIR] [--kind events|identify] [--batch N]
                                 [--rows N] [--seconds N]
               Benchmarks activity [--quick] [--directory DIR] [--events N] [--queries N]
               Benchmarks empty-store FILE

        Each measurement is one JSON object a line: name, unit, value (the median of the runs), runs.
        empty-store makes the tables that the reference loop writes to.
        """

    static func main() async {
        var arguments = Arguments(CommandLine.arguments.dropFirst())
        do {
            switch arguments.subcommand {
            case "engine":
                let benchmarks = EngineBenchmarks(
                    runs: try arguments.number("--runs", default: 3), isQuick: arguments.isSet("--quick"))
                let known = try arguments.number("--known", default: 0)
                try arguments.finish()
                try benchmarks.run(knownCount: known)
            case "wire":
                let benchmarks = WireBenchmarks(
                    runs: try arguments.number("--runs", default: 5), isQuick: arguments.isSet("--quick"))
                let only = try arguments.text("--only")
                let bodyPath = try arguments.text("--write-body")
                try arguments.finish()
                try benchmarks.run(only: only, writingBodyTo: bodyPath)
            case "store":
                let benchmarks = StoreBenchmarks(
                    directory: try arguments.text("--directory") ?? ".build/bench",
                    runs: try arguments.number("--runs", default: 3), isQuick: arguments.isSet("--quick"),
                    rowLimit: try arguments.number("--rows", default: 0),
                    secondsLimit: Double(try arguments.number("--seconds", default: 4)))
                let kind = try arguments.text("--kind")
                let batch = try arguments.number("--batch", default: 0)
                try arguments.finish()
                try await benchmarks.run(kind: kind, batch: batch)
            case "activity":
                let isQuick = arguments.isSet("--quick")
                let benchmarks = ActivityBenchmarks(
                    directory: try arguments.text("--directory") ?? ".build/bench",
                    eventCount: try arguments.number("--events", default: isQuick ? 300_000 : 10_000_000),
                    queryCount: try arguments.number("--queries", default: 1_000))
                try arguments.finish()
                try await benchmarks.run()
            case "empty-store":
                let path = try arguments.operand()
                try arguments.finish()
                try await StoreBenchmarks.makeEmptyStore(path)
            default: throw BenchmarkFailure(usage)
            }
        } catch {
            Console.note("\(error)")
            exit(1)
        }
    }
}

/// Why a benchmark gave no figure.
///
/// One that measures errors is worth nothing, so everything that is done is checked.
struct BenchmarkFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
