import Wire

public enum RTPError: Error, Sendable, Hashable {
    /// Fewer bytes than the header says (RFC 3550 clause 5.1).
    case truncated
    case version(UInt8)
    /// The padding count is zero or more than the payload (RFC 3550 clause 5.1).
    case padding
}

/// The fixed header of an RTP packet and where its parts stand in the bytes that it was read from (RFC 3550 clause 5.1, RFC 8285).
public struct RTPPacket: Sendable, Hashable {
    public static let fixedHeaderLength = 12

    public var payloadType: PayloadType
    public var marker: Bool
    public var sequenceNumber: UInt16
    public var timestamp: UInt32
    public var ssrc: SSRC
    /// Without padding.
    public var payload: Range<Int>
    /// The `defined by profile` word; 0xBEDE for one-byte elements, 0x100x for two-byte elements.
    public var extensionProfile: UInt16
    public var extensions: Range<Int>

    public init(_ bytes: Span<UInt8>) throws(RTPError) {
        guard bytes.count >= Self.fixedHeaderLength else { throw .truncated }
        let first = bytes[0]
        guard first >> 6 == 2 else { throw .version(first >> 6) }
        marker = bytes[1] & 0x80 != 0
        payloadType = PayloadType(bytes[1] & 0x7F)
        sequenceNumber = bytes.u16(at: 2)
        timestamp = bytes.u32(at: 4)
        ssrc = SSRC(bytes.u32(at: 8))
        var start = Self.fixedHeaderLength + 4 * Int(first & 0x0F)
        extensionProfile = 0
        extensions = 0..<0
        if first & 0x10 != 0 {
            guard bytes.count >= start + 4 else { throw .truncated }
            extensionProfile = bytes.u16(at: start)
            let length = 4 * Int(bytes.u16(at: start + 2))
            extensions = (start + 4)..<(start + 4 + length)
            start += 4 + length
        }
        guard bytes.count >= start else { throw .truncated }
        var end = bytes.count
        if first & 0x20 != 0 {
            guard end > start else { throw .padding }
            let padding = Int(bytes[end - 1])
            guard padding > 0, padding <= end - start else { throw .padding }
            end -= padding
        }
        payload = start..<end
    }

    /// Where the data of the element `id` (1…14 one-byte, 1…255 two-byte form) stands in `bytes`, the packet's own; nil when absent or malformed.
    public func element(_ id: UInt8, in bytes: Span<UInt8>) -> Range<Int>? {
        var at = extensions.lowerBound
        let end = extensions.upperBound
        guard end <= bytes.count else { return nil }
        if extensionProfile == 0xBEDE {
            while at < end {
                let found = bytes[at] >> 4
                if bytes[at] == 0 { at += 1; continue }
                if found == 15 { return nil }  // RFC 8285 clause 4.2: stop here
                let length = Int(bytes[at] & 0x0F) + 1
                guard at + 1 + length <= end else { return nil }
                if found == id { return (at + 1)..<(at + 1 + length) }
                at += 1 + length
            }
        } else if extensionProfile & 0xFFF0 == 0x1000 {
            while at < end {
                let found = bytes[at]
                if found == 0 { at += 1; continue }
                guard at + 2 <= end else { return nil }
                let length = Int(bytes[at + 1])
                guard at + 2 + length <= end else { return nil }
                if found == id { return (at + 2)..<(at + 2 + length) }
                at += 2 + length
            }
        }
        return nil
    }

    /// Whether the bytes are RTCP rather than RTP on a multiplexed port (RFC 5761 clause 4): packet types 192…223.
    public static func isRTCP(_ bytes: Span<UInt8>) -> Bool {
        bytes.count >= 2 && (192...223).contains(bytes[1])
    }
}
