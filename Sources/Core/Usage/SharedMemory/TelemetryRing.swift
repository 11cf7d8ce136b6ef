import Wire

/// Bytes that others may read while they are written: each store is seen whole, and in the order of the fences.
public protocol SharedBytes {
    func byte(at offset: Int) -> UInt8
    func setByte(_ value: UInt8, at offset: Int)
    /// Big-endian; `offset` is a multiple of 4.
    func setWord(_ value: UInt32, at offset: Int)
    /// What was stored before is seen before what is stored behind.
    func fence()
}

/// The writer of the object `<namespace>_telemetry` (spec teleop-monitor, section 12): three u32, write offset, read offset and bytes used, then
/// items that wrap byte-wise. When full the oldest give way.
public struct TelemetryRing: Sendable {
    /// An item: f64 seconds since 1970, u16 type, u16 length, data.
    public struct Item: Sendable, Equatable {
        /// Seconds since 1970.
        public var time: Double
        /// 1: telemetry.
        public var type: UInt16
        /// At most 1012 bytes.
        public var data: [UInt8]

        public init(time: Double, type: UInt16 = TelemetryRing.telemetry, data: [UInt8]) {
            (self.time, self.type, self.data) = (time, type, data)
        }
    }

    /// The type of an item of compact JSON.
    public static let telemetry: UInt16 = 1
    /// The three words in front.
    public static let headerSize = 12
    /// Bytes of an item before its data.
    public static let itemHeaderSize = 12
    /// With its header.
    public static let longestItem = 1024

    /// Bytes for items.
    public let capacity: Int
    /// Where the next item goes, 0..<`capacity`.
    public private(set) var writeOffset = 0
    /// Where the oldest item is, 0..<`capacity`.
    public private(set) var readOffset = 0
    /// Bytes of the items that are there.
    public private(set) var used = 0

    /// `capacity`: 4096…1 048 576, section 2.
    public init(capacity: Int) {
        precondition(capacity >= Self.longestItem, "a ring has room for an item")
        self.capacity = capacity
    }

    /// False: larger than an item may be; nothing was written.
    @discardableResult
    public mutating func append(_ item: Item, to memory: borrowing some SharedBytes) -> Bool {
        let size = Self.itemHeaderSize + item.data.count
        guard size <= Self.longestItem else { return false }
        // A reader sees that the oldest are gone before their bytes are.
        if capacity - used < size {
            while capacity - used < size { dropOldest(in: memory) }
            writeWords(to: memory)
        }
        memory.fence()
        write(item, to: memory)
        writeOffset = (writeOffset + size) % capacity
        used += size
        memory.fence()
        writeWords(to: memory)
        return true
    }

    private mutating func dropOldest(in memory: borrowing some SharedBytes) {
        let length = UInt16(byte(readOffset + 10, of: memory)) << 8 | UInt16(byte(readOffset + 11, of: memory))
        // What we wrote ourselves; another program with the right to write may have changed it.
        let size = min(Self.itemHeaderSize + Int(length), used)
        readOffset = (readOffset + size) % capacity
        used -= size
    }

    private func byte(_ place: Int, of memory: borrowing some SharedBytes) -> UInt8 { memory.byte(at: Self.headerSize + place % capacity) }

    private func write(_ item: Item, to memory: borrowing some SharedBytes) {
        var place = writeOffset
        func put(_ byte: UInt8) {
            memory.setByte(byte, at: Self.headerSize + place)
            place = place + 1 == capacity ? 0 : place + 1
        }
        for shift in stride(from: 56, through: 0, by: -8) { put(UInt8(truncatingIfNeeded: item.time.bitPattern >> UInt64(shift))) }
        for word in [item.type, UInt16(item.data.count)] {
            put(UInt8(word >> 8))
            put(UInt8(truncatingIfNeeded: word))
        }
        for byte in item.data { put(byte) }
    }

    private func writeWords(to memory: borrowing some SharedBytes) {
        memory.setWord(UInt32(writeOffset), at: 0)
        memory.setWord(UInt32(readOffset), at: 4)
        memory.setWord(UInt32(used), at: 8)
    }

    // MARK: Reading

    /// The three words.
    public struct Words: Sendable, Equatable {
        /// Write offset.
        public var write: UInt32
        /// Read offset.
        public var read: UInt32
        /// Bytes used.
        public var used: UInt32

        public init(write: UInt32, read: UInt32, used: UInt32) { (self.write, self.read, self.used) = (write, read, used) }

        /// Not caught between two stores.
        func isWhole(_ capacity: Int) -> Bool {
            used <= capacity && read < capacity && write < capacity && (Int(read) + Int(used)) % capacity == Int(write)
        }
    }

    /// The items of a copy of the whole object, oldest first. `before` and `after`: the words read in front of the copy and behind it. Nil: the
    /// writer was in the way, or this is no such object: to be copied again.
    public static func items(of copy: Span<UInt8>, before: Words, after: Words) -> [Item]? {
        let capacity = copy.count - headerSize
        guard capacity >= longestItem, before.isWhole(capacity), after.isWhole(capacity), before.read == after.read else { return nil }
        var items: [Item] = []
        var (place, left) = (Int(before.read), Int(before.used))
        func byte(_ index: Int) -> UInt8 { copy[headerSize + (place + index) % capacity] }
        while left > 0 {
            guard left >= itemHeaderSize else { return nil }
            var bits: UInt64 = 0
            for index in 0..<8 { bits = bits << 8 | UInt64(byte(index)) }
            let length = Int(byte(10)) << 8 | Int(byte(11))
            guard length <= left - itemHeaderSize, length <= longestItem - itemHeaderSize else { return nil }
            let data = (0..<length).map { byte(itemHeaderSize + $0) }
            items.append(Item(time: Double(bitPattern: bits), type: UInt16(byte(8)) << 8 | UInt16(byte(9)), data: data))
            place = (place + itemHeaderSize + length) % capacity
            left -= itemHeaderSize + length
        }
        return items
    }
}
