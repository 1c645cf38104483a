import Logging
import MixpanelWire
import Synchronization

/// Counts records with tokens that no project has, and names the most frequent at most once a minute (P 4.1-2).
final class UnknownTokens: Sendable {
    /// The most tokens that are counted one by one, since anyone may send as many as they like.
    fileprivate static let countedLimit = 64
    /// The most tokens that one warning names.
    private static let namedLimit = 5

    /// What was counted since the last warning.
    fileprivate struct Untold {
        var records = 0
        var byToken: [String: Int] = [:]
        var lastWarning: ContinuousClock.Instant?
    }

    fileprivate struct State {
        var untold = Untold()
        /// Since the server started.
        var records = 0
        var byToken: [String: Counted] = [:]
    }

    fileprivate struct Counted {
        var records = 0
        var lastMilliseconds: Int64 = 0
    }

    /// A token as an operator sees it.
    struct Token {
        /// The beginning of the token, and its length.
        let masked: String
        let records: Int
        let lastMilliseconds: Int64
        /// Whether it is the secret of a project here.
        let isSecret: Bool
    }

    private let clock: ServerClock
    private let logger: Logger
    private let state = Mutex(State())

    init(clock: ServerClock, logger: Logger) {
        self.clock = clock
        self.logger = logger
    }

    /// Counts what a request brought, and warns where that is due.
    func count(_ result: DecodeResult, in directory: ProjectDirectory) {
        guard result.unknownTokenRecords > 0 else { return }
        let now = clock.nowMilliseconds
        state.withLock { state in
            state.records += result.unknownTokenRecords
            state.untold.records += result.unknownTokenRecords
            for (token, records) in result.unknownTokens {
                state.count(token, records, now)
                if state.untold.byToken[token] != nil || state.untold.byToken.count < Self.countedLimit {
                    state.untold.byToken[token, default: 0] += records
                }
            }
        }
        warn(in: directory)
    }

    /// How many records there were since the start, and the most frequent tokens.
    func list(in directory: ProjectDirectory) -> (records: Int, tokens: [Token]) {
        let (records, byToken) = state.withLock { ($0.records, $0.byToken) }
        let sorted = byToken.sorted { ($0.value.records, $1.key) > ($1.value.records, $0.key) }
        return (
            records,
            sorted.map { token, counted in
                Token(
                    masked: Self.masked(token), records: counted.records, lastMilliseconds: counted.lastMilliseconds,
                    isSecret: Self.isSecret(token, in: directory))
            }
        )
    }

    /// Forgets what was counted.
    func reset() {
        state.withLock { state in
            state.records = 0
            state.byToken = [:]
        }
    }

    /// Warns of what was counted and not told, where the last warning is a minute old.
    ///
    /// - Parameters:
    ///   - directory: The projects, to tell secrets from tokens of elsewhere.
    ///   - isLast: Whether to do so at once: nothing more will be counted.
    func warn(in directory: ProjectDirectory, isLast: Bool = false) {
        let now = ContinuousClock.now
        let due = state.withLock { state -> Untold? in
            guard state.untold.records > 0 else { return nil }
            if !isLast, let last = state.untold.lastWarning, last.duration(to: now) < .seconds(60) { return nil }
            defer { state.untold = Untold(lastWarning: now) }
            return state.untold
        }
        if let due { warn(due, directory) }
    }

    private func warn(_ counted: Untold, _ directory: ProjectDirectory) {
        let secrets = counted.byToken.filter { token, _ in Self.isSecret(token, in: directory) }
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

    private static func isSecret(_ token: String, in directory: ProjectDirectory) -> Bool {
        directory.current.project(secretDigest: directory.secretKey.digest(of: token)) != nil
    }

    /// What was sent may be a secret of somewhere else, so it is not written whole.
    private static func masked(_ token: String) -> String {
        let start = token.unicodeScalars.prefix(4).map { $0.isASCII && $0.value > 0x20 ? String($0) : "?" }.joined()
        return "\(start)…, \(token.utf8.count) bytes"
    }
}

extension UnknownTokens.State {
    /// Counts a token; where there are too many, in the place of the one that came least and longest ago.
    fileprivate mutating func count(_ token: String, _ records: Int, _ milliseconds: Int64) {
        if byToken[token] == nil, byToken.count >= UnknownTokens.countedLimit,
            let least = byToken.min(by: {
                ($0.value.records, $0.value.lastMilliseconds) < ($1.value.records, $1.value.lastMilliseconds)
            })?.key
        {
            byToken[least] = nil
        }
        byToken[token, default: UnknownTokens.Counted()].records += records
        byToken[token]?.lastMilliseconds = milliseconds
    }
}
