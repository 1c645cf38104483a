import IdentityEngine
import Synchronization

/// Leaves out of groups what is stored already of requests that come again (P 4.1-1b).
///
/// What a group adds is remembered when it is committed, and not before: a request that failed is stored when it comes
/// again. Within a group each request sees those before it, so that copies that two connections send at once are
/// counted too.
final class RepeatedRecords: Sendable {
    /// What is to be committed of a group.
    struct Selection: Sendable {
        /// The requests, without what is stored already.
        fileprivate(set) var batches: [EventBatch]
        /// How many records of a request were left out, by its place and by project.
        fileprivate(set) var leftOut: [Int: [ProjectID: Int]] = [:]
        fileprivate var notes: [Note] = []
        fileprivate var reset = 0
        fileprivate var nowMilliseconds: Int64 = 0
    }

    /// What a request had, stored now or before.
    fileprivate struct Note: Sendable {
        let counts: [ProjectID: [RecordHash: Int]]
        let invalid: [RecordHash]
    }

    private struct State {
        var memory: RepeatMemory
        /// How often something was forgotten.
        var reset = 0
    }

    private let limits: RepeatMemory.Limits
    private let state: Mutex<State>

    init(limitBytes: Int) {
        limits = RepeatMemory.Limits(sizeBytes: limitBytes)
        state = Mutex(State(memory: RepeatMemory(limits)))
    }

    /// What is to be committed of a group, request by request.
    func select(from batches: [EventBatch], nowMilliseconds: Int64) -> Selection {
        var selection = Selection(batches: batches)
        let marked = batches.indices.filter { batches[$0].repeatMarks != nil }
        guard !marked.isEmpty else { return selection }
        selection.nowMilliseconds = nowMilliseconds
        state.withLock { state in
            selection.reset = state.reset
            var group = RepeatMemory(limits)
            for place in marked {
                let counts = batches[place].countsByHash
                guard let invalid = batches[place].repeatMarks?.invalid, !counts.isEmpty else { continue }
                let committed = state.memory.stored(of: counts, beside: invalid, nowMilliseconds: nowMilliseconds)
                let waiting = group.stored(of: counts, beside: invalid, nowMilliseconds: nowMilliseconds)
                let stored = committed.merging(waiting) { $0.merging($1) { max($0, $1) } }
                if !stored.isEmpty { selection.leftOut[place] = selection.batches[place].leaveOut(stored) }
                group.note(counts, beside: invalid, nowMilliseconds: nowMilliseconds)
                selection.notes.append(Note(counts: counts, invalid: invalid))
            }
        }
        return selection
    }

    /// Remembers what is stored of a group, which was committed.
    func remember(_ selection: Selection) {
        guard !selection.notes.isEmpty else { return }
        state.withLock { state in
            // What was committed before something was forgotten may be gone from the store.
            guard state.reset == selection.reset else { return }
            for note in selection.notes {
                state.memory.note(note.counts, beside: note.invalid, nowMilliseconds: selection.nowMilliseconds)
            }
        }
    }

    /// Forgets what is known of a project, or of all.
    func forget(_ project: ProjectID?) {
        state.withLock { state in
            state.memory.forget(project)
            state.reset += 1
        }
    }
}
