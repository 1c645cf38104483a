import IdentityEngine

extension BodyWalk {
    /// Reads every record of a payload, by the better of two readings where a form was cut at an unescaped `&`.
    ///
    /// - Parameters:
    ///   - payload: The payload.
    ///   - batch: Where events and updates go; as it was where there is a failure.
    ///   - scratch: Buffers that nobody else uses meanwhile.
    ///   - checks: What records are checked against.
    ///   - projects: Which project they belong to.
    ///   - limits: The limits of the request and of its records.
    /// - Returns: What became of the records.
    static func decode(
        _ payload: Payload,
        into batch: inout EventBatch,
        scratch: DecodeScratch,
        checks: RecordChecks,
        projects: ProjectSelection,
        limits: WireLimits
    ) -> DecodeResult {
        func attempt(_ json: [UInt8]) -> (result: DecodeResult, isFaulty: Bool) {
            withoutByteOrderMark(json).withUnsafeBufferPointer { text in
                var walk = BodyWalk(
                    text: text, isLines: payload.isLines, scratch: scratch, checks: checks, projects: projects,
                    limits: limits)
                let result = walk.run(into: &batch)
                return (result, walk.isFaulty)
            }
        }
        let mark = BatchMark(batch)
        let (first, isFaulty) = attempt(payload.json)
        guard let unsplit = payload.unsplit, isFaulty || first.isUnreadable else { return first }
        // P 2-5: an `&` that was not escaped has cut the payload, perhaps inside one record of several.
        let firstBatch = batch
        mark.restore(&batch)
        let second = attempt(unsplit).result
        guard first.failure == nil ? second.validCount > first.validCount : !second.isUnreadable else {
            batch = firstBatch
            return first
        }
        return second
    }
}

extension DecodeResult {
    fileprivate var isUnreadable: Bool {
        if case .unreadable? = failure { return true }
        return false
    }
}
