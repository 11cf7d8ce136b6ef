/// Synchronisation source (RFC 3550 clause 3).
public struct SSRC: Sendable, Hashable {
    public let rawValue: UInt32
    public init(_ rawValue: UInt32) { self.rawValue = rawValue }
}

/// RTP payload type, 0…127.
public struct PayloadType: Sendable, Hashable {
    public let rawValue: UInt8
    public init(_ rawValue: UInt8) { self.rawValue = rawValue }
}

public enum MediaKind: String, Sendable, Hashable {
    case audio, video
}

/// The header extensions that the engine speaks; the value is the URI of `a=extmap` (RFC 8285).
public enum HeaderExtension: String, Sendable, Hashable, CaseIterable {
    case mid = "urn:ietf:params:rtp-hdrext:sdes:mid"
    case absoluteSendTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
    case transportSequence = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
    case playoutDelay = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
    case absoluteCaptureTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
    case videoFrameTrackingID = "http://www.webrtc.org/experiments/rtp-hdrext/video-frame-tracking-id"
}
