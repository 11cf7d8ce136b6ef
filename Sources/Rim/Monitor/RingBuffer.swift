import Synchronization
import Wire

/// Items from one thread to one other, without locks and without allocation (spec teleop-monitor, section 13). One thread writes, one reads. When
/// it is full the oldest items give way.
///
/// An item is f64 time, u16 type, u16 length and data, wrapping byte-wise. The read position is moved by compare-and-swap from either side: the
/// writer moves it on before it overwrites, the reader moves it on when it has copied. A reader whose copy was overwritten meanwhile finds the
/// position moved, and begins again: it never gives out what is torn. All bytes are atomic, so that an access that is then thrown away is no
/// data race either.
public final class RingBuffer: Sendable {
    /// Bytes before the data.
    public static let headerSize = 12
    /// Bytes of an item, its header included.
    public static let longestItem = 1024

    /// Bytes for items.
    public let capacity: Int

    private let bytes: AtomicBytes
    /// Where the next item goes, and where the oldest is; both with the number of items that passed, so that `count` is exact.
    private let head = Atomic<UInt64>(0)
    private let tail = Atomic<UInt64>(0)
    private let overflowed = Atomic<Int>(0)
    private let underflowed = Atomic<Int>(0)

    /// A place among all the bytes that ever pass, and the number of items before it; both run over at 2³².
    private struct Position {
        var byte: UInt32
        var item: UInt32

        init(_ word: UInt64) { (byte, item) = (UInt32(truncatingIfNeeded: word), UInt32(truncatingIfNeeded: word >> 32)) }
        init(byte: UInt32, item: UInt32) { (self.byte, self.item) = (byte, item) }
        var word: UInt64 { UInt64(item) << 32 | UInt64(byte) }
        func behind(_ size: Int) -> Position { Position(byte: byte &+ UInt32(size), item: item &+ 1) }
    }

    /// `capacity`: bytes, 4096…1 048 576 (section 2: `buffer_size`).
    public init(capacity: Int) {
        precondition((Self.longestItem...1 << 30).contains(capacity), "a ring has room for an item")
        self.capacity = capacity
        bytes = AtomicBytes(atLeast: capacity)
    }

    /// Items that gave way since the beginning.
    public var overflows: Int { overflowed.load(ordering: .relaxed) }
    /// Reads that found nothing.
    public var underflows: Int { underflowed.load(ordering: .relaxed) }
    /// Bytes of the items that wait.
    public var available: Int { waiting.bytes }
    /// Bytes that an item may take without another giving way.
    public var free: Int { capacity - waiting.bytes }
    /// Items that wait.
    public var count: Int { waiting.items }

    private var waiting: (bytes: Int, items: Int) {
        // The tail first: it never passes a head that is read behind it.
        let oldest = Position(tail.load(ordering: .acquiring))
        let next = Position(head.load(ordering: .acquiring))
        return (min(capacity, Int(next.byte &- oldest.byte)), Int(next.item &- oldest.item))
    }

    // MARK: Writing

    /// Appends an item. False: larger than `longestItem`, and not taken.
    @discardableResult
    public func write(time: Double, type: UInt16, _ data: Span<UInt8>) -> Bool {
        let size = Self.headerSize + data.count
        guard size <= Self.longestItem else { return false }
        let start = Position(head.load(ordering: .relaxed))
        makeRoom(size, before: start)
        for index in 0..<8 { put(UInt8(truncatingIfNeeded: time.bitPattern >> UInt64(56 - 8 * index)), start, index) }
        put(UInt8(type >> 8), start, 8)
        put(UInt8(truncatingIfNeeded: type), start, 9)
        put(UInt8(data.count >> 8), start, 10)
        put(UInt8(truncatingIfNeeded: data.count), start, 11)
        for index in 0..<data.count { put(data[index], start, Self.headerSize + index) }
        head.store(start.behind(size).word, ordering: .releasing)
        return true
    }

