import Wire

/// The inside of a JSON string as text.
enum JSONText {
    /// Escapes resolved; what is no escape stays, what is no UTF-8 becomes U+FFFD.
    static func decoded(_ bytes: Span<UInt8>) -> String {
        var plain: [UInt8] = []
        plain.reserveCapacity(bytes.count)
        var at = 0
        while at < bytes.count {
            guard bytes[at] == UInt8(ascii: "\\"), at + 1 < bytes.count else {
                plain.append(bytes[at])
                at += 1
                continue
            }
            switch bytes[at + 1] {
            case UInt8(ascii: "b"): plain.append(8)
            case UInt8(ascii: "f"): plain.append(12)
            case UInt8(ascii: "n"): plain.append(10)
            case UInt8(ascii: "r"): plain.append(13)
            case UInt8(ascii: "t"): plain.append(9)
            case UInt8(ascii: "u"):
                at = appendUnicode(bytes, at, &plain)
                continue
            case let other: plain.append(other)
            }
            at += 2
        }
        return String(decoding: plain, as: UTF8.self)
    }

    /// The escape at `start`, with the second half of a pair; where it ends.
    private static func appendUnicode(_ bytes: Span<UInt8>, _ start: Int, _ plain: inout [UInt8]) -> Int {
        guard let first = unit(bytes, start) else {
            plain.append(bytes[start])
            return start + 1
        }
        var value = UInt32(first), end = start + 6
        if (0xD800..<0xDC00).contains(value), let second = unit(bytes, end), (0xDC00..<0xE000).contains(second) {
            value = 0x10000 + (value - 0xD800) << 10 + (UInt32(second) - 0xDC00)
            end += 6
        }
        plain.append(contentsOf: String(Unicode.Scalar(value) ?? "\u{FFFD}").utf8)
        return end
    }

    private static func unit(_ bytes: Span<UInt8>, _ start: Int) -> UInt16? {
        guard start + 6 <= bytes.count, bytes[start] == UInt8(ascii: "\\"), bytes[start + 1] == UInt8(ascii: "u") else { return nil }
        var unit: UInt16 = 0
        for index in (start + 2)..<(start + 6) {
            guard let digit = Hex.value(of: bytes[index]) else { return nil }
            unit = unit << 4 | UInt16(digit)
        }
        return unit
    }
}
