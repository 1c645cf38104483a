import IdentityEngine
import MixpanelWire

/// Writes JSON in the order in which it is told, with commas where they belong.
struct JSONBuilder {
    private(set) var bytes: [UInt8] = []
    private var needsComma = false

    /// An object, whose members the body writes with `field`.
    mutating func object<Failure>(
        _ body: (inout JSONBuilder) throws(Failure) -> Void
    ) throws(Failure) {
        try nest(UInt8(ascii: "{"), UInt8(ascii: "}"), body)
    }

    mutating func object<Failure>(
        _ name: String, _ body: (inout JSONBuilder) throws(Failure) -> Void
    ) throws(Failure) {
        key(name)
        try nest(UInt8(ascii: "{"), UInt8(ascii: "}"), body)
    }

    mutating func array<Failure>(
        _ name: String, _ body: (inout JSONBuilder) throws(Failure) -> Void
    ) throws(Failure) {
        key(name)
        try nest(UInt8(ascii: "["), UInt8(ascii: "]"), body)
    }

    /// An array that is an element of another.
    mutating func elements<Failure>(
        _ body: (inout JSONBuilder) throws(Failure) -> Void
    ) throws(Failure) {
        try nest(UInt8(ascii: "["), UInt8(ascii: "]"), body)
    }

    mutating func field(_ name: String, _ value: String) {
        key(name)
        element(value)
    }

    mutating func field(_ name: String, _ value: DistinctID) {
        key(name)
        element(value.bytes)
    }

    mutating func field(_ name: String, _ value: Int64) {
        key(name)
        raw(String(value).utf8)
    }

    mutating func field(_ name: String, _ value: Bool) {
        key(name)
        raw((value ? "true" : "false").utf8)
    }

    mutating func null(_ name: String) {
        key(name)
        raw("null".utf8)
    }

    mutating func optional(_ name: String, _ value: String?) {
        if let value { field(name, value) } else { null(name) }
    }

    mutating func element(_ value: String) { element(Array(value.utf8)) }

    mutating func element(_ value: [UInt8]) {
        separate()
        JSONText.appendJSONString(value, to: &bytes)
        needsComma = true
    }

    mutating func element(_ value: Int64) {
        separate()
        bytes.append(contentsOf: String(value).utf8)
        needsComma = true
    }

    /// Ends a line of JSONL; the next value starts anew.
    mutating func endLine() {
        bytes.append(UInt8(ascii: "\n"))
        needsComma = false
    }

    /// The lines that were written so far, which are then forgotten.
    mutating func takeLines() -> [UInt8] {
        defer { bytes.removeAll(keepingCapacity: true) }
        return lines
    }

    /// Forgets the lines from an offset on, where one began.
    mutating func remove(from offset: Int) { bytes.removeSubrange(offset...) }

    /// JSON text that was written before.
    mutating func field(_ name: String, json value: some Collection<UInt8>) {
        key(name)
        raw(value)
    }

    /// Members of an object that was written before, without its braces.
    mutating func members(of object: [UInt8]) {
        guard object.count > 2 else { return }
        separate()
        bytes.append(contentsOf: object[1..<(object.count - 1)])
        needsComma = true
    }

    /// An object under a name that is quoted and escaped already.
    mutating func member<Failure>(
        quoted name: [UInt8], _ body: (inout JSONBuilder) throws(Failure) -> Void
    ) throws(Failure) {
        separate()
        bytes.append(contentsOf: name)
        bytes.append(UInt8(ascii: ":"))
        try nest(UInt8(ascii: "{"), UInt8(ascii: "}"), body)
    }

    mutating func field(_ name: String, utf8 value: [UInt8]) {
        key(name)
        element(value)
    }

    private mutating func key(_ name: String) {
        separate()
        JSONText.appendJSONString(name, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    private mutating func raw(_ text: some Collection<UInt8>) {
        separate()
        bytes.append(contentsOf: text)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = false
    }

    private mutating func nest<Failure>(
        _ open: UInt8, _ close: UInt8, _ body: (inout JSONBuilder) throws(Failure) -> Void
    ) throws(Failure) {
        separate()
        bytes.append(open)
        needsComma = false
        try body(&self)
        bytes.append(close)
        needsComma = true
    }
}
