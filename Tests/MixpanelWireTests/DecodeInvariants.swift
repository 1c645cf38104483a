import IdentityEngine
import MixpanelWire

/// What must hold of every decode, whatever the input was.
enum DecodeInvariants {
    /// The first promise that a decode breaks; nil where it keeps them all.
    static func violation(_ result: DecodeResult, _ batch: EventBatch) -> String? {
        if result.failure != nil {
            return batch.isEmpty && batch.bytes.isEmpty && result.recordCount == 0
                ? nil : "a failure left traces"
        }
        guard result.recordCount > 0 else { return "no record and no failure" }
        guard result.validCount + result.rejections.count == result.recordCount else { return "records do not add up" }
        guard batch.events.count + batch.profileUpdates.count + result.unknownTokenRecords <= result.validCount else {
            return "too many events"
        }
        let indices = result.rejections.map(\.index)
        guard indices == Array(Set(indices)).sorted(), indices.allSatisfy({ $0 < result.recordCount }) else {
            return "rejections out of order"
        }
        let places = batch.events.map { Int($0.recordIndex) }
        guard zip(places, places.dropFirst()).allSatisfy(<), places.allSatisfy({ $0 < result.recordCount }),
            Set(places).isDisjoint(with: indices)
        else { return "events out of order" }
        for event in batch.events {
            if let fault = violation(event, batch) { return fault }
        }
        for update in batch.profileUpdates {
            if let fault = violation(update, batch) { return fault }
        }
        return nil
    }

    private static func violation(_ update: ProfileUpdate, _ batch: EventBatch) -> String? {
        let ids: [EventBatch.Slice] =
            switch update.subject {
            case .user(let id): [id]
            case .group(let key, let id): [key, id]
            }
        guard ids.allSatisfy({ !$0.isEmpty && $0.count <= 1024 }) else { return "an updated id is out of bounds" }
        for slice in ids + update.operations.map(\.operand) {
            guard slice.range.upperBound <= batch.bytes.count else { return "a slice is out of bounds" }
            guard String(validating: batch.bytes[slice.range], as: UTF8.self) != nil else {
                return "a slice is not UTF-8"
            }
        }
        guard !update.operations.isEmpty else { return "an update has no operator" }
        guard Set(update.operations.map(\.verb)).count == update.operations.count else { return "an operator repeats" }
        for operation in update.operations {
            let operand = batch.bytes[operation.operand.range]
            if operation.verb == .delete {
                guard operand.isEmpty else { return "$delete has an operand" }
                continue
            }
            if let fault = StrictJSON.fault(operand, in: .operand, opening: operation.verb == .unset ? "[" : "{") {
                return "\(operation.verb): \(fault)"
            }
        }
        return nil
    }

    /// A text whose lone surrogates, each in three bytes, are replaced by U+FFFD; a pair stays, which is no UTF-8.
    private static func withoutSurrogates(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var bytes = Array(text)
        var wasHigh = false
        var index = 0
        while index < bytes.count {
            guard bytes[index] == 0xED, index + 2 < bytes.count, bytes[index + 1] >= 0xA0 else {
                wasHigh = false
                index += 1
                continue
            }
            let isLow = bytes[index + 1] >= 0xB0
            if !isLow || !wasHigh { bytes.replaceSubrange(index..<index + 3, with: [0xEF, 0xBF, 0xBD]) }
            wasHigh = !isLow
            index += 3
        }
        return bytes
    }

    private static func violation(_ event: EventBatch.Event, _ batch: EventBatch) -> String? {
        let slices = [
            event.name, event.sentID, event.filedID, event.insertID, event.properties, event.primaryID,
            event.secondaryID,
        ]
        for slice in slices {
            guard slice.range.upperBound <= batch.bytes.count else { return "a slice is out of bounds" }
            // What is no id may have halves of surrogate pairs, and no whole pair.
            let isLoose = slice == event.name || slice == event.insertID
            let bytes = isLoose ? withoutSurrogates(batch.bytes[slice.range]) : Array(batch.bytes[slice.range])
            guard String(validating: bytes, as: UTF8.self) != nil else { return "a slice is not UTF-8" }
        }
        if let fault = StrictJSON.fault(batch.bytes[event.properties.range]) { return "properties: \(fault)" }
        guard !event.name.isEmpty, event.name.count <= 255 else { return "a name is out of bounds" }
        // A device's id is the longest there is, with its prefix.
        guard [event.sentID, event.filedID, event.primaryID, event.secondaryID].allSatisfy({ $0.count <= 1024 + 8 })
        else {
            return "an id is too long"
        }
        guard event.timeMilliseconds >= 0 else { return "a time is negative" }
        guard (event.verb == nil) == event.primaryID.isEmpty, event.primaryID.isEmpty == event.secondaryID.isEmpty
        else {
            return "a verb lacks an id"
        }
        return nil
    }
}
