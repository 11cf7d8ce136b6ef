import Wire

/// The fixed header of an RTP packet (RFC 3550 clause 5.1).
struct RTPHeader: Sendable, Equatable {
    static let length = 12

    var sequence: UInt16
    var timestamp: UInt32
    var ssrc: UInt32

    /// nil: not RTP, or RTCP, which shares its ports (RFC 5761 clause 4).
    /// - Parameter length: bytes on the wire, of which `bytes` are the first.
    init?(_ bytes: Span<UInt8>, length: Int) {
        guard bytes.count >= Self.length, length >= Self.length, bytes[0] >> 6 == 2, !RTPHeader.isRTCP(bytes) else { return nil }
        var header = Self.length + 4 * Int(bytes[0] & 15)
        if bytes[0] & 0x10 != 0, bytes.count >= header + 4 { header += 4 + 4 * Int(bytes.u16(at: header + 2)) }
        guard header <= length else { return nil }
        sequence = bytes.u16(at: 2)
        timestamp = bytes.u32(at: 4)
        ssrc = bytes.u32(at: 8)
    }

    static func isRTCP(_ bytes: Span<UInt8>) -> Bool {
        bytes.count >= 8 && bytes[0] >> 6 == 2 && (192...223).contains(bytes[1])
    }
}
