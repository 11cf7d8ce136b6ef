/// Why a text is not JSON that we take.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Reason: Sendable, Hashable {
        /// Something else came; nil: the text ended.
        case expected(String, got: UInt8?)
        /// A byte under 0x20 in a string (RFC 8259 clause 7).
        case controlCharacter(UInt8)
        /// `\` and something that names nothing (RFC 8259 clause 7).
        case escape(UInt8)
        /// Text must be UTF-8 (RFC 8259 clause 8.1).
        case notUTF8
        /// Not a number by RFC 8259 clause 6.
        case number(String)
        /// A number beyond ±1.797e308 has no value to give.
        case numberTooLarge(String)
        case tooDeep(limit: Int)
        case tooLong(limit: Int)
        case moreAfterEnd(UInt8)
    }

    public let reason: Reason
    /// Bytes before the place.
    public let offset: Int

    public init(reason: Reason, offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    public var description: String { "JSON at byte \(offset): \(text)" }

    private var text: String {
        switch reason {
        case .expected(let what, let byte): "expected \(what), got \(byte.map(Self.show) ?? "the end")"
        case .controlCharacter(let byte): "a string cannot hold the control character \(Self.show(byte)); write it as an escape"
        case .escape(let byte): "expected one of \" \\ / b f n r t u after \\, got \(Self.show(byte))"
        case .notUTF8: "expected UTF-8 in a string"
        case .number(let text): "expected a number, got \(text)"
        case .numberTooLarge(let text): "the number \(text) is too large; the largest is 1.797e308"
        case .tooDeep(let limit): "arrays and objects lie more than \(limit) deep"
        case .tooLong(let limit): "the text is longer than \(limit) bytes"
        case .moreAfterEnd(let byte): "expected the end after the value, got \(Self.show(byte))"
        }
    }

    private static func show(_ byte: UInt8) -> String {
        byte > 32 && byte < 127 ? "'\(Character(Unicode.Scalar(byte)))'" : "0x" + Hex.encode([byte])
    }
}

/// What a parser takes at most.
public struct JSONLimits: Sendable, Hashable {
    /// Arrays and objects inside each other, 1 to 512.
    public var depth: Int
    /// Bytes of the whole text.
    public var bytes: Int

    public init(depth: Int = 64, bytes: Int = 1 << 20) {
        precondition((1...512).contains(depth) && bytes > 0, "depth is 1 to 512, and some bytes are needed")
        self.depth = depth
        self.bytes = bytes
    }
}
