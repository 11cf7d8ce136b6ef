import Wire

/// Character classes of RFC 9110 clause 5.6 and RFC 3986.
enum HTTPSyntax {
    /// One bit a character of a token: the first 64, and the other 64 of ASCII.
    private static let token: (UInt64, UInt64) = (0x03FF_6CFA_0000_0000, 0x57FF_FFFF_C7FF_FFFE)

    static func isToken(_ byte: UInt8) -> Bool {
        byte < 128 && ((byte < 64 ? token.0 : token.1) >> UInt64(byte & 63)) & 1 != 0
    }
    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
    /// Visible characters, blanks and the bytes above ASCII.
    static func isFieldValue(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F || byte == 0x09 }
    /// Visible ASCII: what a request target may hold on the wire. A fragment is never sent, and who meets one may cut it off or not.
    static func isTarget(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "#") }
    static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
    static func lowercased(_ byte: UInt8) -> UInt8 { byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte }

    static func isToken(_ bytes: Span<UInt8>) -> Bool {
        for index in bytes.indices where !isToken(bytes[index]) { return false }
        return bytes.count > 0
    }

    /// Where the first byte lies that no field value may hold; nil when there is none.
    static func firstOutsideFieldValue(_ bytes: Span<UInt8>) -> Int? {
        var index = 0
        unsafe bytes.withUnsafeBytes { raw in
            // Eight at a time while none is below 0x20 or 0x7F (a tab is looked at below).
            while index + 8 <= raw.count {
                let word = unsafe raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                let isDelete = word ^ (ones &* 0x7F)
                let suspects = (word &- ones &* 0x20) & ~word | (isDelete &- ones) & ~isDelete
                guard suspects & (ones &* 0x80) == 0 else { break }
                index += 8
            }
        }
        while index < bytes.count {
            if !isFieldValue(bytes[index]) { return index }
            index += 1
        }
        return nil
    }

    /// Where the next LF lies at or after `start`; the end when there is none.
    static func lineFeed(_ bytes: Span<UInt8>, from start: Int) -> Int {
        var index = start
        unsafe bytes.withUnsafeBytes { raw in
            while index + 8 <= raw.count {
                let isFeed = unsafe raw.loadUnaligned(fromByteOffset: index, as: UInt64.self) ^ (ones &* 0x0A)
                guard (isFeed &- ones) & ~isFeed & (ones &* 0x80) == 0 else { break }
                index += 8
            }
        }
        while index < bytes.count, bytes[index] != 0x0A { index += 1 }
        return index
    }

    private static let ones: UInt64 = 0x0101_0101_0101_0101
}

extension String {
    /// What is no UTF-8 becomes U+FFFD.
    init(decoding bytes: Span<UInt8>) {
        self = unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }
}
