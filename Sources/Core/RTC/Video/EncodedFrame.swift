import Wire

/// One picture as the encoder made it.
public struct EncodedFrame: Sendable {
    public var codec: CodecKind
    /// H.264: Annex B NAL units. VP8: one frame.
    public var bytes: [UInt8]
    public var isKeyFrame: Bool
    /// When the picture was taken, on the clock that the engine is told.
    public var captureTime: Instant
    /// The same moment as NTP 32.32 for abs-capture-time; nil where no wall clock is known.
    public var captureNTP: UInt64?
    /// In the codec's clock, 90 kHz; advances with capture time, wraps.
    public var timestamp: UInt32

    public init(
        codec: CodecKind, bytes: [UInt8], isKeyFrame: Bool, captureTime: Instant, captureNTP: UInt64? = nil, timestamp: UInt32
    ) {
        self.codec = codec
        self.bytes = bytes
        self.isKeyFrame = isKeyFrame
        self.captureTime = captureTime
        self.captureNTP = captureNTP
        self.timestamp = timestamp
    }
}

/// One picture cut into RTP payloads, once for all viewers. Immutable and shared: a viewer's send history holds the frame, not packets.
public final class PacketisedFrame: Sendable {
    public let codec: CodecKind
    public let isKeyFrame: Bool
    public let captureTime: Instant
    public let captureNTP: UInt64?
    public let timestamp: UInt32
    /// Rises by one a frame of the source, wraps.
    public let frameID: UInt16
    /// All payloads, end to end.
    public let payloads: [UInt8]
    /// Where payload `i` begins; one more entry for the end of the last.
    public let boundaries: [Int32]

    public var packetCount: Int { boundaries.count - 1 }
    public func range(of packet: Int) -> Range<Int> { Int(boundaries[packet])..<Int(boundaries[packet + 1]) }

    init(frame: EncodedFrame, frameID: UInt16, payloads: [UInt8], boundaries: [Int32]) {
        codec = frame.codec
        isKeyFrame = frame.isKeyFrame
        captureTime = frame.captureTime
        captureNTP = frame.captureNTP
        timestamp = frame.timestamp
        self.frameID = frameID
        self.payloads = payloads
        self.boundaries = boundaries
    }
}

/// Cuts the frames of one source and codec into payloads.
public struct VideoPacketiser: Sendable {
    /// Largest payload: a 1200-byte datagram less RTP header (12), extensions (32), RTX's original sequence number (2) and GCM tag (16).
    public static let defaultMaximumPayload = 1138

    public let codec: CodecKind
    public let maximumPayload: Int
    private var frameID: UInt16 = 0
    private var pictureID: UInt16 = 0

    public init(codec: CodecKind, maximumPayload: Int = VideoPacketiser.defaultMaximumPayload) {
        precondition(maximumPayload >= 100, "a payload of under 100 bytes is mostly headers")
        self.codec = codec
        self.maximumPayload = maximumPayload
    }

    /// Nil for an empty frame or one of another codec.
    public mutating func packetise(_ frame: EncodedFrame) -> PacketisedFrame? {
        guard frame.codec == codec, !frame.bytes.isEmpty else { return nil }
        var payloads: [UInt8] = []
        payloads.reserveCapacity(frame.bytes.count + frame.bytes.count / 200 + 64)
        var boundaries: [Int32] = [0]
        switch codec {
        case .h264: H264Payload.packetise(frame.bytes.span, maximum: maximumPayload, &payloads, &boundaries)
        case .vp8:
            VP8Payload.packetise(frame.bytes.span, pictureID: pictureID, maximum: maximumPayload, &payloads, &boundaries)
            pictureID = (pictureID + 1) & 0x7FFF
        case .opus: return nil
        }
        guard boundaries.count > 1 else { return nil }
        frameID &+= 1
        return PacketisedFrame(frame: frame, frameID: frameID, payloads: payloads, boundaries: boundaries)
    }
}

/// Sizes of the pieces of `total` bytes when each holds at most `maximum`: as few as possible, equal but for the last, which is not longer,
/// so that a frame leaves in one segmentation-offload call.
func evenPieces(of total: Int, maximum: Int) -> (count: Int, size: Int) {
    let count = (total + maximum - 1) / maximum
    let size = (total + count - 1) / count
    return ((total + size - 1) / size, size)
}
