import Wire

/// RTP payload format for VP8 (RFC 7741).
public enum VP8Payload {
    /// Descriptor: X, then I, then a 15-bit picture id (RFC 7741 clause 4.2): 4 bytes.
    private static let descriptorLength = 4

    static func packetise(_ frame: Span<UInt8>, pictureID: UInt16, maximum: Int, _ payloads: inout [UInt8], _ boundaries: inout [Int32]) {
        let (count, size) = evenPieces(of: frame.count, maximum: maximum - descriptorLength)
        for piece in 0..<count {
            payloads.append(piece == 0 ? 0x90 : 0x80)  // X, and S on the first
            payloads.append(0x80)
            payloads.append(u16: 0x8000 | pictureID)
            payloads.append(span: frame.extracting((piece * size)..<min((piece + 1) * size, frame.count)))
            boundaries.append(Int32(payloads.count))
        }
    }

    /// What the descriptor says, and where the frame's bytes begin.
    public struct Descriptor: Sendable, Hashable {
        /// First packet of partition 0: the beginning of a frame.
        public var startsFrame: Bool
        public var pictureID: UInt16?
        public var headerLength: Int

        public init(_ payload: Span<UInt8>) throws(PayloadError) {
            var reader = ByteReader(payload)
            guard let first = reader.u8() else { throw .empty }
            startsFrame = first & 0x10 != 0 && first & 0x07 == 0
            if first & 0x80 != 0 {
                guard let flags = reader.u8() else { throw .truncated }
                if flags & 0x80 != 0 {
                    guard let id = reader.u8() else { throw .truncated }
                    if id & 0x80 != 0 {
                        guard let low = reader.u8() else { throw .truncated }
                        pictureID = UInt16(id & 0x7F) << 8 | UInt16(low)
                    } else {
                        pictureID = UInt16(id)
                    }
                }
                if flags & 0x40 != 0, reader.u8() == nil { throw .truncated }  // TL0PICIDX
                if flags & 0x30 != 0, reader.u8() == nil { throw .truncated }  // TID, Y, KEYIDX
            }
            guard reader.remaining > 0 else { throw .truncated }
            headerLength = reader.offset
        }
    }

    /// Appends one payload's part of the frame.
    public static func depacketise(_ payload: Span<UInt8>, into frame: inout [UInt8], limit: Int) throws(PayloadError) {
        let descriptor = try Descriptor(payload)
        guard descriptor.startsFrame || !frame.isEmpty else { throw .orphanFragment }
        guard frame.count + payload.count <= limit else { throw .tooLarge }
        frame.append(span: payload.extracting(descriptor.headerLength..<payload.count))
    }

    /// The inverse key-frame bit of the frame header (RFC 6386 clause 9.1) in a packet that starts a frame.
    public static func startsKeyFrame(_ payload: Span<UInt8>) -> Bool {
        guard let descriptor = try? Descriptor(payload), descriptor.startsFrame else { return false }
        return payload[descriptor.headerLength] & 1 == 0
    }
}
