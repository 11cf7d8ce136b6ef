/// The codecs that the engine packetises.
public enum CodecKind: String, Sendable, Hashable, CaseIterable {
    case h264 = "H264"
    case vp8 = "VP8"
    case opus = "opus"

    public var kind: MediaKind { self == .opus ? .audio : .video }
    /// RTP clock in Hz (RFC 6184 clause 8.2.1, RFC 7741 clause 6.1, RFC 7587 clause 4.1).
    public var clockRate: UInt32 { self == .opus ? 48_000 : 90_000 }
}
