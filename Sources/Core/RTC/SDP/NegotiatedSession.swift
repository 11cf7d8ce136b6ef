/// What both sides agreed on: all that the transport and the media need to know of the descriptions.
public struct NegotiatedSession: Sendable, Hashable {
    public var remoteCredentials: IceCredentials
    public var remoteIsLite: Bool
    /// Values of `a=candidate`, with `candidate:` in front.
    public var remoteCandidates: [String]
    public var remoteEndOfCandidates: Bool
    public var remoteSupportsTrickle: Bool
    public var remoteFingerprints: [Fingerprint]
    /// Ours; nil only where nothing was accepted.
    public var dtlsRole: DTLSRole?
    /// The mid that carries the transport: candidates go under it. It changes when the peer rejects the section or puts a new one
    /// before it; Chromium then begins ICE and DTLS anew under the same credentials and certificate, and `dtlsRole` may change with it.
    public var transportMid: String
    /// True when this side made the offer: the controlling ICE agent of a first negotiation (RFC 8445 clause 6.1.1).
    public var isOfferer: Bool
    public var localCredentials: IceCredentials
    public var media: [NegotiatedMedia]
    public var data: NegotiatedData?
}

/// One accepted audio or video section.
public struct NegotiatedMedia: Sendable, Hashable {
    public var transceiver: TransceiverID
    public var mid: String
    public var mLineIndex: Int
    public var kind: MediaKind
    /// Seen from this side.
    public var sends: Bool
    public var receives: Bool
    /// The answer's order: the first that `isSendable` is the one to send.
    public var codecs: [NegotiatedCodec]
    /// Agreed ids that may be sent to the peer; above 14 only where both sides allow two-byte headers (RFC 8285).
    public var extensions: [HeaderExtension: UInt8]
    /// Agreed ids that the peer may send.
    public var receivedExtensions: [HeaderExtension: UInt8]
    /// What the peer says that it sends; empty where it only uses the mid extension.
    public var remoteSSRCs: [SSRC]
    /// By primary source.
    public var remoteRTXSSRCs: [SSRC: SSRC]
    public var localSSRC: SSRC?
    public var localRTXSSRC: SSRC?
    public var remoteStreamIDs: [String]
    public var remoteTrackID: String?
    public var remoteCNAME: String?
    public var reducedSizeRTCP: Bool
    /// What the peer is willing to receive, in bits a second (`b=TIAS`, or `b=AS`).
    public var remoteMaximumBitrate: UInt64?
}

public struct NegotiatedCodec: Sendable, Hashable {
    public enum Parameters: Sendable, Hashable {
        case none
        /// As the peer says it receives.
        case h264(H264Parameters)
        case opus(OpusParameters)
    }

    public var kind: CodecKind
    /// To use when sending.
    public var payloadType: PayloadType
    /// What the peer uses when it sends.
    public var receivePayloadType: PayloadType
    public var rtxPayloadType: PayloadType?
    public var receiveRTXPayloadType: PayloadType?
    public var clockRate: UInt32
    public var channels: UInt8?
    public var parameters: Parameters
    /// What both sides print.
    public var feedback: Set<Feedback>
    /// False for what we only receive: H.264 in packetization mode 0, or of a profile that our encoder does not make.
    public var isSendable: Bool
}

public struct NegotiatedData: Sendable, Hashable {
    public var mid: String
    public var mLineIndex: Int
    public var localPort: UInt16
    public var remotePort: UInt16
    /// Largest message that the peer takes, in bytes; nil: no limit (RFC 8841 clause 6).
    public var remoteMaximumMessage: UInt64?
}
