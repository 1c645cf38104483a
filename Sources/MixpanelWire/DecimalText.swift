/// The shortest decimal text of a JSON number, from its source text, so that no digit passes through a Double (P
/// 6.4-2).
///
/// `12345` stays, `1.50` is `1.5`, `1e3` is `1000`, `-0` is `0`.
struct DecimalText {
    private let source: UnsafeBufferPointer<UInt8>
    let isNegative: Bool
    /// Where the significant digits start and end in `source`; there may be a point between them.
    private var digitsStart = 0
    private var digitsEnd = 0
    /// How many significant digits there are; zero for zero.
    private(set) var digitCount = 0
    /// How many of them stand before the point; may be negative or more than there are.
    private(set) var pointOffset = 0

    /// Takes a number apart.
    ///
    /// - Parameter source: Text that is a number by JSON's grammar.
    init(_ source: UnsafeBufferPointer<UInt8>) {
        self.source = source
        isNegative = source.first == UInt8(ascii: "-")
        let end = source.firstIndex { $0 | 0x20 == UInt8(ascii: "e") } ?? source.count
        var integerDigits = 0
        var isAfterPoint = false
        var leadingZeros = 0
        var trailingZeros = 0
        for index in (isNegative ? 1 : 0)..<end {
            let byte = source[index]
            guard byte != UInt8(ascii: ".") else {
                isAfterPoint = true
                continue
            }
            if !isAfterPoint { integerDigits += 1 }
            if digitCount == 0, byte == UInt8(ascii: "0") {
                leadingZeros += 1
                continue
            }
            if digitCount == 0 { digitsStart = index }
            digitCount += 1
            trailingZeros = byte == UInt8(ascii: "0") ? trailingZeros + 1 : 0
            if byte != UInt8(ascii: "0") { digitsEnd = index + 1 }
        }
        digitCount -= trailingZeros
        if digitCount > 0 { pointOffset = integerDigits - leadingZeros + Self.exponent(source[end...]) }
    }

    /// The exponent, held within bounds that no usable text comes near.
    private static func exponent(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> Int {
        var rest = text.dropFirst()
        let isNegative = rest.first == UInt8(ascii: "-")
        if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { rest = rest.dropFirst() }
        var value = 0
        for digit in rest where value < 1_000_000_000 { value = value * 10 + Int(digit - UInt8(ascii: "0")) }
        return isNegative ? -value : value
    }

    /// The length of the text, in bytes.
    var count: Int {
        guard digitCount > 0 else { return 1 }
        let sign = isNegative ? 1 : 0
        if pointOffset <= 0 { return sign + 2 - pointOffset + digitCount }
        return sign + (pointOffset >= digitCount ? pointOffset : digitCount + 1)
    }

    /// Writes the text.
    ///
    /// - Parameter target: Room for `count` bytes.
    func write(to target: UnsafeMutablePointer<UInt8>) {
        var written = 0
        func put(_ byte: UInt8) {
            target[written] = byte
            written += 1
        }
        let zero = UInt8(ascii: "0")
        guard digitCount > 0 else { return put(zero) }
        if isNegative { put(UInt8(ascii: "-")) }
        if pointOffset <= 0 {
            put(zero)
            put(UInt8(ascii: "."))
            for _ in 0..<(-pointOffset) { put(zero) }
        }
        var digits = 0
        for index in digitsStart..<digitsEnd where source[index] != UInt8(ascii: ".") {
            if digits == pointOffset, digits > 0 { put(UInt8(ascii: ".")) }
            put(source[index])
            digits += 1
        }
        while digits < pointOffset {
            put(zero)
            digits += 1
        }
    }
}
