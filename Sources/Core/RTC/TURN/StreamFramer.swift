import Wire

public enum StreamFramingError: Error, Sendable, Hashable {
    /// A frame that says to be longer than any that we take: the stream is to be closed.
    case tooLong(length: Int, limit: Int)
    /// Neither STUN nor ChannelData (RFC 8656 clause 12.5): the stream has lost its step and is to be closed.
    case notFramed(firstByte: UInt8)
    /// More bytes than the buffer may hold, with no whole frame taken from it.
    case overflow(limit: Int)
}

/// Turns a stream's bytes into whole messages, whatever way they were cut.
public protocol StreamDeframer: Sendable {
    init()
    /// Takes bytes as they come. Take all frames by `next` after each call: at most `StreamBuffer.limit` bytes are kept.
    mutating func append(_ bytes: Span<UInt8>) throws(StreamFramingError)
    /// The next whole message without its framing; `nil` when more bytes are needed.
    mutating func next() throws(StreamFramingError) -> [UInt8]?
    /// Appends one message, framed, to `out`.
    static func frame(_ message: Span<UInt8>, into out: inout [UInt8])
}

/// Bytes that wait to be whole frames.
struct StreamBuffer: Sendable {
    static let limit = 1 << 17

    private(set) var bytes: [UInt8] = []
    private var start = 0

    var count: Int { bytes.count - start }

    mutating func append(_ more: Span<UInt8>) throws(StreamFramingError) {
        guard count + more.count <= Self.limit else { throw .overflow(limit: Self.limit) }
        if start > 0, start >= bytes.count / 2 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(span: more)
    }

    /// The caller has checked `offset + 2 <= count`.
    func u16(at offset: Int) -> Int { Int(bytes[start + offset]) << 8 | Int(bytes[start + offset + 1]) }
    func u8(at offset: Int) -> UInt8 { bytes[start + offset] }

    /// The caller has checked `length <= count`.
    mutating func take(_ range: Range<Int>, dropping length: Int) -> [UInt8] {
        let message = Array(bytes[(start + range.lowerBound)..<(start + range.upperBound)])
        start += length
        return message
    }
}

/// Two bytes of length before each message: ICE-TCP (RFC 4571 clause 2, RFC 6544 clause 3).
public struct RFC4571Framer: StreamDeframer {
    private var buffer = StreamBuffer()

    public init() {}

    public mutating func append(_ bytes: Span<UInt8>) throws(StreamFramingError) { try buffer.append(bytes) }

    public mutating func next() throws(StreamFramingError) -> [UInt8]? {
        guard buffer.count >= 2 else { return nil }
        let length = buffer.u16(at: 0)
        guard buffer.count >= 2 + length else { return nil }
        return buffer.take(2..<(2 + length), dropping: 2 + length)
    }

    public static func frame(_ message: Span<UInt8>, into out: inout [UInt8]) {
        precondition(message.count <= 65_535, "a message of one packet is framed")
        out.append(u16: UInt16(message.count))
        out.append(span: message)
    }
}

/// STUN messages, and ChannelData padded to four bytes, end to end: the stream to a TURN server (RFC 8656 clause 12.5).
public struct TurnFramer: StreamDeframer {
    /// Longer STUN messages than this no server sends: 64 KiB of data and its attributes.
    private static let frameLimit = 65_535 + STUNMessage.headerLength

    private var buffer = StreamBuffer()

    public init() {}

    public mutating func append(_ bytes: Span<UInt8>) throws(StreamFramingError) { try buffer.append(bytes) }

    public mutating func next() throws(StreamFramingError) -> [UInt8]? {
        guard buffer.count >= 4 else { return nil }
        let first = buffer.u8(at: 0), length = buffer.u16(at: 2)
        switch first {
        case 0..<4:
            guard length % 4 == 0 else { throw .notFramed(firstByte: first) }
            let total = STUNMessage.headerLength + length
            guard total <= Self.frameLimit else { throw .tooLong(length: total, limit: Self.frameLimit) }
            guard buffer.count >= total else { return nil }
            return buffer.take(0..<total, dropping: total)
        case 64..<80:
            let padded = 4 + ((length + 3) & ~3)
            guard buffer.count >= padded else { return nil }
            return buffer.take(0..<(4 + length), dropping: padded)
        default: throw .notFramed(firstByte: first)
        }
    }

    public static func frame(_ message: Span<UInt8>, into out: inout [UInt8]) {
        out.append(span: message)
        out.append(contentsOf: repeatElement(0, count: -message.count & 3))
    }
}
