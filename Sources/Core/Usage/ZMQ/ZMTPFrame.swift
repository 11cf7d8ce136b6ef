import Wire

/// What goes before the bytes of a ZMTP 3.0 frame (section 9).
struct ZMTPFrame: Equatable {
    var hasMore: Bool
    var isCommand: Bool
    /// Bytes of the body, 0…`limit`.
    var length: Int
    /// Bytes of the head itself: 2 or 9.
    var size: Int

    /// Longer frames close the connection.
    static let limit = 64 << 20
    /// Bytes of the longest head.
    static let longestHead = 9

    /// Nil while the head is not whole. What is wrong is refused with the first byte that shows it.
    static func parse(_ bytes: Span<UInt8>) throws(ZMTPError) -> ZMTPFrame? {
        guard bytes.count > 0 else { return nil }
        let flags = bytes[0], isLong = flags & 2 != 0, isCommand = flags & 4 != 0
        guard flags & 0xF8 == 0 else { throw ZMTPError("expected a frame's flags, got 0x\(Hex.encode([flags]))") }
        guard !isCommand || flags & 1 == 0 else { throw ZMTPError("expected a command in one frame, got the first part of one") }
        let size = isLong ? longestHead : 2
        guard bytes.count >= size else { return nil }
        var length: UInt64 = 0
        for index in 1..<size { length = length << 8 | UInt64(bytes[index]) }
        guard length <= UInt64(limit) else { throw ZMTPError("expected a frame of at most \(limit) bytes, got one of \(length)") }
        return ZMTPFrame(hasMore: flags & 1 != 0, isCommand: isCommand, length: Int(length), size: size)
    }
}

/// What a peer did that no ZMTP 3.0 peer does; the text is for people.
struct ZMTPError: Error, Equatable {
    var reason: String

    init(_ reason: String) { self.reason = reason }
}
