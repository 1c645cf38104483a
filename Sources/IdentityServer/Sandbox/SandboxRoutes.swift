import Foundation
import IdentityStore
import MixpanelWire

/// `POST /sandbox/reset` and `PUT /sandbox/clock`: for tests, never for data that anyone needs.
struct SandboxRoutes: Sendable {
    private let store: any Store
    private let clock: ServerClock
    private let guardian: SandboxGuard

    init(store: any Store, clock: ServerClock, hostNames: [String]) {
        self.store = store
        self.clock = clock
        self.guardian = SandboxGuard(hostNames: hostNames)
    }

    func answer(_ request: WireRequest, path: String) async -> WireResponse {
        if let refusal = guardian.refusal(of: request) { return Answer.failure(403, refusal) }
        switch (path, request.method) {
        case ("/sandbox/reset", .post): return await reset()
        case ("/sandbox/clock", .put): return setClock(request.body)
        default: return Answer.methodNotAllowed([path == "/sandbox/reset" ? "POST" : "PUT", "OPTIONS"])
        }
    }

    private func reset() async -> WireResponse {
        do throws(StoreError) {
            try await store.reset()
        } catch {
            return Answer.failure(503, error.message).retrying(afterSeconds: 1)
        }
        clock.set(milliseconds: nil)
        return Answer.json(Array(#"{"status":"ok"}"#.utf8))
    }

    /// `{"now":1700000000}` stops the clock at that second; `{"now":null}` lets it run.
    private func setClock(_ body: [UInt8]) -> WireResponse {
        guard let setting = try? JSONDecoder().decode(ClockSetting.self, from: Data(body)),
            setting.now.map({ (0...100_000_000_000).contains($0) }) ?? true
        else {
            return Answer.failure(
                400, "the body must be {\"now\":1700000000}, seconds since 1970, or {\"now\":null} for a running clock")
        }
        clock.set(milliseconds: setting.now.map { Int64($0 * 1000) })
        return Answer.json(Array(#"{"status":"ok"}"#.utf8))
    }

    private struct ClockSetting: Decodable {
        let now: Double?

        private enum CodingKeys: CodingKey {
            case now
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            // Not `decodeIfPresent`: a key that is spelt wrongly must not set the clock running.
            now = try container.decodeNil(forKey: .now) ? nil : container.decode(Double.self, forKey: .now)
        }
    }
}
