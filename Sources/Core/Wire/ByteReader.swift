/// Reads network-order fields from borrowed bytes. Every read is bounds-checked and answers `nil` past the end; nothing traps.
public struct ByteReader: ~Escapable {
    public let bytes: Span<UInt8>
    /// Index of the next byte to read, 0…`bytes.count`.
    @inlinable public var offset: Int { position }
    @usableFromInline var position: Int

    @_lifetime(copy bytes)
    @inlinable public init(_ bytes: Span<UInt8>) {
        self.bytes = bytes
        position = 0
    }

    /// Bytes not yet read.
    @inlinable public var remaining: Int { bytes.count - offset }
    @inlinable public var isAtEnd: Bool { remaining == 0 }

    @_lifetime(self: copy self)
    @inlinable public mutating func u8() -> UInt8? {
        guard remaining >= 1 else { return nil }
        defer { position += 1 }
        return bytes[offset]
    }

    @_lifetime(self: copy self)
    @inlinable public mutating func u16() -> UInt16? {
        guard remaining >= 2 else { return nil }
        defer { position += 2 }
        return bytes.u16(at: offset)
    }

    @_lifetime(self: copy self)
    @inlinable public mutating func u24() -> UInt32? {
        guard remaining >= 3 else { return nil }
        defer { position += 3 }
        return UInt32(bytes[offset]) << 16 | UInt32(bytes.u16(at: offset + 1))
    }

    @_lifetime(self: copy self)
    @inlinable public mutating func u32() -> UInt32? {
        guard remaining >= 4 else { return nil }
        defer { position += 4 }
        return bytes.u32(at: offset)
    }

    @_lifetime(self: copy self)
    @inlinable public mutating func u64() -> UInt64? {
        guard remaining >= 8 else { return nil }
        defer { position += 8 }
        return UInt64(bytes.u32(at: offset)) << 32 | UInt64(bytes.u32(at: offset + 4))
    }

    /// The next `count` bytes, borrowed; `nil` when fewer are left.
    @_lifetime(copy self)
    @inlinable public mutating func take(_ count: Int) -> Span<UInt8>? {
        guard count >= 0, remaining >= count else { return nil }
        defer { position += count }
        return bytes.extracting(offset..<(offset + count))
    }

    /// The next `count` bytes, copied; `nil` when fewer are left.
    @_lifetime(self: copy self)
    @inlinable public mutating func array(_ count: Int) -> [UInt8]? {
        guard count >= 0, remaining >= count else { return nil }
        defer { position += count }
        return bytes.extracting(offset..<(offset + count)).array
    }

    /// Moves on by `count` bytes; `false`, and no move, when fewer are left.
    @_lifetime(self: copy self)
    @inlinable public mutating func skip(_ count: Int) -> Bool {
        guard count >= 0, remaining >= count else { return false }
        position += count
        return true
    }
}

extension Span where Element == UInt8 {
    /// Network-order 16 bits. The caller has checked `offset + 2 <= count`.
    @inlinable public func u16(at offset: Int) -> UInt16 {
        UInt16(self[offset]) << 8 | UInt16(self[offset + 1])
    }

    /// Network-order 32 bits. The caller has checked `offset + 4 <= count`.
    @inlinable public func u32(at offset: Int) -> UInt32 {
        UInt32(self[offset]) << 24 | UInt32(self[offset + 1]) << 16 | UInt32(self[offset + 2]) << 8 | UInt32(self[offset + 3])
    }

    /// The same bytes, owned.
    @inlinable public var array: [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            unsafe self.withUnsafeBufferPointer { source in
                if source.count > 0 { unsafe buffer.baseAddress!.initialize(from: source.baseAddress!, count: source.count) }
            }
            initialized = count
        }
    }

    /// Equal contents. Not constant-time: never for secrets.
    @inlinable public func elementsEqual(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for i in 0..<count where self[i] != other[i] { return false }
        return true
    }
}
