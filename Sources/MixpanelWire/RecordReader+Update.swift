import IdentityEngine

extension RecordReader {
    /// Reads the profile update at the cursor, an object, and sets the cursor past it.
    ///
    /// Operands are copied, closed, one behind the other.
    ///
    /// - Throws: The fault that makes it no JSON object; the cursor is then anywhere inside it.
    mutating func readUpdate() throws(RecordFault) {
        recordCursor = cursor
        outputStart = used
        update.clear()
        badByteOffset = -1
        reserve(0)
        guard byte(at: cursor) == UInt8(ascii: "{") else { throw .syntax }
        cursor += 1
        if byte(at: cursor) != UInt8(ascii: "}") { try readUpdateMembers() }
        cursor += 1
        recordBytes = position(cursor - 1) + 1 - position(recordCursor)
    }

    /// Reads the members of an update up to its closing bracket.
    private mutating func readUpdateMembers() throws(RecordFault) {
        while true {
            guard byte(at: cursor) == UInt8(ascii: "\"") else { throw .syntax }
            let mark = used
            try copyString(at: cursor, textLimit: .max)
            let field = UpdateField.named(output + mark + 1, used - mark - 2)
            used = mark
            guard byte(at: cursor + 1) == UInt8(ascii: ":") else { throw .syntax }
            cursor += 2
            if case .operation(let verb)? = field {
                try readOperation(verb)
            } else {
                let value = try skipCheckedValue()
                switch field {
                case .token?: update.token = value
                case .distinctID?: update.distinctID = value
                case .groupKey?: update.groupKey = value
                case .groupID?: update.groupID = value
                case .ignoreAlias?: update.ignoreAlias = value
                case .ignoreTime?: update.ignoreTime = value
                case .operation?, nil: break
                }
            }
            switch byte(at: cursor) {
            case UInt8(ascii: ","): cursor += 1
            case UInt8(ascii: "}"): return
            default: throw .syntax
            }
        }
    }

    /// Sets the cursor past a value that is checked and not kept.
    private mutating func skipCheckedValue() throws(RecordFault) -> ValueReference {
        let mark = used
        defer { used = mark }
        return try copyValue(depthLimit: DecodeScratch.depthLimit, textLimit: .max, isChecked: false)
    }

    /// Reads the operand of an operator, and notes what is wrong with it.
    private mutating func readOperation(_ verb: ProfileVerb) throws(RecordFault) {
        let start = used
        let head = byte(at: cursor)
        holder = verb.wireName
        keyTop = 0
        frames[0] = DecodeScratch.Frame(isObject: true)
        limitRejection = nil
        var fault: RecordRejection?
        if verb == .delete {
            _ = try skipCheckedValue()
        } else if verb == .unset {
            let areNames = try copyNames()
            if !areNames { fault = .member("\(holder)", "must be an array of property names") }
        } else if head == UInt8(ascii: "{") {
            fault = try copyOperand(verb)
        } else {
            _ = try skipCheckedValue()
            fault = .member("\(holder)", "must be an object")
        }
        let operand = used == start ? .empty : EventBatch.Slice(offset: sliceBase + start, count: used - start)
        update.enter(ProfileOperation(verb: verb, operand: operand), fault: limitRejection ?? fault)
    }

    /// Copies the operand of `$unset`; false where it is no array of strings.
    private mutating func copyNames() throws(RecordFault) -> Bool {
        guard byte(at: cursor) == UInt8(ascii: "[") else {
            _ = try skipCheckedValue()
            return false
        }
        put(UInt8(ascii: "["))
        cursor += 1
        var areNames = true
        var count = 0
        while byte(at: cursor) != UInt8(ascii: "]") || count > 0 {
            let name = try copyValue(depthLimit: DecodeScratch.depthLimit, textLimit: .max, isChecked: false)
            areNames = areNames && name.isString
            count += 1
            let follower = byte(at: cursor)
            if follower == UInt8(ascii: "]") { break }
            guard follower == UInt8(ascii: ",") else { throw .syntax }
            put(follower)
            cursor += 1
        }
        put(UInt8(ascii: "]"))
        cursor += 1
        return areNames
    }

    /// Copies an operand that is an object, whose last pair of each name counts (P 2-11).
    ///
    /// - Parameter verb: The operator, which says what values may be.
    /// - Returns: What is wrong with the operand, but for the limits that `limitRejection` tells.
    /// - Throws: The fault that makes it no JSON object.
    private mutating func copyOperand(_ verb: ProfileVerb) throws(RecordFault) -> RecordRejection? {
        put(UInt8(ascii: "{"))
        cursor += 1
        var pairs = 0
        while byte(at: cursor) != UInt8(ascii: "}") || pairs > 0 {
            try copyOperandPair(verb)
            pairs += 1
            if pairs == limits.properties {
                breakLimit(.member("\(holder)", "must have at most \(limits.properties - 1) keys"))
            }
            let follower = byte(at: cursor)
            if follower == UInt8(ascii: "}") { break }
            guard follower == UInt8(ascii: ",") else { throw .syntax }
            cursor += 1
        }
        cursor += 1
        let fault = operandFault(verb)
        closeProperties()
        return fault
    }

    private mutating func copyOperandPair(_ verb: ProfileVerb) throws(RecordFault) {
        guard byte(at: cursor) == UInt8(ascii: "\"") else { throw .syntax }
        let pairStart = used
        try copyString(at: cursor, textLimit: .max)
        let keyCount = used - pairStart - 2
        frames[0].pairStart = pairStart
        frames[0].keyCount = keyCount
        if keyCount > limits.profileNameScalars, scalarCount(pairStart + 1, keyCount) > limits.profileNameScalars {
            let path = propertyPath(pairStart, keyCount)
            breakLimit(.member(path, "its name must have at most \(limits.profileNameScalars) characters"))
        }
        guard byte(at: cursor + 1) == UInt8(ascii: ":") else { throw .syntax }
        put(UInt8(ascii: ":"))
        cursor += 2
        let value = try copyValue(
            depthLimit: limits.nestingDepth, textLimit: limits.textScalars, isChecked: true)
        put(UInt8(ascii: ","))
        let fits =
            switch verb {
            case .add: value.kind == .number
            case .union: value.kind == .array
            default: true
            }
        let hash = keyHash(output + pairStart + 1, keyCount)
        enterKey(0, hash: hash, field: fits ? OperandKey.fit : OperandKey.unfit)
    }

    /// What is wrong with the first value that its operator cannot take, of those that count.
    private mutating func operandFault(_ verb: ProfileVerb) -> RecordRejection? {
        for index in 0..<keyTop where !keys[index].isDropped && keys[index].field == OperandKey.unfit {
            return .member(
                propertyPath(keys[index].pairStart, keys[index].keyCount),
                verb == .add ? "must be a number" : "must be an array")
        }
        return nil
    }

    /// How many unicode scalars, or halves of surrogate pairs, a copied string stands for.
    private mutating func scalarCount(_ start: Int, _ count: Int) -> Int {
        var scalars = 0
        var index = start
        while index < start + count {
            if output[index] & 0xC0 != 0x80 { scalars += 1 }
            guard output[index] == UInt8(ascii: "\\") else {
                index += 1
                continue
            }
            index += output[index + 1] == UInt8(ascii: "u") ? 6 : 2
        }
        return scalars
    }
}

/// What `DecodeScratch.Key.field` says in an operand: whether the operator can take the value.
private enum OperandKey {
    static let fit: UInt8 = 255
    static let unfit: UInt8 = 0
}
