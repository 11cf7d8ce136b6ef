import Wire

/// Walks the words of a text of /proc, line by line, without making strings.
struct WordReader: ~Escapable {
    private let text: Span<UInt8>
    private var offset = 0

    @_lifetime(copy text)
    init(_ text: Span<UInt8>) { self.text = text }

    /// Goes behind the first word of the next line that begins with it; false: there is none.
    @_lifetime(self: copy self)
    mutating func skip(toLine name: StaticString) -> Bool {
        while offset < text.count {
            if offset > 0, text[offset - 1] != Self.newline {
                offset += 1
                continue
            }
            let start = offset
            if let first = word(), first.equals(name) { return true }
            offset = max(offset, start + 1)
        }
        return false
    }

    /// The next word of the same line.
    @_lifetime(copy self)
    mutating func word() -> Word? {
        while offset < text.count, text[offset] == 0x20 || text[offset] == 0x09 { offset += 1 }
        let start = offset
        while offset < text.count, text[offset] > 0x20 { offset += 1 }
        return start < offset ? Word(bytes: text.extracting(start..<offset)) : nil
    }

    private static let newline: UInt8 = 0x0A

    struct Word: ~Escapable {
        let bytes: Span<UInt8>

        @_lifetime(copy bytes)
        init(bytes: Span<UInt8>) { self.bytes = bytes }

        func equals(_ name: StaticString) -> Bool {
            guard bytes.count == name.utf8CodeUnitCount else { return false }
            for index in 0..<bytes.count where unsafe bytes[index] != name.utf8Start[index] { return false }
            return true
        }

        /// A decimal number; nil for anything else and for one that is too large.
        var number: UInt64? {
            guard bytes.count > 0, bytes.count < 20 else { return nil }
            var value: UInt64 = 0
            for index in 0..<bytes.count {
                guard bytes[index] >= 0x30, bytes[index] <= 0x39 else { return nil }
                value = value &* 10 &+ UInt64(bytes[index] &- 0x30)
            }
            return value
        }
    }
}
