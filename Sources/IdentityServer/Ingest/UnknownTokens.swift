import Logging
import MixpanelWire
import Synchronization

/// Counts records with tokens that no project has, and names the most frequent at most once a minute (P 4.1-2).
final class UnknownTokens: Sendable {
    /// The most tokens that are counted one by one, since anyone may send as many as they like.
    private static let countedLimit = 64
    /// The most tokens that one warning names.
    private static let namedLimit = 5

    private struct State {
        var records = 0
        var byToken: [String: Int] = [:]
        var lastWarning: ContinuousClock.Instant?
    }

    private let logger: Logger
    private let state = Mutex(State())

    init(logger: Logger) { self.logger = logger }

    /// Counts what a request brought, and warns where that is due.
    func count(_ result: DecodeResult, in directory: ProjectDirectory) {
        guard result.unknownTokenRecords > 0 else { return }
        state.withLock { state in
            state.records += result.unknownTokenRecords
            for (token, records) in result.unknownTokens
            where state.byToken[token] != nil || state.byToken.count < Self.countedLimit {
                state.byToken[token, default: 0] += records
            }
        }
        warn(in: directory)
    }

    /// Warns of what was counted and not told, where the last warning is a minute old.
    ///
    /// - Parameters:
    ///   - directory: The projects, to tell secrets from tokens of elsewhere.
    ///   - isLast: Whether to do so at once: nothing more will be counted.
    func warn(in directory: ProjectDirectory, isLast: Bool = false) {
        let now = ContinuousClock.now
        let due = state.withLock { state -> State? in
            guard state.records > 0 else { return nil }
            if !isLast, let last = state.lastWarning, last.duration(to: now) < .seconds(60) { return nil }
            defer { state = State(lastWarning: now) }
            return state
        }
        if let due { warn(due, directory) }
    }

    private func warn(_ counted: State, _ directory: ProjectDirectory) {
        let secrets = counted.byToken.filter { token, _ in
            directory.current.project(secretDigest: directory.secretKey.digest(of: token)) != nil
        }
        if !secrets.isEmpty {
            let records = secrets.values.reduce(0, +)
            logger.warning(
                "records bear a project's secret as their token; use the token, rotate the secret",
                metadata: ["records": "\(records)"])
        }
        let others = counted.byToken.filter { token, _ in secrets[token] == nil }
            .sorted { ($0.value, $1.key) > ($1.value, $0.key) }
        guard !others.isEmpty else { return }
        let named = others.prefix(Self.namedLimit).map { "\(Self.masked($0.key)): \($0.value)" }
        logger.warning(
            "records have an unknown token; is the token right, and the server the right one?",
            metadata: ["records": "\(counted.records)", "tokens": "\(named.joined(separator: "; "))"])
    }

    /// What was sent may be a secret of somewhere else, so it is not written whole.
    private static func masked(_ token: String) -> String {
        let start = token.unicodeScalars.prefix(4).map { $0.isASCII && $0.value > 0x20 ? String($0) : "?" }.joined()
        return "\(start)…, \(token.utf8.count) bytes"
    }
}
