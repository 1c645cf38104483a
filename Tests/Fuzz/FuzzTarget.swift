import IdentityEngine
import MixpanelWire

/// What libFuzzer calls with every input; a broken promise stops the program.
///
/// The first byte chooses how the rest is read, so that one corpus serves every door and every identity system.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 0 else { return 0 }
    let choice = start[0]
    let input = Array(UnsafeBufferPointer(start: start + 1, count: count - 1))
    let system = IdentitySystem.allCases[Int(choice >> 2 & 3) % 3]
    let project = RecordProject(project: ProjectID(1), system: system)
    let endpoint: EventBatch.Endpoint = choice & 1 == 0 ? .track : .import

    var payload = Payload(json: input, isLines: choice & 16 != 0)
    var options = RequestOptions()
    if choice & 32 != 0 {
        let types = [nil, "application/json", "application/x-www-form-urlencoded", "application/x-ndjson"]
        let request = WireRequest(
            method: .post, contentType: types[Int(choice >> 6)], contentEncoding: choice & 2 != 0 ? "gzip" : nil,
            body: input)
        let (found, result) = Payload.decode(request)
        options = found
        guard case .success(let unwrapped) = result else { return 0 }
        payload = unwrapped
    }
    var batch = EventBatch(
        origin: EventBatch.Origin(endpoint: endpoint, principal: "fuzz"), receivedMilliseconds: 0)
    let result = decoder.decode(
        payload, into: &batch,
        projects: choice & 1 == 0 ? .byToken { _ in project } : .fixed(project, mayMerge: true),
        strict: choice & 2 != 0, nowMilliseconds: 1_700_000_000_000)
    if let violation = DecodeInvariants.violation(result, batch) { preconditionFailure(violation) }
    _ = Answer.answer(to: result, options: options, endpoint: endpoint)
    if choice & 1 == 0 { tryUpdates(payload, options, choice & 2 == 0 ? .engage : .groups, project) }
    _ = try? IdentityQuery.distinctIDs(fromJSON: input, limit: 100)
    return 0
}

/// Reads the same payload as updates of profiles.
private func tryUpdates(
    _ payload: Payload, _ options: RequestOptions, _ endpoint: EventBatch.Endpoint, _ project: RecordProject
) {
    var batch = EventBatch(
        origin: EventBatch.Origin(endpoint: endpoint, principal: "fuzz"), receivedMilliseconds: 0)
    let result = profileDecoder.decode(payload, into: &batch, projects: .byToken { _ in project })
    if let violation = DecodeInvariants.violation(result, batch) { preconditionFailure(violation) }
    _ = Answer.answer(to: result, options: options, endpoint: endpoint)
}

private let decoder = EventDecoder()
private let profileDecoder = ProfileDecoder()
