import Synchronization

/// The buffers that one decode works in, kept for the next one.
///
/// `@unchecked Sendable` because it owns plain memory: one decode at a time holds it, handed over under the lock of
/// `ScratchPool`.
final class DecodeScratch: @unchecked Sendable {
    /// An object or array that is being read.
    struct Frame {
        var isObject = false
        /// The index of the container's first key in `keys`.
        var firstKey = 0
        var elements = 0
        /// Bits of the hashes of the keys so far: a key whose bit is new cannot be a repeat.
        var filter: UInt64 = 0
        /// Where the current pair starts in the output, and how long its key is.
        var pairStart = 0
        var keyCount = 0
        var hasRepeats = false
    }

    /// A key of an object that is being read, as it stands in the output.
    struct Key {
        var hash: UInt32
        var isDropped: Bool
        /// The raw value of the key's `KnownField`; 255 for none.
        var field: UInt8
        var pairStart: Int
        var keyCount: Int
    }

    /// A key of `properties` as an earlier record of the body had it, at the same place among its keys.
    struct FamiliarKey {
        /// Where its opening quote stands in the text.
        var start: UInt32 = 0
        /// The bytes from that quote to the colon, both counted; zero for a key that is not to be recognised.
        var count: UInt32 = 0
        var hash: UInt32 = 0
        /// The raw value of its `KnownField`; 255 for none.
        var field: UInt8 = 255
        var isTakenOut = false
        /// Where the pair starts in the output, where the record that is read has the key too.
        var pairStart = 0
    }

    /// How many keys of a record are recognised in the next one.
    static let familiarCapacity = 256

    /// The deepest nesting that is read anywhere in a record; deeper is one bad record (P 6.1).
    static let depthLimit = 64
    /// How many places of records are kept room for.
    static let keptRangeCount = 16_384
    /// How many ids of one record are held beside one another, with the one that has a prefix, and the last token.
    static let idSlots = 7
    /// The slot of an id that was given a prefix.
    static let prefixedSlot = 5
    /// Room for one id with a prefix, and for writes of eight bytes at a time.
    static let idSlotBytes = 1024 + 32

    var index = StructuralIndex()
    /// The copies and ids of the events so far.
    private(set) var output: UnsafeMutablePointer<UInt8>
    private(set) var outputCapacity: Int
    let frames: UnsafeMutablePointer<Frame>
    private(set) var keys: UnsafeMutablePointer<Key>
    private(set) var keyCapacity: Int
    let familiarKeys: UnsafeMutablePointer<FamiliarKey>
    let values: UnsafeMutablePointer<ValueReference>
    let ids: UnsafeMutablePointer<UInt8>
    /// Where the records of the body stand in its text.
    var recordRanges: [Range<UInt32>] = []

    init() {
        outputCapacity = 16 * 1024
        output = .allocate(capacity: outputCapacity)
        frames = .allocate(capacity: Self.depthLimit + 1)
        frames.initialize(repeating: Frame(), count: Self.depthLimit + 1)
        keyCapacity = 0
        keys = .allocate(capacity: 1)
        familiarKeys = .allocate(capacity: Self.familiarCapacity)
        familiarKeys.initialize(repeating: FamiliarKey(), count: Self.familiarCapacity)
        values = .allocate(capacity: KnownField.count)
        values.initialize(repeating: ValueReference(), count: KnownField.count)
        ids = .allocate(capacity: Self.idSlots * Self.idSlotBytes)
    }

    deinit {
        output.deallocate()
        frames.deallocate()
        keys.deallocate()
        familiarKeys.deallocate()
        values.deallocate()
        ids.deallocate()
    }

    /// Makes room in the output for a number of bytes in all, keeping the first ones.
    func growOutput(toHold capacity: Int, keeping used: Int) {
        guard capacity > outputCapacity else { return }
        let grown = max(capacity, outputCapacity * 2)
        let replacement = UnsafeMutablePointer<UInt8>.allocate(capacity: grown)
        replacement.update(from: output, count: used)
        output.deallocate()
        output = replacement
        outputCapacity = grown
    }

    /// Makes room for a number of keys; those there are lost.
    func growKeys(toHold capacity: Int) {
        guard capacity > keyCapacity else { return }
        keys.deallocate()
        keys = .allocate(capacity: capacity)
        keyCapacity = capacity
    }

    /// Gives back what a large body needed and a usual one does not.
    func trim(toBodyOf byteCount: Int) {
        index.trim(toTextOf: byteCount)
        if recordRanges.capacity > Self.keptRangeCount { recordRanges = [] }
        guard outputCapacity > 2 * byteCount else { return }
        output.deallocate()
        outputCapacity = 16 * 1024
        output = .allocate(capacity: outputCapacity)
    }
}

/// Scratch buffers that are not in use: a few, and none large.
final class ScratchPool: Sendable {
    /// What a kept buffer may be sized for: an ordinary batch.
    static let keptBodyBytes = 2 * 1024 * 1024
    /// A few for each of a small machine's cores; more would be memory held for nothing.
    static let keptCount = 4

    private let free = Mutex<[DecodeScratch]>([])

    func take() -> DecodeScratch { free.withLock { $0.popLast() } ?? DecodeScratch() }

    func put(_ scratch: DecodeScratch) {
        scratch.trim(toBodyOf: Self.keptBodyBytes)
        free.withLock { kept in
            if kept.count < Self.keptCount { kept.append(scratch) }
        }
    }
}
