import Wire

extension ByteReader {
    /// MCAP's numbers come lowest byte first.
    @_lifetime(self: copy self)
    mutating func littleEndian<Number: FixedWidthInteger & UnsignedInteger>(_: Number.Type) -> Number? {
        guard let bytes = take(MemoryLayout<Number>.size) else { return nil }
        var number: Number = 0
        for index in 0..<bytes.count { number |= Number(bytes[index]) << Number(8 * index) }
        return number
    }
}

extension [UInt8] {
    mutating func append(littleEndian number: some FixedWidthInteger & UnsignedInteger) {
        var rest = number
        for _ in 0..<(number.bitWidth / 8) {
            append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    /// A text behind its length in four bytes.
    mutating func append(prefixed text: String) {
        append(littleEndian: UInt32(text.utf8.count))
        append(contentsOf: text.utf8)
    }

    /// Overwrites eight bytes already written, for lengths known only afterwards.
    mutating func patch(littleEndian number: UInt64, at offset: Int) {
        for index in 0..<8 { self[offset + index] = UInt8(truncatingIfNeeded: number >> UInt64(8 * index)) }
    }
}
