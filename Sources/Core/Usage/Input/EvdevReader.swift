import Wire

/// Cuts the bytes of an input device into its records: `struct input_event` of a 64-bit kernel (24 bytes), or `struct js_event` (8 bytes),
/// both in the little-endian order of the machines that this runs on. Bytes may come cut anywhere.
public struct EvdevReader: Sendable {
    public struct Record: Equatable, Sendable {
        /// `EV_SYN` 0, `EV_KEY` 1, `EV_ABS` 3; of a joystick 1 for a button, 2 for an axis, with 0x80 while it tells its first state.
        public var type: UInt16
        /// Of the key or the axis; of a joystick its number.
        public var code: UInt16
        public var value: Int32

        public init(type: UInt16, code: UInt16, value: Int32) { (self.type, self.code, self.value) = (type, code, value) }
    }

    private let isJS: Bool
    /// The begin of a record whose end has not come.
    private var partial: [UInt8] = []

    /// `isJS`: `/dev/input/js*`.
    public init(isJS: Bool) { self.isJS = isJS }

    private var size: Int { isJS ? 8 : 24 }

    /// The next record in `bytes` from `offset` on; nil: all are taken.
    public mutating func next(_ bytes: Span<UInt8>, _ offset: inout Int) -> Record? {
        if partial.isEmpty, bytes.count - offset >= size {
            defer { offset += size }
            return record(bytes.extracting(offset..<(offset + size)))
        }
        let count = min(size - partial.count, bytes.count - offset)
        partial.append(span: bytes.extracting(offset..<(offset + count)))
        offset += count
        guard partial.count == size else { return nil }
        defer { partial.removeAll(keepingCapacity: true) }
        return record(partial.span)
    }

    private func record(_ bytes: Span<UInt8>) -> Record {
        if isJS {
            let value = Int16(bitPattern: UInt16(bytes[4]) | UInt16(bytes[5]) << 8)
            return Record(type: UInt16(bytes[6]), code: UInt16(bytes[7]), value: Int32(value))
        }
        // Sixteen bytes of the kernel's own time stand first.
        let low = UInt32(bytes[20]) | UInt32(bytes[21]) << 8, high = UInt32(bytes[22]) | UInt32(bytes[23]) << 8
        return Record(
            type: UInt16(bytes[16]) | UInt16(bytes[17]) << 8, code: UInt16(bytes[18]) | UInt16(bytes[19]) << 8,
            value: Int32(bitPattern: low | high << 16))
    }
}
