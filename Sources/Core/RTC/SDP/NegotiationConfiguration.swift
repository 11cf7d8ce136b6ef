/// What this side wants and can, fixed for the life of a peer.
public struct NegotiationConfiguration: Sendable {
    /// In order of preference; a transceiver may name its own.
    public var videoCodecs: [CodecKind] = [.h264, .vp8]
    public var audioCodecs: [CodecKind] = [.opus]
    public var headerExtensions: Set<HeaderExtension> = [.mid, .absoluteSendTime, .transportSequence, .playoutDelay, .absoluteCaptureTime]
    /// Profiles of H.264 that we decode. We only ever send constrained baseline.
    public var h264Profiles: Set<H264ProfileLevel.Profile> = [.constrainedBaseline, .baseline]
    public var h264Level: H264ProfileLevel = .constrainedBaseline31
    public var opus = OpusParameters()
    public var isICELite = false
    /// `a=ice-options:trickle` (RFC 8838).
    public var supportsTrickle = true
    /// Answer an `actpass` offer with `passive` rather than `active` (RFC 8842 clause 5.3 prefers active: it saves a round trip).
    public var answersPassive = false
    public var fingerprints: [Fingerprint]
    /// Largest data channel message that we take, in bytes (`a=max-message-size`).
    public var maximumMessage: UInt64 = 262_144
    /// For `o=`: random, below 2^63 (RFC 8829 clause 5.2.1).
    public var sessionID: UInt64
    /// RTCP canonical name: random (RFC 7022).
    public var cname: String
    /// How media is taken that the peer offers and no local transceiver waits for: `recvonly` or `inactive`.
    public var unexpectedMediaDirection: MediaDirection = .recvonly

    public init(fingerprints: [Fingerprint], sessionID: UInt64, cname: String) {
        self.fingerprints = fingerprints
        self.sessionID = sessionID & (UInt64.max >> 1)
        self.cname = cname
    }
}

/// What the caller knows of its own ICE at the moment of printing.
public struct TransportDescription: Sendable, Hashable {
    public var iceCredentials: IceCredentials
    /// Attribute values as in `RTCIceCandidate.candidate`: `candidate:1 1 udp …`.
    public var candidates: [String]
    public var gatheringIsComplete: Bool

    public init(iceCredentials: IceCredentials, candidates: [String] = [], gatheringIsComplete: Bool = false) {
        self.iceCredentials = iceCredentials
        self.candidates = candidates
        self.gatheringIsComplete = gatheringIsComplete
    }
}