    private func makeRoom(_ size: Int, before start: Position) {
        var word = tail.load(ordering: .acquiring)
        while case let oldest = Position(word), Int(start.byte &- oldest.byte) + size > capacity {
            let (moved, original) = tail.compareExchange(
                expected: word, desired: oldest.behind(length(of: oldest)).word, ordering: .acquiringAndReleasing)
            if moved { overflowed.add(1, ordering: .relaxed) }
            word = moved ? oldest.behind(length(of: oldest)).word : original
        }
        // Who reads a byte that is written from here on must find the position moved.
        atomicMemoryFence(ordering: .releasing)
    }

    private func put(_ byte: UInt8, _ start: Position, _ index: Int) { bytes.store(byte, at: start.byte &+ UInt32(index)) }

    /// Of the whole item there, as this thread wrote it.
    private func length(of position: Position) -> Int { Self.headerSize + Int(u16(position, 10)) }

    // MARK: Reading

    /// What is in front of an item's data.
    public struct Header: Sendable, Equatable {
        /// As the writer gave it: seconds, f64.
        public var time: Double
        /// As the writer gave it; 1: telemetry (section 12).
        public var type: UInt16
        /// Bytes of data.
        public var length: Int

        public init(time: Double, type: UInt16, length: Int) { (self.time, self.type, self.length) = (time, type, length) }
    }

    /// Takes the oldest item off, its data into the start of `buffer`; nil: there is none. `buffer` has room for `longestItem` less `headerSize`
    /// bytes, or what does not fit is left out.
    public func read(into buffer: inout MutableSpan<UInt8>) -> Header? {
        while true {
            let word = tail.load(ordering: .acquiring)
            let (oldest, next) = (Position(word), Position(head.load(ordering: .acquiring)))
            guard next.byte != oldest.byte else {
                underflowed.add(1, ordering: .relaxed)
                return nil
            }
            let length = Int(u16(oldest, 10))
            // Else the writer came by, and the position has moved.
            if length <= Self.longestItem - Self.headerSize {
                var bits: UInt64 = 0
                for index in 0..<8 { bits = bits << 8 | UInt64(byte(oldest, index)) }
                let header = Header(time: Double(bitPattern: bits), type: u16(oldest, 8), length: length)
                for index in 0..<min(length, buffer.count) { buffer[index] = byte(oldest, Self.headerSize + index) }
                atomicMemoryFence(ordering: .acquiring)
                let after = oldest.behind(Self.headerSize + length).word
                if tail.compareExchange(expected: word, desired: after, ordering: .acquiringAndReleasing).exchanged { return header }
            }
        }
    }

    private func byte(_ position: Position, _ index: Int) -> UInt8 { bytes.load(at: position.byte &+ UInt32(index)) }
    private func u16(_ position: Position, _ index: Int) -> UInt16 {
        UInt16(byte(position, index)) << 8 | UInt16(byte(position, index + 1))
    }
}

/// Bytes that two threads may touch at once. Their number is a power of two, so that places may run over at 2³².
@safe private struct AtomicBytes: ~Copyable, @unchecked Sendable {
    private let base: UnsafeMutablePointer<Atomic<UInt8>>
    private let mask: UInt32

    init(atLeast size: Int) {
        let count = 1 << (Int.bitWidth - (size - 1).leadingZeroBitCount)
        unsafe base = .allocate(capacity: count)
        for index in 0..<count { unsafe (base + index).initialize(to: Atomic(0)) }
        mask = UInt32(count - 1)
    }

    deinit {
        unsafe base.deinitialize(count: Int(mask) + 1)
        unsafe base.deallocate()
    }

    func load(at place: UInt32) -> UInt8 { unsafe base[Int(place & mask)].load(ordering: .relaxed) }
    func store(_ value: UInt8, at place: UInt32) { unsafe base[Int(place & mask)].store(value, ordering: .relaxed) }
}
