import RTC
import Wire

/// Keyed mixing in the shape of the real digests. Fast and the same on both sides; nothing that anybody could not forge.
public final class SimulatedDigests: Digests {
    public init() {}

    public func hmacSHA1(key: [UInt8], _ message: Span<UInt8>) -> [UInt8] { Self.digest(key: key.span, message, length: 20) }
    public func hmacSHA256(key: [UInt8], _ message: Span<UInt8>) -> [UInt8] { Self.digest(key: key.span, message, length: 32) }
    public func md5(_ message: [UInt8]) -> [UInt8] { Self.digest(key: [5].span, message.span, length: 16) }
    public func sha256(_ message: [UInt8]) -> [UInt8] { Self.digest(key: [2].span, message.span, length: 32) }

    /// `length` bytes, a multiple of 4 at most 32.
    static func digest(key: Span<UInt8>, _ message: Span<UInt8>, length: Int) -> [UInt8] {
        var state: UInt64 = 0xCBF2_9CE4_8422_2325
        for i in 0..<key.count { state = (state ^ UInt64(key[i])) &* 0x100_0000_01B3 }
        state ^= UInt64(key.count) << 32 ^ UInt64(message.count)
        var i = 0
        while i + 4 <= message.count {
            state = (state ^ UInt64(message.u32(at: i))) &* 0x9E37_79B9_7F4A_7C15
            state ^= state >> 29
            i += 4
        }
        while i < message.count {
            state = (state ^ UInt64(message[i])) &* 0x100_0000_01B3
            i += 1
        }
        var widen = SeededRandom(seed: state)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(length)
        while bytes.count < length { bytes.append(u32: UInt32(truncatingIfNeeded: widen.next())) }
        return bytes
    }

    /// Appends 16 bytes over `buffer[start...]`.
    static func appendTag(key: [UInt8], to buffer: inout [UInt8], from start: Int) {
        let tag = digest(key: key.span, buffer.span.extracting(start...), length: 16)
        buffer.append(contentsOf: tag)
    }

    /// Whether `packet[end...]` is the tag of what stands before it.
    static func hasTag(key: [UInt8], _ packet: Span<UInt8>, end: Int) -> Bool {
        let tag = digest(key: key.span, packet.extracting(0..<end), length: 16)
        return tag.span.elementsEqual(packet.extracting(end...))
    }
}
