import Wire

/// What one peer is told before it begins.
public struct PeerConfiguration: Sendable {
    public var ice: IceConfiguration
    /// Which codecs and header extensions, in order of preference; nil: the engine's own.
    public var videoCodecs: [CodecKind]
    public var audioCodecs: [CodecKind]
    public var bitrate: BitrateLimits
    /// Wall-clock time for sender reports and capture times.
    public var clock: NTPClock
    /// Answer `passive` and wait for the ClientHello. A server on one port prefers it: nothing is sent before an address has passed a check.
    public var answersPassive: Bool
    /// What becomes of media that the peer offers and nothing here waits for.
    public var unexpectedMediaDirection: MediaDirection
    /// From the first path to the end of the DTLS handshake at most this long.
    public var handshakeTimeout: Duration
    /// Write a trace of what happens, as `PeerEvent.trace`.
    public var traces: Bool

    public init(
        ice: IceConfiguration, videoCodecs: [CodecKind] = [.h264, .vp8], audioCodecs: [CodecKind] = [.opus],
        bitrate: BitrateLimits = BitrateLimits(), clock: NTPClock = NTPClock(), answersPassive: Bool = false,
        unexpectedMediaDirection: MediaDirection = .inactive, handshakeTimeout: Duration = .seconds(30), traces: Bool = false
    ) {
        self.ice = ice
        self.videoCodecs = videoCodecs
        self.audioCodecs = audioCodecs
        self.bitrate = bitrate
        self.clock = clock
        self.answersPassive = answersPassive
        self.unexpectedMediaDirection = unexpectedMediaDirection
        self.handshakeTimeout = handshakeTimeout
        self.traces = traces
    }
}

/// `RTCPeerConnectionState`.
public enum PeerState: String, Sendable, Hashable { case new, connecting, connected, disconnected, failed, closed }

public enum PeerEvent: Sendable {
    case stateChanged(PeerState, reason: String?)
    /// A local candidate for trickling, and its mid.
    case candidate(IceCandidate, mid: String)
    case gatheringComplete
    case selectedPair(IceSelectedPair)
    case serverFailed(url: String, code: Int, reason: String)
    /// Something was added or changed: make an offer when it suits.
    case negotiationNeeded
    case dataChannel(DataChannelEvent)
    /// A viewer needs a key frame of what this transceiver sends; requests of many peers are the source's to merge.
    case keyFrameNeeded(TransceiverID)
    /// The path carries this much media, bit/s.
    case targetBitrate(Int)
    case videoFrame(TransceiverID, ReceivedFrame)
    case audio(TransceiverID, ReceivedAudio)
    /// One JSON object, a line of the trace.
    case trace(String)
}

public enum PeerOutput: Sendable {
    case transmit(Datagrams)
    case openStream(TransportID, to: SocketAddress, isTLS: Bool, serverName: String)
    case closeStream(TransportID)
    case resolve(String)
    case event(PeerEvent)
}

/// Why `receive` did nothing with a datagram. Counted in the statistics; nothing else changed.
public enum PeerRefusal: Error, Sendable, Hashable {
    case ice(IceRefusal)
    /// Neither STUN, DTLS, SRTP nor SRTCP by its first byte (RFC 7983).
    case unknownProtocol(UInt8)
    /// Media before there are keys.
    case noKeys
    case srtp(SRTPError)
    case rtp(RTPError)
    case rtcp(RTCPError)
    /// A stream that the descriptions do not announce.
    case unknownStream(SSRC)
    case closed
}
