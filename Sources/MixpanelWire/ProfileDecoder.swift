package import IdentityEngine

/// Turns the payload of a request to /engage or /groups into checked updates of profiles (P 2, 6.1, 10-1 to 10-4).
///
/// One decoder serves all requests: it keeps a few buffers between them. Safe to use from any number of tasks.
package struct ProfileDecoder: Sendable {
    private let pool = ScratchPool()

    /// A decoder without buffers; they come with the first requests.
    package init() {}

    /// Reads the records of a payload, and adds those that are to be applied to a batch.
    ///
    /// Whatever is wrong with one record is that record's rejection; the others are read. Where there is a `failure`,
    /// the batch is as it was.
    ///
    /// - Parameters:
    ///   - payload: The payload.
    ///   - batch: Where updates go. Its endpoint says whose profiles they are: `.groups`, or `.engage`.
    ///   - projects: Which project records belong to.
    ///   - limits: The limits of the request and of its records.
    ///   - hashKey: The key for the hashes of the records of a request that has invalid ones; nil for no hashes.
    /// - Returns: What became of the records.
    package func decode(
        _ payload: Payload,
        into batch: inout EventBatch,
        projects: ProjectSelection,
        limits: WireLimits = WireLimits(),
        hashKey: RecordHashKey? = nil
    ) -> DecodeResult {
        precondition(
            batch.origin.endpoint == .engage || batch.origin.endpoint == .groups, "only these doors take updates")
        let scratch = pool.take()
        defer { pool.put(scratch) }
        // An update's time is when it arrives.
        let checks = RecordChecks(
            endpoint: batch.origin.endpoint, isStrict: false, nowMilliseconds: batch.receivedMilliseconds,
            missingTimeMilliseconds: batch.receivedMilliseconds, isTimeRequired: false,
            hashKey: hashKey)
        return BodyWalk.decode(
            payload, into: &batch, scratch: scratch, checks: checks, projects: projects, limits: limits)
    }
}
