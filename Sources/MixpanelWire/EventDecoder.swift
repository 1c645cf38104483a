package import IdentityEngine

/// Turns the payload of a request into checked events (P 2, 6, 8, 9).
///
/// One decoder serves all requests: it keeps a few buffers between them. Safe to use from any number of tasks.
package struct EventDecoder: Sendable {
    private let pool = ScratchPool()

    /// A decoder without buffers; they come with the first requests.
    package init() {}

    /// Reads the records of a payload, and adds those that are to be stored to a batch.
    ///
    /// Whatever is wrong with one record is that record's rejection; the others are read. Where there is a `failure`,
    /// the batch is as it was.
    ///
    /// - Parameters:
    ///   - payload: The payload.
    ///   - batch: Where events go. Its endpoint decides which checks apply.
    ///   - projects: Which project records belong to.
    ///   - strict: Whether an /import asked for `strict=1`. Without effect on /track (P 6.2).
    ///   - nowMilliseconds: The time, in milliseconds since 1970.
    ///   - limits: The limits of the request and of its records.
    ///   - timeRequired: Whether a record without a usable time is refused even where it would be given another one.
    ///   - missingTimeMilliseconds: The time of a record that has no usable one, where that is accepted; nil for
    ///     `nowMilliseconds`, which bounds the times that were sent in either case.
    ///   - hashKey: The key for the hashes of the records of a request that has invalid ones; nil for no hashes.
    ///   - statements: Which records state something about ids.
    /// - Returns: What became of the records.
    package func decode(
        _ payload: Payload,
        into batch: inout EventBatch,
        projects: ProjectSelection,
        strict: Bool,
        nowMilliseconds: Int64,
        limits: WireLimits = WireLimits(),
        timeRequired: Bool = false,
        missingTimeMilliseconds: Int64? = nil,
        hashKey: RecordHashKey? = nil,
        statements: StatementReading = .asSaid
    ) -> DecodeResult {
        let scratch = pool.take()
        defer { pool.put(scratch) }
        let checks = RecordChecks(
            endpoint: batch.origin.endpoint,
            isStrict: strict && batch.origin.endpoint == .import,
            nowMilliseconds: nowMilliseconds,
            missingTimeMilliseconds: missingTimeMilliseconds ?? nowMilliseconds,
            isTimeRequired: timeRequired, hashKey: hashKey, statements: statements)
        if projects.isTrusted(at: batch.origin.endpoint) { batch.isTrusted = true }
        return BodyWalk.decode(
            payload, into: &batch, scratch: scratch, checks: checks, projects: projects, limits: limits)
    }
}
