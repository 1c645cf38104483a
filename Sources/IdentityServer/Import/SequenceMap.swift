/// Which entry of a project's log stands for an entry of the log that it was imported from.
///
/// Both ascend, most often side by side, so that runs of neighbours are kept rather than pairs.
struct SequenceMap: Sendable {
    private struct Run {
        let source: Int64
        let target: Int64
        var count: Int64
    }

    private var runs: [Run] = []

    /// The last entry of the source that has one.
    var lastSource: Int64 { runs.last.map { $0.source + ($0.count - 1) } ?? 0 }

    /// Adds an entry, whose source is after all so far.
    mutating func append(source: Int64, target: Int64) {
        guard source > lastSource else { return }
        if let last = runs.last, source - last.source == last.count, target - last.target == last.count {
            runs[runs.count - 1].count += 1
        } else {
            runs.append(Run(source: source, target: target, count: 1))
        }
    }

    /// The entry that stands for an entry of the source; nil where none does.
    subscript(source: Int64) -> Int64? {
        var (low, high) = (0, runs.count)
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].source <= source { low = middle + 1 } else { high = middle }
        }
        guard low > 0, source - runs[low - 1].source < runs[low - 1].count else { return nil }
        return runs[low - 1].target + (source - runs[low - 1].source)
    }
}
