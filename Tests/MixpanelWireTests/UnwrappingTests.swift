import Foundation
import MixpanelWire
import Testing

/// What is read many bytes at a time gives the bytes that reading one by one does.
///
/// The seed of a failure is in its message.
struct UnwrappingTests {
    private let seed = UInt64.random(in: .min ... .max)

    /// Percent-decoding as P 1.2 words it, one byte after another.
    private static func decoded(_ text: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var rest = text[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            if byte == UInt8(ascii: "%"), digits.utf8.count == 2, digits.allSatisfy(\.isHexDigit),
                let value = UInt8(digits, radix: 16)
            {
                output.append(value)
                rest = rest.dropFirst(2)
            } else {
                output.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return output
    }

    @Test func `percent-encoding is undone wherever it stands`() {
        var random = SeededGenerator(seed: seed)
        let pieces = [
            "%22", "%7b", "%7D", "+", "%", "%%", "%4", "%g0", "%0g", "a", "abcdefgh", "é", "%25", "%2B", "=", " ",
        ]
        for round in 0..<2000 {
            var text: [UInt8] = []
            for _ in 0..<random.below(round < 1000 ? 8 : 60) { text += Array(random.pick(pieces).utf8) }
            let comment = Comment(rawValue: "seed \(seed): \(String(decoding: text, as: UTF8.self))")
            #expect(QueryItems.decoded(text[...]) == Self.decoded(text), comment)
            #expect(QueryItems(Array("data=".utf8) + text).first("data") == Self.decoded(text), comment)
        }
    }

    @Test(arguments: 0...70)
    func `an encoded byte is read at every distance from the end`(_ count: Int) {
        for place in 0...count {
            let text =
                [UInt8](repeating: 0x78, count: place) + Array("%41".utf8)
                + [UInt8](repeating: 0x79, count: count - place)
            for length in 0...3 {
                let cut = Array(text.dropLast(length))
                #expect(QueryItems.decoded(cut[...]) == Self.decoded(cut))
            }
        }
    }

    @Test func `base64 is undone, padded or not, in either alphabet`() throws {
        var random = SeededGenerator(seed: seed)
        for count in 0..<400 {
            let bytes = Array("[".utf8) + (0..<count).map { _ in UInt8(random.below(256)) } + Array("]".utf8)
            let padded = Data(bytes).base64EncodedString()
            let urlSafe = padded.replacing("+", with: "-").replacing("/", with: "_")
            for text in [padded, padded.replacing("=", with: ""), urlSafe, padded.replacing("+", with: " ")] {
                let request = WireRequest(method: .post, contentType: "text/plain", body: Array(text.utf8))
                #expect(try Payload.decode(request).payload.get().json == bytes, "seed \(seed): \(text)")
            }
        }
    }
}
