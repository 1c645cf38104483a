/// One walk over the records of a body: validates every byte, takes out the known fields, writes the minified copies.
///
/// The walk goes over the structural positions once, without recursion. It copies as it validates; what must not be
/// kept is dropped by setting `used` back, so an event costs no allocation. The state of a record is valid from
/// `readRecord` until the next call of it.
///
/// Methods that only read are `mutating` too, unless they are inlined: for a call of any other, the compiler makes a
/// copy of the reader.
struct RecordReader: ~Copyable {
    let scratch: DecodeScratch
    let base: UnsafePointer<UInt8>
    /// The length of the text.
    let count: Int
    let positions: UnsafePointer<UInt32>
    let limits: WireLimits

    /// The structural position that is looked at, as an index of `positions`.
    var cursor = 0
    /// The cursor at which the text, or the line that is read, ends.
    var cursorEnd: Int

    var output: UnsafeMutablePointer<UInt8>
    /// How many bytes of the output are taken.
    var used = 0
    let frames: UnsafeMutablePointer<DecodeScratch.Frame>
    let keys: UnsafeMutablePointer<DecodeScratch.Key>
    /// How many keys are held, of all open objects.
    var keyTop = 0
    /// How many bytes a copy can be longer than the text, at most.
    let copyExcess: Int
    /// Up to here sixteen bytes of the text can be read at once.
    let lastWideStart: Int
    /// Up to here, as an index of `positions`.
    let wideCursorEnd: Int
    /// Between these offsets of the text there is no backslash.
    var plainStart = 0
    var plainEnd = 0
    /// The keys of an earlier record, by place.
    let familiarKeys: UnsafeMutablePointer<DecodeScratch.FamiliarKey>
    /// How many of them, from the first on, are of this body.
    var familiarCount = 0
    /// How many of those, from the first on, are known to differ from one another.
    var distinctCount = 0
    /// Whether every key of the record so far is the familiar one of its place, and one that is known to differ from
    /// those before it.
    var isFollowing = true
    /// The known fields of the record.
    let values: UnsafeMutablePointer<ValueReference>

    /// What is added to an offset in the output to get one in the batch.
    let sliceBase: Int
    /// The token that was looked up last, in the last id slot, and what it named.
    var lastTokenCount = -1
    var lastProject: RecordProject?

    /// Where the record's output starts.
    var outputStart = 0
    var recordCursor = 0
    /// The bytes of the record as sent; known once it was read.
    var recordBytes = 0
    var event = ValueReference()
    var properties = ValueReference.Kind.absent
    /// How many pairs `properties` has.
    var pairCount = 0
    var isEmptyRecord = false
    /// What was found in a profile update.
    var update = UpdateParts()
    /// The member that holds the properties that are being read, for messages.
    var holder = WireName.properties
    /// The first limit that the record breaks (P 6.2, #9); the other checks come before it.
    var limitRejection: RecordRejection?
    /// The offset of the first byte in a string of the record that is no UTF-8; -1 where there is none.
    var badByteOffset = -1

    /// A reader of a text whose positions are in the scratch buffers.
    ///
    /// - Parameters:
    ///   - text: The text; it outlives the reader.
    ///   - base: The text's first byte.
    ///   - positions: Its structural positions, of which there is at least one.
    ///   - scratch: Buffers that nobody else uses meanwhile.
    ///   - limits: What a record may hold.
    ///   - sliceBase: How many bytes the batch holds already.
    init(
        text: UnsafeBufferPointer<UInt8>,
        base: UnsafePointer<UInt8>,
        positions: UnsafePointer<UInt32>,
        scratch: DecodeScratch,
        limits: WireLimits,
        sliceBase: Int
    ) {
        self.scratch = scratch
        self.sliceBase = sliceBase
        self.base = base
        self.count = text.count
        // A copy is as long as its source, but for a closing bracket, and for lone surrogates that the text spells in
        // three bytes; writes go sixteen bytes at a time.
        copyExcess = 64 + (scratch.index.isUTF8 ? 0 : text.count)
        lastWideStart = text.count - 16
        self.positions = positions
        // The buffers are sized by these, so no setting may lie outside what they can be sized for.
        var limits = limits
        limits.nestingDepth = min(max(limits.nestingDepth, 1), DecodeScratch.depthLimit)
        limits.properties = max(limits.properties, 1)
        limits.nestedKeys = max(limits.nestedKeys, 1)
        self.limits = limits
        cursorEnd = scratch.index.count
        var wideEnd = cursorEnd
        while wideEnd > 0, Int(positions[wideEnd - 1]) > lastWideStart { wideEnd -= 1 }
        wideCursorEnd = wideEnd
        scratch.growKeys(toHold: limits.properties + limits.nestingDepth * limits.nestedKeys)
        output = scratch.output
        frames = scratch.frames
        keys = scratch.keys
        familiarKeys = scratch.familiarKeys
        values = scratch.values
        // Room for a copy of the whole text, whatever is read of it: a text that is no object is copied too, to see
        // whether it is JSON.
        reserve(0)
    }

    /// The byte at a structural position; zero at the end.
    @inline(__always)
    func byte(at cursor: Int) -> UInt8 { cursor < cursorEnd ? base[Int(positions[cursor])] : 0 }

    /// The offset of a structural position; the text's length at the end.
    @inline(__always)
    func position(_ cursor: Int) -> Int { Int(positions[cursor]) }

    /// Writes one byte.
    @inline(__always)
    mutating func put(_ byte: UInt8) {
        output[used] = byte
        used &+= 1
    }

    /// Makes room for more bytes than the text that is still to be read can give.
    mutating func reserve(_ more: Int) {
        let needed = used + more + (count - position(recordCursor)) + copyExcess
        guard needed > scratch.outputCapacity else { return }
        scratch.growOutput(toHold: needed, keeping: used)
        output = scratch.output
    }

    /// Sets the cursor past a container, or past a scalar, by counting brackets only.
    ///
    /// - Throws: `RecordFault.unbalanced` where the text ends first.
    mutating func skipValue() throws(RecordFault) {
        var depth = 0
        while cursor < cursorEnd {
            switch byte(at: cursor) {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
            cursor += 1
            if depth <= 0 { return }
        }
        throw .unbalanced
    }

    /// Sets the cursor to the comma or bracket that ends the array element at the cursor.
    ///
    /// - Throws: `RecordFault.unbalanced` where the text ends first.
    mutating func skipElement() throws(RecordFault) {
        var depth = 0
        while cursor < cursorEnd {
            switch byte(at: cursor) {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"): depth -= 1
            case UInt8(ascii: "]"):
                if depth <= 0 { return }
                depth -= 1
            case UInt8(ascii: ",") where depth <= 0: return
            default: break
            }
            cursor += 1
        }
        throw .unbalanced
    }

    /// Notes the first limit that the record breaks.
    mutating func breakLimit(_ rejection: RecordRejection) {
        if limitRejection == nil { limitRejection = rejection }
    }
}
