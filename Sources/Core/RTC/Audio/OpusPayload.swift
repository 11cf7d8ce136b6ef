import Wire

/// What an Opus packet says about itself (RFC 6716 clause 3.1, RFC 7587). A payload is one packet, unchanged.
public enum OpusPayload {
    /// Longest packet that RFC 6716 allows, 120 ms, in samples at 48 kHz.
    public static let maximumSamples = 5760

    /// Length at 48 kHz in samples, from the table-of-contents byte and the frame count; nil when malformed.
    public static func samples(_ packet: Span<UInt8>) -> Int? {
        guard packet.count >= 1 else { return nil }
        let configuration = Int(packet[0] >> 3)
        let perFrame: Int
        switch configuration {
        case 0...11: perFrame = [480, 960, 1920, 2880][configuration % 4]
        case 12...15: perFrame = [480, 960][configuration % 2]
        default: perFrame = [120, 240, 480, 960][configuration % 4]
        }
        let frames: Int
        switch packet[0] & 3 {
        case 0: frames = 1
        case 1, 2: frames = 2
        default:
            guard packet.count >= 2 else { return nil }
            frames = Int(packet[1] & 0x3F)
        }
        guard frames > 0, frames * perFrame <= maximumSamples else { return nil }
        return frames * perFrame
    }

    /// Discontinuous transmission sends packets of at most two bytes (RFC 7587 clause 3.1.3).
    public static func isSilence(_ packet: Span<UInt8>) -> Bool { packet.count <= 2 }
}
