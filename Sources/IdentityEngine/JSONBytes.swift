/// Minified JSON that was checked before, taken apart one level at a time.
///
/// Names are the bytes between their quotes: escapes were normalised when they were copied, so that equal names are
/// equal bytes.
enum JSONBytes {
    /// One name of an object, with its value.
    struct Member: Hashable, Sendable {
        var name: [UInt8]
        var value: [UInt8]
    }

    enum Kind {
        case object
        case array
        case number
        /// A string, a boolean or null.
        case plain
    }

    static func kind(of value: [UInt8]) -> Kind {
        switch value.first {
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "-"), UInt8(ascii: "0"), .some(UInt8(ascii: "1")...UInt8(ascii: "9")): .number
        default: .plain
        }
    }

    /// The members of an object, in their order.
    static func members(of object: [UInt8]) -> [Member] {
        var members: [Member] = []
        var place = 1
        while place < object.count, object[place] == UInt8(ascii: "\"") {
            let nameEnd = end(ofValueAt: place, in: object)
            let valueStart = min(nameEnd + 1, object.count)
            let valueEnd = end(ofValueAt: valueStart, in: object)
            members.append(
                Member(
                    name: Array(object[place + 1..<max(nameEnd - 1, place + 1)]),
                    value: Array(object[valueStart..<valueEnd])))
            place = valueEnd + 1
        }
        return members
    }

    /// The elements of an array, in their order.
    static func elements(of array: [UInt8]) -> [[UInt8]] {
        var elements: [[UInt8]] = []
        var place = 1
        while place < array.count - 1 {
            let valueEnd = end(ofValueAt: place, in: array)
            elements.append(Array(array[place..<valueEnd]))
            place = valueEnd + 1
        }
        return elements
    }

    static func object(_ members: some Sequence<Member>) -> [UInt8] {
        var text: [UInt8] = [UInt8(ascii: "{")]
        for member in members {
            if text.count > 1 { text.append(UInt8(ascii: ",")) }
            text.append(UInt8(ascii: "\""))
            text.append(contentsOf: member.name)
            text.append(UInt8(ascii: "\""))
            text.append(UInt8(ascii: ":"))
            text.append(contentsOf: member.value)
        }
        text.append(UInt8(ascii: "}"))
        return text
    }

    static func array(_ elements: some Sequence<[UInt8]>) -> [UInt8] {
        var text: [UInt8] = [UInt8(ascii: "[")]
        for element in elements {
            if text.count > 1 { text.append(UInt8(ascii: ",")) }
            text.append(contentsOf: element)
        }
        text.append(UInt8(ascii: "]"))
        return text
    }

    /// A text that equal values share: numbers are equal when their values are, all else when its bytes are.
    static func comparable(_ value: [UInt8]) -> [UInt8] {
        kind(of: value) == .number ? JSONNumber.comparable(value) : value
    }

    /// An object with another merged into it: where both have an object under one name these are merged in turn, and
    /// anything else of the other replaces what was there.
    static func merged(_ object: [UInt8], with other: [UInt8]) -> [UInt8] {
        var members = members(of: object)
        var places: [[UInt8]: Int] = [:]
        for (place, member) in members.enumerated() { places[member.name] = place }
        for member in self.members(of: other) {
            guard let place = places[member.name] else {
                places[member.name] = members.count
                members.append(member)
                continue
            }
            let old = members[place].value
            let areObjects = kind(of: old) == .object && kind(of: member.value) == .object
            members[place].value = areObjects ? merged(old, with: member.value) : member.value
        }
        return self.object(members)
    }

    /// Whether merging one object and then another is the same as merging both into one first.
    ///
    /// It is not where the second merges into what the first replaced.
    static func areMergeable(_ first: [UInt8], _ second: [UInt8]) -> Bool {
        var values: [[UInt8]: [UInt8]] = [:]
        for member in members(of: first) { values[member.name] = member.value }
        for member in members(of: second) where kind(of: member.value) == .object {
            guard let value = values[member.name] else { continue }
            guard kind(of: value) == .object, areMergeable(value, member.value) else { return false }
        }
        return true
    }

    /// The offset after the value that begins at an offset.
    private static func end(ofValueAt start: Int, in bytes: [UInt8]) -> Int {
        var place = start
        var depth = 0
        while place < bytes.count {
            switch bytes[place] {
            case UInt8(ascii: "\""):
                place = end(ofStringAt: place, in: bytes)
                if depth == 0 { return place }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                // The closing bracket of what contains the value.
                if depth == 0 { return place }
                depth -= 1
                if depth == 0 { return place + 1 }
            case UInt8(ascii: ","), UInt8(ascii: ":"):
                if depth == 0 { return place }
            default: break
            }
            place += 1
        }
        return bytes.count
    }

    private static func end(ofStringAt start: Int, in bytes: [UInt8]) -> Int {
        var place = start + 1
        while place < bytes.count, bytes[place] != UInt8(ascii: "\"") {
            place += bytes[place] == UInt8(ascii: "\\") ? 2 : 1
        }
        return min(place + 1, bytes.count)
    }
}
