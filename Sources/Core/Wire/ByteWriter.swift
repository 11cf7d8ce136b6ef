/// Appends network-order fields to an owned array.
public struct ByteWriter: Sendable {
    public var bytes: [UInt8]

    public init(capacity: Int = 64) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    public var count: Int { bytes.count }

    public mutating func u8(_ value: UInt8) { bytes.append(value) }
    public mutating func u16(_ value: UInt16) { bytes.append(u16: value) }
    public mutating func u24(_ value: UInt32) {
        bytes.append(UInt8(truncatingIfNeeded: value >> 16))
        bytes.append(u16: UInt16(truncatingIfNeeded: value))
    }
    public mutating func u32(_ value: UInt32) { bytes.append(u32: value) }
    public mutating func u64(_ value: UInt64) {
        bytes.append(u32: UInt32(truncatingIfNeeded: value >> 32))
        bytes.append(u32: UInt32(truncatingIfNeeded: value))
    }
    public mutating func append(_ more: [UInt8]) { bytes.append(contentsOf: more) }
    public mutating func append(_ more: Span<UInt8>) { bytes.append(span: more) }
    public mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
    public mutating func zeros(_ count: Int) { bytes.append(contentsOf: repeatElement(0, count: count)) }

    /// Overwrites two bytes already written, for lengths known only afterwards.
    public mutating func patch(u16 value: UInt16, at offset: Int) {
        bytes[offset] = UInt8(truncatingIfNeeded: value >> 8)
        bytes[offset + 1] = UInt8(truncatingIfNeeded: value)
    }
}

extension [UInt8] {
    @inlinable public mutating func append(u16 value: UInt16) {
        append(UInt8(truncatingIfNeeded: value >> 8))
        append(UInt8(truncatingIfNeeded: value))
    }

    @inlinable public mutating func append(u32 value: UInt32) {
        append(u16: UInt16(truncatingIfNeeded: value >> 16))
        append(u16: UInt16(truncatingIfNeeded: value))
    }

    @inlinable public mutating func append(span: Span<UInt8>) {
        unsafe span.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
    }
}
