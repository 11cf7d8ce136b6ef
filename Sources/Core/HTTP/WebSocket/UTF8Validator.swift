/// Tells of text that comes in pieces whether it is UTF-8 so far (RFC 3629): no surrogates, no overlong forms, nothing above U+10FFFF.
struct UTF8Validator: Sendable {
    /// Bytes of a character that are still to come.
    private var missing = 0
    /// What the next byte may be.
    private var lowest: UInt8 = 0x80
    private var highest: UInt8 = 0xBF

    /// Whether the text may end here.
    var isAtEnd: Bool { missing == 0 }

    /// False when no continuation could make it UTF-8.
    mutating func take(_ bytes: Span<UInt8>) -> Bool {
        var index = 0
        while index < bytes.count {
            if missing == 0 { index = Self.skipASCII(bytes, from: index) }
            guard index < bytes.count else { break }
            guard take(bytes[index]) else { return false }
            index += 1
        }
        return true
    }

    /// Eight bytes at a time.
    private static func skipASCII(_ bytes: Span<UInt8>, from start: Int) -> Int {
        var index = start
        unsafe bytes.withUnsafeBytes { raw in
            while index + 8 <= raw.count, unsafe raw.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0 {
                index += 8
            }
        }
        while index < bytes.count, bytes[index] < 0x80 { index += 1 }
        return index
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard missing > 0 else { return begin(byte) }
        guard byte >= lowest, byte <= highest else { return false }
        missing -= 1
        (lowest, highest) = (0x80, 0xBF)
        return true
    }

    private mutating func begin(_ byte: UInt8) -> Bool {
        switch byte {
        case 0..<0x80: return true
        case 0xC2...0xDF: missing = 1
        case 0xE0: (missing, lowest) = (2, 0xA0)
        case 0xED: (missing, highest) = (2, 0x9F)
        case 0xE1...0xEF: missing = 2
        case 0xF0: (missing, lowest) = (3, 0x90)
        case 0xF4: (missing, highest) = (3, 0x8F)
        case 0xF1...0xF3: missing = 3
        default: return false
        }
        return true
    }
}
